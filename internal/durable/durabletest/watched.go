package durabletest

import (
	"errors"
	"io/fs"
	"sync/atomic"

	"varve/internal/durable"
)

// Watched is an FS that asks before each call. A test learns so in which order
// calls are made, lets some of them fail, or changes the tree at just that moment.
type Watched struct {
	fsys   durable.FS
	before func(op, name string) error
	short  bool // a write that is to fail takes half of its bytes first
}

var _ durable.FS = (*Watched)(nil)

// ErrKilled is what the calls of a process come to that was killed: they were never made.
var ErrKilled = errors.New("the process is gone")

// NewWatched puts a watcher over fsys. Before is told what is to be done, and to
// which file; of a rename, that is the new name. What it returns, unless nil, the
// call fails with. Before may be called by many goroutines at once.
//
// What is done are "create", "open", "open for writing", "mkdir", "readdir", "lstat",
// "link", "rename", "remove", "fsync directory" and "statfs", and to an open file
// "read", "write", "truncate", "fsync", "stat", "lock", "compare" and "close". Only the
// closing of what was written through that handle is asked for; one that is to fail
// gives up the handle all the same. On a [Disk] that is recorded, a sync or close that
// is to fail loses what was not synced, unless it fails with [ErrKilled].
func NewWatched(fsys durable.FS, before func(op, name string) error) *Watched {
	return &Watched{fsys: fsys, before: before}
}

// Mutating tells whether an operation changes the tree or a file in it.
func Mutating(op string) bool {
	switch op {
	case "create", "open for writing", "mkdir", "link", "rename", "remove", "write", "truncate":
		return true
	}
	return false
}

func (w *Watched) ask(op, name string) error {
	if err := w.before(op, name); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

func (w *Watched) do(op, name string, call func() error) error {
	if err := w.ask(op, name); err != nil {
		return err
	}
	return call()
}

func (w *Watched) open(op, name string, open func(string) (durable.File, error)) (file durable.File, err error) {
	err = w.do(op, name, func() error {
		f, err := open(name)
		if err != nil {
			return err
		}
		file = &watchedFile{File: f, over: w}
		return nil
	})
	return file, err
}

// Create implements [durable.FS].
func (w *Watched) Create(name string) (durable.File, error) {
	return w.open("create", name, w.fsys.Create)
}

// Open implements [durable.FS].
func (w *Watched) Open(name string) (durable.File, error) { return w.open("open", name, w.fsys.Open) }

// OpenWrite implements [durable.FS].
func (w *Watched) OpenWrite(name string) (durable.File, error) {
	return w.open("open for writing", name, w.fsys.OpenWrite)
}

// Mkdir implements [durable.FS].
func (w *Watched) Mkdir(name string) error {
	return w.do("mkdir", name, func() error { return w.fsys.Mkdir(name) })
}

// ReadDir implements [durable.FS].
func (w *Watched) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = w.do("readdir", name, func() error {
		entries, err = w.fsys.ReadDir(name)
		return err
	})
	return entries, err
}

// Lstat implements [durable.FS].
func (w *Watched) Lstat(name string) (info fs.FileInfo, err error) {
	err = w.do("lstat", name, func() error {
		info, err = w.fsys.Lstat(name)
		return err
	})
	return info, err
}

// Link implements [durable.FS].
func (w *Watched) Link(oldName, newName string) error {
	return w.do("link", newName, func() error { return w.fsys.Link(oldName, newName) })
}

// Rename implements [durable.FS].
func (w *Watched) Rename(oldName, newName string) error {
	return w.do("rename", newName, func() error { return w.fsys.Rename(oldName, newName) })
}

// RenameNew implements [durable.FS].
func (w *Watched) RenameNew(oldName, newName string) error {
	return w.do("rename", newName, func() error { return w.fsys.RenameNew(oldName, newName) })
}

// Remove implements [durable.FS].
func (w *Watched) Remove(name string) error {
	return w.do("remove", name, func() error { return w.fsys.Remove(name) })
}

// SyncDir implements [durable.FS].
func (w *Watched) SyncDir(name string) error {
	if err := w.ask("fsync directory", name); err != nil {
		if !errors.Is(err, ErrKilled) {
			w.loseSyncOf(name)
		}
		return err
	}
	return w.fsys.SyncDir(name)
}

func (w *Watched) loseSyncOf(name string) {
	if below, ok := w.fsys.(interface{ loseSyncOf(name string) }); ok {
		below.loseSyncOf(name)
	}
}

// Free implements [durable.FS].
func (w *Watched) Free() (available, total int64, err error) {
	err = w.do("statfs", ".", func() error {
		available, total, err = w.fsys.Free()
		return err
	})
	return available, total, err
}

// Close implements [durable.FS].
func (w *Watched) Close() error { return w.fsys.Close() }

// watchedFile is an open file of a Watched.
type watchedFile struct {
	durable.File
	over    *Watched
	written atomic.Bool
}

func (f *watchedFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.over.do("read", f.Name(), func() error {
		n, err = f.File.ReadAt(p, off)
		return err
	})
	return n, err
}

func (f *watchedFile) WriteAt(p []byte, off int64) (int, error) {
	f.written.Store(true)
	err := f.over.ask("write", f.Name())
	switch {
	case err == nil:
		return f.File.WriteAt(p, off)
	case !f.over.short:
		return 0, err
	}
	n, werr := f.File.WriteAt(p[:len(p)/2], off)
	if werr != nil {
		return n, werr
	}
	return n, err
}

func (f *watchedFile) Truncate(size int64) error {
	f.written.Store(true)
	return f.over.do("truncate", f.Name(), func() error { return f.File.Truncate(size) })
}

func (f *watchedFile) Sync() error {
	if err := f.over.ask("fsync", f.Name()); err != nil {
		f.loseSync(err)
		return err
	}
	return f.File.Sync()
}

func (f *watchedFile) Close() error {
	if !f.written.Swap(false) {
		return f.File.Close()
	}
	err := f.over.ask("close", f.Name())
	if err != nil {
		f.loseSync(err)
	}
	return errors.Join(err, f.File.Close())
}

// loseSync loses what was not synced, if it was to fail by that error.
func (f *watchedFile) loseSync(by error) {
	if below, ok := f.File.(interface{ loseSync() }); ok && !errors.Is(by, ErrKilled) {
		below.loseSync()
	}
}

func (f *watchedFile) Stat() (info fs.FileInfo, err error) {
	err = f.over.do("stat", f.Name(), func() error {
		info, err = f.File.Stat()
		return err
	})
	return info, err
}

func (f *watchedFile) TryLock() (got bool, err error) {
	err = f.over.do("lock", f.Name(), func() error {
		got, err = f.File.TryLock()
		return err
	})
	return got, err
}

func (f *watchedFile) Is(name string) (same bool, err error) {
	err = f.over.do("compare", name, func() error {
		same, err = f.File.Is(name)
		return err
	})
	return same, err
}
