package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

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
	what := "other files are there"
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		what = "there is no such directory"
	case err != nil:
		what = err.Error()
	case len(entries) == 0:
		what = "the directory is empty"
	}
	return fmt.Errorf("open %q: %w: %s", dir, repository.ErrNoRepository, what)
}

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
