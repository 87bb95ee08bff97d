package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// An ExposedError reports a configuration that somebody else can change: whoever can
// would have commands run by who uses it.
type ExposedError struct {
	Path  string // the file, or a directory or link on the way to it
	Owner int    // the user that Path belongs to, who is not root; negative: it is root's, or may be anybody's
}

func (e *ExposedError) Error() string {
	if e.Owner >= 0 {
		return fmt.Sprintf("%s belongs to user %d, who could have commands run by root", e.Path, e.Owner)
	}
	return fmt.Sprintf("%s can be written by others, who could have commands run by you", e.Path)
}

// CheckExposed makes sure that nobody but root can change what the configuration at
// path says, if it is used by root: the file, every directory and every link on the way
// to it belong to root and are writable by nobody else. A directory in which everybody
// may make files, and remove only one's own (sticky), is none that can be written. Used
// by another user, it must only not be writable by everybody. A file that there is not
// is nobody's to change.
func CheckExposed(path string, uid int) error {
	if uid != 0 {
		info, err := os.Stat(path)
		if err == nil && info.Mode()&0o002 != 0 {
			err = &ExposedError{Path: path, Owner: -1}
		}
		return unlessAbsent(err)
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return unlessAbsent(checkWay("/", strings.Split(full, "/"), new(int)))
}

func unlessAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

// maxLinks bounds how many links are followed, as the kernel does.
const maxLinks = 40

// checkWay checks a directory, and what the names lead to from there, links followed
// one by one.
func checkWay(at string, names []string, links *int) error {
	info, err := os.Lstat(at)
	if err != nil {
		return err
	}
	if err := checkRoots(at, info); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if *links++; *links > maxLinks {
			return fmt.Errorf("%s: %w", at, syscall.ELOOP)
		}
		to, err := os.Readlink(at)
		if err != nil {
			return err
		}
		from := filepath.Dir(at)
		if filepath.IsAbs(to) {
			from = "/"
		}
		return checkWay(from, append(strings.Split(to, "/"), names...), links)
	}
	for i, name := range names {
		switch name {
		case "", ".":
			continue
		case "..":
			return checkWay(filepath.Dir(at), names[i+1:], links)
		}
		return checkWay(filepath.Join(at, name), names[i+1:], links)
	}
	return nil
}

// checkRoots makes sure that one name on the way is root's alone to change.
func checkRoots(at string, info fs.FileInfo) error {
	st, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return fmt.Errorf("%s: whose it is cannot be told", at)
	}
	if st.Uid != 0 {
		return &ExposedError{Path: at, Owner: int(st.Uid)}
	}
	mode := info.Mode()
	others := mode&0o002 != 0 || mode&0o020 != 0 && st.Gid != 0
	if mode&fs.ModeSymlink != 0 || mode.IsDir() && mode&fs.ModeSticky != 0 {
		others = false
	}
	if others {
		return &ExposedError{Path: at, Owner: -1}
	}
	return nil
}
