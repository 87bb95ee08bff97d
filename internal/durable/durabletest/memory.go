package durabletest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// memoryPrefix begins the names of directories that [MakeDir] makes.
const memoryPrefix = "varve-test-"

// memory is where files cost no disk and a sync costs nothing; empty, for the usual
// place, where there is none.
func memory() string {
	const dir = "/dev/shm"
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return dir
	}
	return ""
}

// TempDir makes a real directory in memory, if there is a place for it, that ends
// with the test: for tests that make hundreds of repositories and pull no plug.
func TempDir(t testing.TB) string {
	t.Helper()
	dir, remove, err := MakeDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := remove(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// MakeDir is [TempDir] for whoever has no test. What killed tests have left is
// removed first, for it would stay in memory until the machine is started again: what
// the directory lies in is locked as long as the process lives. The directory itself
// may be removed and made again.
func MakeDir() (dir string, remove func() error, err error) {
	base := memory()
	if base == "" {
		base = os.TempDir()
	}
	if err := sweep(base); err != nil {
		return "", nil, err
	}
	for {
		outer, err := os.MkdirTemp(base, memoryPrefix)
		if err != nil {
			return "", nil, err
		}
		lock, err := lockDir(outer)
		if err != nil {
			return "", nil, errors.Join(err, os.RemoveAll(outer))
		}
		if lock == nil { // somebody swept it before it was locked: another one
			continue
		}
		dir := filepath.Join(outer, "d")
		remove := func() error { return errors.Join(os.RemoveAll(outer), lock.Close()) }
		if err := os.Mkdir(dir, 0o700); err != nil {
			return "", nil, errors.Join(err, remove())
		}
		return dir, remove, nil
	}
}

// sweep removes what no process has locked.
func sweep(base string) error {
	dirs, err := filepath.Glob(filepath.Join(base, memoryPrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if lock, err := lockDir(dir); err == nil && lock != nil {
			_ = os.RemoveAll(dir) // another user's stay; it is no concern of this test
			_ = lock.Close()
		}
	}
	return nil
}

// lockDir locks a directory until the file is closed; the file is nil if somebody
// else has locked it, or removed it.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, f.Close()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := os.Lstat(dir); err != nil { // removed between the two
		return nil, f.Close()
	}
	return f, nil
}
