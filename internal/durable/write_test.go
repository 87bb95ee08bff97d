package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

func TestWriteNewFailsAtEveryStep(t *testing.T) {
	t.Parallel()
	testEveryStep(t, durable.WriteNew, "")
}

func TestReplaceFailsAtEveryStep(t *testing.T) {
	t.Parallel()
	testEveryStep(t, durable.Replace, "old")
}

// testEveryStep lets each call of one write fail in turn: the name then holds the
// old bytes or the new ones, success is never reported, and nothing lies about.
func testEveryStep(t *testing.T, write func(durable.FS, *durable.Temps, string, []byte) error, before string) {
	t.Helper()
	for step := 0; ; step++ {
		tree, _ := newTree(t)
		if err := tree.Mkdir("d"); err != nil {
			t.Fatal(err)
		}
		if before != "" {
			if err := durable.WriteNew(tree, durable.NewTemps("before"), "d/file", []byte(before)); err != nil {
				t.Fatal(err)
			}
		}
		faulty := durabletest.NewFaulty(tree, durabletest.Fault{Step: step, Err: unix.EIO, Short: true})
		err := write(faulty, durable.NewTemps("me"), "d/file", []byte("new bytes"))
		got, rerr := durable.ReadFile(tree, "d/file", 100)
		if before == "" && errors.Is(rerr, fs.ErrNotExist) {
			rerr = nil
		}
		if rerr != nil || string(got) != before && string(got) != "new bytes" {
			t.Errorf("after %s the file holds %q (%v)", faulty.Fired(), got, rerr)
		}
		entries, rerr := tree.ReadDir("d")
		if rerr != nil {
			t.Fatal(rerr)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), durable.TempPrefix) {
				t.Errorf("after %s, %s is left", faulty.Fired(), e.Name())
			}
		}
		if faulty.Fired() == "" {
			if err != nil || string(got) != "new bytes" {
				t.Errorf("without a fault: %v, file holds %q", err, got)
			}
			return
		}
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%s failed, but the write returned %v", faulty.Fired(), err)
		}
	}
}

func TestReadFileIsBounded(t *testing.T) {
	t.Parallel()
	tree, _ := newTree(t)
	temps := durable.NewTemps("t")
	if err := durable.WriteNew(tree, temps, "f", bytes.Repeat([]byte("x"), 101)); err != nil {
		t.Fatal(err)
	}
	if _, err := durable.ReadFile(tree, "f", 100); !errors.Is(err, durable.ErrTooLarge) {
		t.Errorf("ReadFile of 101 bytes with limit 100 = %v, want ErrTooLarge", err)
	}
	if got, err := durable.ReadFile(tree, "f", 101); err != nil || len(got) != 101 {
		t.Errorf("ReadFile = %d bytes, %v", len(got), err)
	}
}

func TestMkdirAllSyncsEachParent(t *testing.T) {
	t.Parallel()
	for step := 0; ; step++ {
		tree, _ := newTree(t)
		faulty := durabletest.NewFaulty(tree, durabletest.Fault{Step: step, Err: unix.ENOSPC})
		err := durable.MkdirAll(faulty, "a/b/c")
		if faulty.Fired() == "" {
			if err != nil {
				t.Errorf("without a fault: %v", err)
			}
			if want := 6; step != want { // three directories, each made and synced into its parent
				t.Errorf("MkdirAll made %d calls, want %d", step, want)
			}
			return
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Errorf("%s failed, but MkdirAll returned %v", faulty.Fired(), err)
		}
	}
}

// Whoever made a directory may not have synced it into its parent yet.
func TestTrapDirectoryFoundBeforeItWasSynced(t *testing.T) {
	t.Parallel()
	tree, _ := newTree(t)
	for _, dir := range []string{"a", "a/b", "a/b/c"} {
		if err := tree.Mkdir(dir); err != nil {
			t.Fatal(err)
		}
	}
	synced := map[string]bool{}
	watched := durabletest.NewWatched(tree, func(op, name string) error {
		if op == "fsync directory" {
			synced[name] = true
		}
		return nil
	})
	if err := durable.MkdirAll(watched, "a/b/c"); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "a", "a/b"} {
		if !synced[dir] {
			t.Errorf("%s was not synced", dir)
		}
	}
}

func TestTempsTellTheirOwner(t *testing.T) {
	t.Parallel()
	for _, owner := range []string{"1a2b", "init-1a2b"} {
		base := strings.TrimPrefix(durable.NewTemps(owner).In("packs/00"), "packs/00/")
		if got := durable.TempOwner(base); got != owner || !durable.IsTemp(base) {
			t.Errorf("the owner of %q is %q, want %q", base, got, owner)
		}
	}
	if durable.IsTemp("1a2b-1") {
		t.Error("a file without the prefix is taken for a temporary one")
	}
}

// A sync that failed may have lost the new names for good, whatever a later one
// says: so they are not left for the next run to find.
func TestMakeDirsLeavesNothingUnsynced(t *testing.T) {
	for step := range 6 {
		disk := durabletest.NewDisk()
		faulty := durabletest.NewFaulty(disk, durabletest.Fault{Step: step, Err: unix.EIO})
		err := durable.MakeDirs(faulty, "a", "a/b", "c")
		if faulty.Fired() == "" {
			if err != nil {
				t.Errorf("without a fault: %v", err)
			}
			return
		}
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%s failed, and the error is %v", faulty.Fired(), err)
		}
		if left, err := disk.ReadDir("."); err != nil || len(left) > 0 {
			t.Errorf("%s failed, and %v is left (%v)", faulty.Fired(), left, err)
		}
	}
	t.Error("every one of the first calls failed, and there are no more than five")
}
