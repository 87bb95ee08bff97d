package durable_test

import (
	"context"
	"errors"
	"testing"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

// A second lock on one handle says yes; who asks for the file afresh is told no.
func TestTrapTryLockTwiceInOneProcess(t *testing.T) {
	t.Parallel()
	tree, _ := newTree(t)
	first, err := durable.OpenLocked(tree, "lock")
	if err != nil || first == nil {
		t.Fatalf("first OpenLocked = %v, %v", first, err)
	}
	if got, err := first.TryLock(); !got || err != nil {
		t.Errorf("TryLock on the handle that has the lock = %v, %v", got, err)
	}
	second, err := durable.OpenLocked(tree, "lock")
	if err != nil || second != nil {
		t.Errorf("second OpenLocked = %v, %v, want nothing", second, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := durable.OpenLocked(tree, "lock")
	if err != nil || third == nil {
		t.Fatalf("OpenLocked after Close = %v, %v", third, err)
	}
	mustClose(t, third)
}

func TestALockOnARemovedFileIsNotTaken(t *testing.T) {
	t.Parallel()
	tree, _ := newTree(t)
	first, err := durable.OpenLocked(tree, "lock")
	if err != nil || first == nil {
		t.Fatalf("OpenLocked = %v, %v", first, err)
	}
	defer mustClose(t, first)
	if err := tree.Remove("lock"); err != nil {
		t.Fatal(err)
	}
	second, err := durable.OpenLocked(tree, "lock")
	if err != nil || second == nil {
		t.Fatalf("OpenLocked of the name made anew = %v, %v", second, err)
	}
	defer mustClose(t, second)
	if same, err := second.Is("lock"); err != nil || !same {
		t.Errorf("the lock taken is not the named file: %v, %v", same, err)
	}
}

// Between the opening of a lock file and its locking, somebody removes it and
// makes it anew: the lock on the old one excludes nobody.
func TestTrapLockFileReplacedBeforeItIsLocked(t *testing.T) {
	t.Parallel()
	tree, _ := newTree(t)
	var other durable.File
	watched := durabletest.NewWatched(tree, func(op, name string) (err error) {
		if op != "lock" || other != nil {
			return nil
		}
		if err := tree.Remove(name); err != nil {
			return err
		}
		other, err = durable.OpenLocked(tree, name)
		return err
	})
	got, err := durable.OpenLocked(watched, "lock")
	if err != nil || got != nil {
		t.Errorf("OpenLocked = %v, %v, want nothing: another holds the lock of that name", got, err)
	}
	if other == nil {
		t.Fatal("nobody else locked the file")
	}
	mustClose(t, other)
}

func TestWaitLockedEndsWithItsContext(t *testing.T) {
	t.Parallel()
	tree, _ := newTree(t)
	held, err := durable.OpenLocked(tree, "lock")
	if err != nil || held == nil {
		t.Fatalf("OpenLocked = %v, %v", held, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() {
		_, err := durable.WaitLocked(ctx, tree, "lock")
		waited <- err
	}()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("WaitLocked = %v, want context.Canceled", err)
	}
	got := make(chan durable.File, 1)
	go func() {
		f, err := durable.WaitLocked(t.Context(), tree, "lock")
		if err != nil {
			t.Error(err)
		}
		got <- f
	}()
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if f := <-got; f == nil {
		t.Error("WaitLocked got nothing after the lock was given up")
	} else {
		mustClose(t, f)
	}
}

func TestCheckFlockAcceptsAWorkingFileSystem(t *testing.T) {
	t.Parallel()
	tree, _ := newTree(t)
	if err := durable.CheckFlock(tree, "lock"); err != nil {
		t.Error(err)
	}
}

// forgetful gives out every lock, as file systems do that accept flock and ignore it.
type forgetful struct{ durable.FS }

type forgetfulFile struct{ durable.File }

func (f forgetful) OpenWrite(name string) (durable.File, error) {
	file, err := f.FS.OpenWrite(name)
	if err != nil {
		return nil, err
	}
	return forgetfulFile{file}, nil
}

func (forgetfulFile) TryLock() (bool, error) { return true, nil }

func TestCheckFlockRefusesAFileSystemThatForgetsLocks(t *testing.T) {
	t.Parallel()
	tree, _ := newTree(t)
	if err := durable.WriteNew(tree, durable.NewTemps("t"), "lock", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := durable.CheckFlock(forgetful{tree}, "lock"); !errors.Is(err, durable.ErrNoFlock) {
		t.Errorf("CheckFlock = %v, want ErrNoFlock", err)
	}
}
