package durabletest

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// diskFile is an open file of a Disk.
type diskFile struct {
	disk     *Disk
	inode    *inode
	name     string
	writable bool
	closed   bool
}

// use runs an operation of an open file.
func (f *diskFile) use(op string, do func() error) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	err := error(fs.ErrClosed)
	if !f.closed {
		err = do()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return &fs.PathError{Op: op, Path: f.name, Err: err}
	}
	return err
}

func (f *diskFile) Name() string { return f.name }

func (f *diskFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.use("read", func() error {
		if off < 0 {
			return unix.EINVAL
		}
		n = copy(p, f.inode.data[min(off, int64(len(f.inode.data))):])
		if n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

func (f *diskFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.use("write", func() error {
		if !f.writable {
			return unix.EBADF
		}
		if off < 0 {
			return unix.EINVAL
		}
		if len(p) == 0 {
			return nil // it grows no file, wherever it is
		}
		if n, err = f.disk.fit(f.inode, len(p), off); n == 0 {
			return err
		}
		f.disk.noteWrite(f.inode, p[:n], off)
		f.inode.write(p[:n], off)
		return err
	})
	return n, err
}

func (f *diskFile) Truncate(size int64) error {
	return f.use("truncate", func() error {
		if !f.writable || size < 0 {
			return unix.EINVAL
		}
		f.inode.resize(size)
		f.disk.note(effect{data: true, inode: f.inode.number, truncates: true, size: size})
		return nil
	})
}

func (f *diskFile) Sync() error {
	return f.use("fsync", func() error {
		f.disk.noteSync(f.inode.number)
		return nil
	})
}

func (f *diskFile) Stat() (info fs.FileInfo, err error) {
	err = f.use("stat", func() error {
		info = f.inode.info(path.Base(f.name))
		return nil
	})
	return info, err
}

func (f *diskFile) TryLock() (got bool, err error) {
	err = f.use("lock", func() error {
		if f.inode.holder == nil {
			f.inode.holder = f
		}
		got = f.inode.holder == f
		return nil
	})
	return got, err
}

func (f *diskFile) Is(name string) (same bool, err error) {
	err = f.use("compare", func() error {
		n, err := f.disk.find("lstat", name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		same = n == f.inode
		return err
	})
	return same, err
}

func (f *diskFile) Close() error {
	return f.use("close", func() error {
		f.closed = true
		if f.inode.holder == f {
			f.inode.holder = nil
		}
		return nil
	})
}

// info describes an inode under one of its names.
func (n *inode) info(name string) fs.FileInfo {
	mode := fs.FileMode(0o640)
	if n.dir {
		mode = fs.ModeDir | 0o750
	}
	return nodeInfo{name: name, size: int64(len(n.data)), mode: mode, modTime: n.modTime()}
}

// modTime is another one whenever the names in a directory are others, and so long ago
// that it counts as settled: what was learned of a directory before is not believed
// of what a power cut, or another host, made of it.
func (n *inode) modTime() time.Time {
	sum := uint64(0)
	for name, child := range n.names {
		sum += mix(hashName(name), uint64(child.number)) // in any order
	}
	return time.Unix(int64(sum%1e9), 0)
}

type nodeInfo struct {
	name string
	size int64
	mode fs.FileMode

	modTime time.Time
}

func (i nodeInfo) Name() string       { return i.name }
func (i nodeInfo) Size() int64        { return i.size }
func (i nodeInfo) Mode() fs.FileMode  { return i.mode }
func (i nodeInfo) ModTime() time.Time { return i.modTime }
func (i nodeInfo) IsDir() bool        { return i.mode.IsDir() }
func (i nodeInfo) Sys() any           { return nil }
