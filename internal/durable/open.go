package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// opener opens what is below a directory for reading, in one call of the kernel
// (openat2, Linux 5.6), which refuses what is a link, leads through one or leaves the
// tree. os.Root does so by opening each directory on the way, and looks at every
// entry of a directory that is read, which makes it several times as slow.
type opener struct {
	dir  *os.File
	conn syscall.RawConn
}

// newOpener returns nil where the kernel does not know the call, or may not be asked.
func newOpener(root *os.Root) *opener {
	dir, err := root.OpenFile(".", os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil
	}
	o := &opener{dir: dir}
	if o.conn, err = dir.SyscallConn(); err == nil {
		var again *os.File
		if again, err = o.open(".", unix.O_DIRECTORY); err == nil {
			err = again.Close()
		}
	}
	if err != nil {
		_ = dir.Close() // it was only read
		return nil
	}
	return o
}

// open opens a valid name for reading.
func (o *opener) open(name string, flag uint64) (*os.File, error) {
	how := &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | flag,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	fd := -1
	var err error
	if lost := o.conn.Control(func(root uintptr) {
		for {
			if fd, err = unix.Openat2(int(root), name, how); err != unix.EINTR {
				return
			}
		}
	}); lost != nil {
		err = lost // it is closed
	}
	switch {
	case errors.Is(err, unix.ELOOP):
		err = ErrLink
	case errors.Is(err, unix.ENXIO):
		err = ErrNotRegular // a socket, or a device that is gone
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// close may be called twice.
func (o *opener) close() error {
	if o == nil {
		return nil
	}
	if err := o.dir.Close(); !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}
