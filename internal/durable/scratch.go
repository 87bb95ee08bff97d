package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A ScratchDir is where files are made that have no name, and so are gone with the process,
// whatever ends it.
type ScratchDir struct {
	dir   *os.File
	temps *Temps
}

// OpenScratchDir opens an existing directory. What is mounted over it later does not matter.
func OpenScratchDir(path string) (*ScratchDir, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := dir.Stat()
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: path, Err: unix.ENOTDIR}
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return &ScratchDir{dir: dir, temps: NewTemps(fmt.Sprintf("scratch-%d", os.Getpid()))}, nil
}

// Close gives up the directory. The files stay open.
func (d *ScratchDir) Close() error { return d.dir.Close() }

// Create makes a file. Where the file system cannot make one without a name, it loses its
// name at once.
func (d *ScratchDir) Create() (*Scratch, error) {
	fd, err := unix.Openat(int(d.dir.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return &Scratch{os.NewFile(uintptr(fd), d.dir.Name())}, nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("make a file in %q: %w", d.dir.Name(), err)
	}
	name := d.temps.In("")
	fd, err = unix.Openat(int(d.dir.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a file in %q: %w", d.dir.Name(), err)
	}
	f := &Scratch{os.NewFile(uintptr(fd), d.dir.Name())}
	if err := unix.Unlinkat(int(d.dir.Fd()), name, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("take the name of a file in %q away: %w", d.dir.Name(), err), f.Close())
	}
	return f, nil
}

// A Scratch is a file without a name.
type Scratch struct{ *os.File }

// Punch gives the room of a range back, which reads as zeros then. Where the file system
// cannot, the range is as it was, and that is no error.
func (s *Scratch) Punch(off, length int64) error {
	err := unix.Fallocate(int(s.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, length)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}
