package durable_test

import (
	"bytes"
	"os"
	"testing"

	"varve/internal/durable"
)

// A scratch file holds what is written to it, and nothing of it is to be seen.
func TestScratch(t *testing.T) {
	dir := t.TempDir()
	d, err := durable.OpenScratchDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []*durable.Scratch
	for i := range 2 {
		f, err := d.Create()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
		files = append(files, f)
		if _, err := f.WriteAt(bytes.Repeat([]byte{byte(i + 1)}, 8192), 1<<30); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := files[0].Punch(1<<30, 4096); err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		got := make([]byte, 8192)
		if _, err := f.ReadAt(got, 1<<30); err != nil {
			t.Fatal(err)
		}
		if got[8191] != byte(i+1) {
			t.Errorf("file %d holds what was written to another", i)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("scratch files have names: %v, %v", entries, err)
	}
	if _, err := durable.OpenScratchDir(dir + "/none"); err == nil {
		t.Error("a directory that there is not was opened")
	}
}
