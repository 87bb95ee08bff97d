package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A Dir is an open directory of this host in which files of every kind are made, with all that belongs to them: what
// comes out of a file system is put there. Names are single elements, and links are not followed. It may be used by one
// goroutine at a time. What is made is durable after [Dir.SyncAll].
type Dir struct{ f *os.File }

// OpenDir opens a directory. Its path may lead through links.
func OpenDir(path string) (*Dir, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &Dir{f}, nil
}

// Close also ends the lock of [Dir.Stage].
func (d *Dir) Close() error { return d.f.Close() }

// below is a path by which the kernel leads to an entry, whatever the directory is called by now.
func (d *Dir) below(name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", d.f.Fd(), name) }

func (d *Dir) fd() int { return int(d.f.Fd()) }

// failed says of which entry an error is.
func (d *Dir) failed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if inner := new(fs.PathError); errors.As(err, &inner) {
		err = inner.Err
	}
	return &fs.PathError{Op: op, Path: filepath.Join(d.f.Name(), name), Err: err}
}

// checkName refuses what is not the name of an entry.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fs.ErrInvalid
	}
	return nil
}

// Mkdir makes a directory that nobody else enters, also where this one says what new ones inherit, and opens it.
func (d *Dir) Mkdir(name string) (*Dir, error) {
	err := checkName(name)
	if err == nil {
		err = unix.Mkdirat(d.fd(), name, 0o700)
	}
	if err != nil {
		return nil, d.failed("mkdir", name, err)
	}
	return d.enter(name)
}

// enter opens a directory that was made here.
func (d *Dir) enter(name string) (*Dir, error) {
	fd, err := unix.Openat(d.fd(), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, d.failed("open", name, err)
	}
	return &Dir{os.NewFile(uintptr(fd), filepath.Join(d.f.Name(), name))}, nil
}

// Create makes a file and opens it for writing. The caller closes it.
func (d *Dir) Create(name string) (*os.File, error) {
	err := checkName(name)
	fd := -1
	if err == nil {
		fd, err = unix.Openat(d.fd(), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	}
	if err != nil {
		return nil, d.failed("create", name, err)
	}
	return os.NewFile(uintptr(fd), filepath.Join(d.f.Name(), name)), nil
}

// Symlink makes a symbolic link.
func (d *Dir) Symlink(target, name string) error {
	err := checkName(name)
	if err == nil {
		err = unix.Symlinkat(target, d.fd(), name)
	}
	return d.failed("symlink", name, err)
}

// Mknod makes a device, a pipe or a socket that nobody listens at.
func (d *Dir) Mknod(name string, mode fs.FileMode, major, minor uint32) error {
	kind := uint32(0)
	switch mode.Type() {
	case fs.ModeDevice:
		kind = unix.S_IFBLK
	case fs.ModeDevice | fs.ModeCharDevice:
		kind = unix.S_IFCHR
	case fs.ModeNamedPipe:
		kind = unix.S_IFIFO
	case fs.ModeSocket:
		kind = unix.S_IFSOCK
	}
	err := checkName(name)
	if err == nil {
		err = unix.Mknodat(d.fd(), name, kind|0o600, int(unix.Mkdev(major, minor)))
	}
	return d.failed("mknod", name, err)
}

// Link gives a file of another directory a second name here.
func (d *Dir) Link(from *Dir, old, name string) error {
	err := checkName(name)
	if err == nil {
		err = unix.Linkat(from.fd(), old, d.fd(), name, 0)
	}
	return d.failed("link", name, err)
}

// Lstat describes an entry.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	info, err := os.Lstat(d.below(name))
	return info, d.failed("lstat", name, err)
}

// Move gives an entry a name in another directory of the same file system. It replaces what is there only if it may, and never a
// directory: fs.ErrExist.
func (d *Dir) Move(name string, to *Dir, newName string, replace bool) error {
	if err := errors.Join(checkName(name), checkName(newName)); err != nil {
		return d.failed("rename", newName, err)
	}
	if replace {
		err := unix.Renameat(d.fd(), name, to.fd(), newName)
		if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.ENOTDIR) {
			err = fs.ErrExist
		}
		return to.failed("rename", newName, err)
	}
	err := unix.Renameat2(d.fd(), name, to.fd(), newName, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return to.failed("rename", newName, err)
	}
	// This file system cannot rename so: what appears between the look and the rename is replaced.
	if _, err := to.Lstat(newName); err == nil {
		return to.failed("rename", newName, fs.ErrExist)
	}
	return to.failed("rename", newName, unix.Renameat(d.fd(), name, to.fd(), newName))
}

// RemoveAll removes an entry and all that is below it; that there is none is no error.
func (d *Dir) RemoveAll(name string) error {
	err := checkName(name)
	if err == nil {
		err = os.RemoveAll(d.below(name))
	}
	return d.failed("remove", name, err)
}

// SyncAll makes all that was written to the file system durable, and the directory's entries.
func (d *Dir) SyncAll() error {
	if err := unix.Syncfs(d.fd()); err != nil {
		return d.failed("sync", "", err)
	}
	return d.Sync()
}

// Sync makes the directory's entries durable.
func (d *Dir) Sync() error { return d.failed("sync", "", d.f.Sync()) }
