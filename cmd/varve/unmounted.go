package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"varve/repository"
	"varve/volume/filevolume"
)

// An unmountedError reports a place for a repository whose disk is not there today.
type unmountedError struct {
	Dir   string
	Point string // where it should be mounted
}

func (e *unmountedError) Error() string {
	return fmt.Sprintf("%s should lie on what /etc/fstab mounts on %s, and nothing is mounted there", e.Dir, e.Point)
}

// explainAbsence is the error of a directory that has no repository: it says what is there instead.
func explainAbsence(dir string) error {
	if point := filevolume.Unmounted(dir); point != "" {
		return fmt.Errorf("open %q: %w: %w", dir, repository.ErrNoRepository, &unmountedError{Dir: dir, Point: point})
	}
	absent := &absentError{Dir: dir, What: "other files are there"}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		absent.What, absent.Free = "there is no such directory", true
	case errors.Is(err, syscall.ENOTDIR):
		absent.What = "it is no directory"
	case err != nil:
		absent.What = err.Error()
	case len(entries) == 0:
		absent.What, absent.Free = "the directory is empty", true
	}
	return absent
}

// An absentError reports a place without a repository.
type absentError struct {
	Dir  string
	What string // what is there instead
	Free bool   // one can be made there
}

func (e *absentError) Error() string {
	return fmt.Sprintf("open %q: %v: %s", e.Dir, e.Unwrap(), e.What)
}

func (e *absentError) Unwrap() error { return repository.ErrNoRepository }

// checkMounted refuses to make a repository where a disk is missing: the next time that it is mounted, the
// repository would be hidden under it.
func checkMounted(dir string) error {
	if entries, err := os.ReadDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) || len(entries) > 0 {
		return nil // what is there is refused by who looks at it, or was begun
	}
	if point := filevolume.Unmounted(dir); point != "" {
		return &unmountedError{Dir: dir, Point: point}
	}
	return nil
}
