package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"varve/internal/durable"
	"varve/repository"
)

// A withinError reports a place for something else that is a repository, or lies in one.
type withinError struct{ Repository string }

func (e *withinError) Error() string {
	return fmt.Sprintf("it lies within the repository %s, which is nobody else's to keep things in", e.Repository)
}

// A hidingError reports a mount point in which the repository lies: whoever looks for it would not find it.
type hidingError struct{ Repository string }

func (e *hidingError) Error() string {
	return fmt.Sprintf("the repository %s lies in it, and would be hidden", e.Repository)
}

// sameDirectory tells whether two paths lead to the same directory, by whatever names and mounts.
func sameDirectory(a, b string) bool {
	one, err := os.Stat(a)
	other, berr := os.Stat(b)
	return err == nil && berr == nil && os.SameFile(one, other)
}

// checkOutside refuses a directory that is a repository, or lies in one. Its path is absolute, and links in it must have
// been followed. What cannot be looked into is passed over.
func checkOutside(dir string) error {
	for {
		holds, err := holdsRepository(dir)
		switch {
		case err != nil:
			return err
		case holds:
			return &withinError{Repository: dir}
		case dir == filepath.Dir(dir):
			return nil
		}
		dir = filepath.Dir(dir)
	}
}

// holdsRepository tells whether a directory has a repository. One that cannot be looked into has none, and neither has
// what is no directory, or the mount point of a process that is dead.
func holdsRepository(dir string) (bool, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return false, nil
	}
	var tree *durable.Tree
	if err == nil {
		tree, err = durable.OpenTree(dir)
	}
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENOTCONN):
		return false, nil
	case err != nil:
		return false, err
	}
	return repository.Holds(tree), tree.Close()
}
