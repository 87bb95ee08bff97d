package filevolume

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

// Whichever step fails: the old content is there until the new one is complete, success is said only
// if nothing failed, and the next run is not held up by what is left.
func TestReplacingSurvivesFailureAtEveryStep(t *testing.T) {
	for step := 0; ; step++ {
		path := filepath.Join(t.TempDir(), "disk.img")
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		tree, err := durable.OpenTree(filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		faulty := durabletest.NewFaulty(tree, durabletest.Fault{Step: step, Err: unix.EIO})
		err = replace(t, faulty, path)
		content, readErr := os.ReadFile(path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		switch got := string(content); {
		case err == nil && got != "new":
			t.Errorf("step %d (%s): success, and the target holds %q", step, faulty.Fired(), got)
		case got != "new" && got != "old":
			t.Errorf("step %d (%s): the target holds %q", step, faulty.Fired(), got)
		}
		if faulty.Fired() == "" {
			if err != nil {
				t.Fatalf("without any fault: %v", err)
			}
			return
		}
		if !errors.Is(err, unix.EIO) {
			t.Errorf("step %d (%s) failed, and the error is %v", step, faulty.Fired(), err)
		}
		if next, err := OpenTarget(path, 3, TargetOptions{Force: true}); err != nil {
			t.Errorf("step %d (%s): the next run: %v", step, faulty.Fired(), err)
		} else if err := next.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A target gets its name when its content is on disk, and success is said when its
// name is.
func TestTrapTargetNamedBeforeItIsSynced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree, err := durable.OpenTree(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	watched := durabletest.NewWatched(tree, func(op, name string) error {
		switch op {
		case "write", "fsync", "rename", "fsync directory":
			steps = append(steps, op+" "+name)
		}
		return nil
	})
	if err := replace(t, watched, path); err != nil {
		t.Fatal(err)
	}
	want := []string{"write disk.img.varve-partial", "fsync disk.img.varve-partial", "rename disk.img", "fsync directory ."}
	if !slices.Equal(steps, want) {
		t.Errorf("a restore did %q, want %q", steps, want)
	}
}

func replace(t *testing.T, tree durable.FS, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	target := &fileTarget{name: path, size: 3, tree: tree, base: filepath.Base(path), replaces: info}
	if err := target.create(0); err != nil {
		return errors.Join(err, tree.Close())
	}
	_, err = target.WriteAt([]byte("new"), 0)
	if err == nil {
		err = target.Commit(t.Context())
	}
	return errors.Join(err, target.Close())
}
