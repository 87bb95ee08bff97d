package fusemount

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"varve/internal/mountinfo"
)

// fsType is what lists of mounts call what this package mounts.
const fsType = "fuse.varve"

// preparePoint makes sure that a directory can be mounted on. What is mounted there and dead,
// because its process was killed, is unmounted, if it is ours.
func preparePoint(dir string) (string, error) {
	dir, err := realDir(dir)
	if err != nil {
		return "", err
	}
	for range 16 { // one may lie above another
		at, is := topMount(dir)
		err := look(dir, is && at == fsType)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", &PointError{Dir: dir, What: "does not exist", Cause: err}
		case errors.Is(err, syscall.ENOTDIR):
			return "", &PointError{Dir: dir, What: "is not a directory", Cause: err}
		case err == nil && is && at == fsType:
			return "", &PointError{Dir: dir, What: "has revisions mounted already", Mounted: true}
		case err == nil:
			return dir, nil
		case !errors.Is(err, syscall.ENOTCONN):
			return "", fmt.Errorf("look at the mount point: %w", err)
		case !is || at != fsType:
			return "", &PointError{Dir: dir, What: "has something mounted that answers no more, and is not of this program: unmount it first", Cause: err}
		}
		if err := detach(dir); err != nil {
			return "", fmt.Errorf("unmount what is dead at %s: %w", dir, err)
		}
	}
	return "", &PointError{Dir: dir, What: "has too much mounted that answers no more"}
}

// look tells whether there is a directory that can be looked at. Of one of our mounts, the
// kernel remembers that for a while after its process is gone; what is free there it asks for.
func look(dir string, ours bool) error {
	if ours {
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			return &fs.PathError{Op: "statfs", Path: dir, Err: err}
		}
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return &fs.PathError{Op: "stat", Path: dir, Err: syscall.ENOTDIR}
	}
	return err
}

// realDir is the path that lists of mounts have. What is dead cannot be asked whether it is a
// link, and is none.
func realDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the mount point: %w", err)
	}
	real, err := filepath.EvalSymlinks(dir)
	switch {
	case err == nil:
		return real, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", &PointError{Dir: dir, What: "does not exist", Cause: err}
	case !errors.Is(err, syscall.ENOTCONN):
		return "", fmt.Errorf("look at the mount point: %w", err)
	}
	if real, err = filepath.EvalSymlinks(filepath.Dir(dir)); err != nil {
		return "", fmt.Errorf("look at the mount point: %w", err)
	}
	return filepath.Join(real, filepath.Base(dir)), nil
}

// topMount gives the kind of what is mounted at a directory, the last if there are several.
func topMount(dir string) (kind string, is bool) {
	mounts, err := mountinfo.Read()
	if err != nil {
		return "", false
	}
	for _, m := range mounts {
		if m.Point == dir {
			kind, is = m.Type, true
		}
	}
	return kind, is
}

// detach takes a mount out of the tree. What is open in it stays so.
func detach(dir string) error {
	if syscall.Geteuid() == 0 {
		return syscall.Unmount(dir, syscall.MNT_DETACH)
	}
	tool, err := fusermount()
	if err != nil {
		return err
	}
	if out, err := exec.Command(tool, "-u", "-z", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", tool, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// fusermount finds the program that mounts for who is not root.
func fusermount() (string, error) {
	for _, name := range []string{"fusermount3", "fusermount"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{What: "who is not root needs fusermount3 to mount: it comes with the package fuse3"}
}

// explain says why mounting failed, if that can be seen.
func explain(dir string, opts Options, err error) error {
	device, derr := os.Stat("/dev/fuse")
	switch {
	case errors.Is(derr, fs.ErrNotExist):
		return &MissingError{What: "the kernel has no FUSE: there is no /dev/fuse (modprobe fuse; in a container, it has to be let in)", Cause: err}
	case derr == nil && device.Mode()&fs.ModeCharDevice == 0:
		return &MissingError{What: "/dev/fuse is no device", Cause: err}
	}
	if syscall.Geteuid() == 0 {
		return fmt.Errorf("mount at %s: %w", dir, err)
	}
	if _, terr := fusermount(); terr != nil {
		return terr
	}
	const readAndWrite = 6
	if aerr := syscall.Access("/dev/fuse", readAndWrite); aerr != nil {
		return &MissingError{What: fmt.Sprintf("this user may not use /dev/fuse: %v", aerr), Cause: err}
	}
	why := "what fusermount3 said of it stands above"
	if opts.AllowOther {
		why += "; for other users to be let in, /etc/fuse.conf has to say user_allow_other"
	}
	return &mountError{dir, why, err}
}
