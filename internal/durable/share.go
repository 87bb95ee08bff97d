package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// ShareDir makes a directory of this host, below a root, that a group may look into: what
// is made in it is the group's. The directories on the way, from the root on, can be passed
// through by anybody, and listed by nobody else than before. Where we may not give
// something to the group, it stays ours. A group of -1 is none. It is not made durable.
func ShareDir(root, below string, group int) error {
	dir := filepath.Join(root, below)
	if err := EnsureDir(dir); err != nil || group < 0 {
		return err
	}
	if err := os.Chown(dir, -1, group); errors.Is(err, fs.ErrPermission) {
		return nil
	} else if err != nil {
		return err
	}
	if err := os.Chmod(dir, fs.ModeSetgid|0o750); err != nil {
		return err
	}
	for way := filepath.Dir(dir); ; way = filepath.Dir(way) {
		if err := letThrough(way); err != nil {
			return err
		}
		if way == filepath.Clean(root) || way == filepath.Dir(way) {
			return nil
		}
	}
}

// letThrough lets anybody pass through a directory of ours.
func letThrough(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !known || int(owner.Uid) != os.Geteuid() || info.Mode()&0o011 == 0o011 {
		return nil
	}
	return os.Chmod(dir, info.Mode()&(fs.ModePerm|fs.ModeSetgid|fs.ModeSticky)|0o011)
}

// ListenUnix makes a socket in an existing directory, in the place of one of that name, and
// listens on it. The owner and the group may connect. The path may be of any length. The
// socket's file stays when it is closed.
func ListenUnix(dir, name string) (*net.UnixListener, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }() // it only named the socket
	path := fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
