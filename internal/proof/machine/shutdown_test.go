package machine

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"varve/internal/durable"
)

// TestEnumerateDirectorySyncs cuts the power, many times, of somebody who renames
// a file and syncs its directory and does nothing else. The kernel's xfs makes it
// hard to know that the sync did something: of a directory whose changes it has
// just thrown away, fsync says 0.
func TestEnumerateDirectorySyncs(t *testing.T) {
	t.Parallel()
	const cuts = 60
	for _, fs := range fileSystems() {
		t.Run(fs.name, func(t *testing.T) {
			t.Parallel()
			disk := fs.fresh(t)
			tree := openPoint(t, disk)
			if err := durable.WriteNew(tree, durable.NewTemps("t"), "0", []byte("x")); err != nil {
				t.Fatal(err)
			}
			closeTree(t, tree)
			for i, number := 0, 0; i < cuts && !t.Failed(); i++ {
				number = cutRenames(t, disk, number)
			}
			disk.unmount(t)
		})
	}
}

// cutRenames renames and syncs until the power is cut, and returns the name that
// the file has then.
func cutRenames(t *testing.T, disk *mounted, number int) int {
	t.Helper()
	tree := openPoint(t, disk)
	promised := make(chan int)
	go func() {
		for number := number; ; number++ {
			err := tree.RenameNew(strconv.Itoa(number), strconv.Itoa(number+1))
			if err == nil {
				err = tree.SyncDir(".")
			}
			if err != nil {
				promised <- number
				return
			}
		}
	}()
	timer := time.NewTimer(time.Duration(rand.IntN(1500)) * time.Microsecond) // a cut comes when it comes
	<-timer.C
	disk.cut(t, shutNow)
	want := <-promised
	closeTree(t, tree)
	disk.remount(t)
	names, err := filepath.Glob(filepath.Join(disk.point, "[0-9]*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("after the cut there are %q, %v, want one file", names, err)
	}
	is, err := strconv.Atoi(filepath.Base(names[0]))
	if err != nil {
		t.Fatal(err)
	}
	if is < want {
		t.Errorf("SyncDir returned nil after the renaming to %d, and after the cut the name is %d", want, is)
	}
	return is
}

// TestADeadDiskSyncsNothing: once a file system has given its disk up, no sync succeeds.
func TestADeadDiskSyncsNothing(t *testing.T) {
	t.Parallel()
	for _, fs := range fileSystems() {
		t.Run(fs.name, func(t *testing.T) {
			t.Parallel()
			disk := fs.fresh(t)
			tree := openPoint(t, disk)
			defer closeTree(t, tree)
			file, err := tree.Create("old")
			if err != nil {
				t.Fatal(err)
			}
			if err := tree.RenameNew("old", "new"); err != nil {
				t.Fatal(err)
			}
			disk.cut(t, shutNow)
			if err := tree.SyncDir("."); err == nil {
				t.Error("a directory whose disk is gone is synced")
			}
			if err := file.Sync(); err == nil {
				t.Error("a file whose disk is gone is synced")
			}
			if err := file.Close(); err != nil && !strings.Contains(fmt.Sprint(err), "input/output") {
				t.Error(err)
			}
		})
	}
}

func openPoint(t *testing.T, disk *mounted) *durable.Tree {
	t.Helper()
	tree, err := durable.OpenTree(disk.point)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func closeTree(t *testing.T, tree *durable.Tree) {
	t.Helper()
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
}
