package durabletest

import (
	"fmt"
	"io/fs"
	"sync"

	"varve/internal/durable"
)

// Fault says which call fails and how.
type Fault struct {
	// Step is the number of the call that fails, the first being 0. Negative: none.
	Step int
	// Err is what it fails with.
	Err error
	// ForGood lets every later call fail too, as on a disk that is gone.
	ForGood bool
	// Short lets a failing write take half of its bytes first, as on a full disk.
	Short bool
}

// Faulty is an FS whose calls are counted and fail as its Fault says. Close,
// which gives up a handle, is neither counted nor fails. It is safe for
// concurrent use; with several goroutines the numbering is theirs to make steady.
type Faulty struct {
	fsys  durable.FS
	fault Fault

	mu    sync.Mutex
	calls int
	fired string
}

var _ durable.FS = (*Faulty)(nil)

// NewFaulty puts a fault over fsys.
func NewFaulty(fsys durable.FS, fault Fault) *Faulty { return &Faulty{fsys: fsys, fault: fault} }

// Fired describes the first call that failed, or is empty if none has.
func (f *Faulty) Fired() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}

// step counts a call and returns the error it is to fail with.
func (f *Faulty) step(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.calls
	f.calls++
	if f.fault.Step < 0 || n < f.fault.Step || n > f.fault.Step && !f.fault.ForGood {
		return nil
	}
	if f.fired == "" {
		f.fired = fmt.Sprintf("call %d, %s %s", n, op, name)
	}
	return &fs.PathError{Op: op, Path: name, Err: f.fault.Err}
}

// Create implements [durable.FS].
func (f *Faulty) Create(name string) (durable.File, error) {
	return f.open("create", name, f.fsys.Create)
}

// Open implements [durable.FS].
func (f *Faulty) Open(name string) (durable.File, error) { return f.open("open", name, f.fsys.Open) }

// OpenWrite implements [durable.FS].
func (f *Faulty) OpenWrite(name string) (durable.File, error) {
	return f.open("open for writing", name, f.fsys.OpenWrite)
}

func (f *Faulty) open(op, name string, open func(string) (durable.File, error)) (durable.File, error) {
	if err := f.step(op, name); err != nil {
		return nil, err
	}
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: file, over: f}, nil
}

// Mkdir implements [durable.FS].
func (f *Faulty) Mkdir(name string) error {
	return f.do("mkdir", name, func() error { return f.fsys.Mkdir(name) })
}

// ReadDir implements [durable.FS].
func (f *Faulty) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.step("readdir", name); err != nil {
		return nil, err
	}
	return f.fsys.ReadDir(name)
}

// Lstat implements [durable.FS].
func (f *Faulty) Lstat(name string) (fs.FileInfo, error) {
	if err := f.step("lstat", name); err != nil {
		return nil, err
	}
	return f.fsys.Lstat(name)
}

// Link implements [durable.FS].
func (f *Faulty) Link(oldName, newName string) error {
	return f.do("link", newName, func() error { return f.fsys.Link(oldName, newName) })
}

// Rename implements [durable.FS].
func (f *Faulty) Rename(oldName, newName string) error {
	return f.do("rename", newName, func() error { return f.fsys.Rename(oldName, newName) })
}

// RenameNew implements [durable.FS].
func (f *Faulty) RenameNew(oldName, newName string) error {
	return f.do("rename", newName, func() error { return f.fsys.RenameNew(oldName, newName) })
}

// Remove implements [durable.FS].
func (f *Faulty) Remove(name string) error {
	return f.do("remove", name, func() error { return f.fsys.Remove(name) })
}

// SyncDir implements [durable.FS].
func (f *Faulty) SyncDir(name string) error {
	err := f.step("fsync directory", name)
	if err == nil {
		return f.fsys.SyncDir(name)
	}
	if disk, ok := f.fsys.(*Disk); ok {
		disk.loseSyncOf(name)
	}
	return err
}

// Free implements [durable.FS].
func (f *Faulty) Free() (available, total int64, err error) {
	if err := f.step("statfs", "."); err != nil {
		return 0, 0, err
	}
	return f.fsys.Free()
}

// Close implements [durable.FS].
func (f *Faulty) Close() error { return f.fsys.Close() }

func (f *Faulty) do(op, name string, call func() error) error {
	if err := f.step(op, name); err != nil {
		return err
	}
	return call()
}

// faultyFile is an open file of a Faulty.
type faultyFile struct {
	durable.File
	over *Faulty
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.over.step("read", f.Name()); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.over.step("write", f.Name())
	if err == nil {
		return f.File.WriteAt(p, off)
	}
	if !f.over.fault.Short {
		return 0, err
	}
	n, werr := f.File.WriteAt(p[:len(p)/2], off)
	if werr != nil {
		return n, werr
	}
	return n, err
}

func (f *faultyFile) Truncate(size int64) error {
	return f.over.do("truncate", f.Name(), func() error { return f.File.Truncate(size) })
}

func (f *faultyFile) Sync() error {
	err := f.over.step("fsync", f.Name())
	if err == nil {
		return f.File.Sync()
	}
	if onDisk, ok := f.File.(*diskFile); ok {
		onDisk.disk.loseSync(onDisk.inode.number)
	}
	return err
}

func (f *faultyFile) Stat() (fs.FileInfo, error) {
	if err := f.over.step("stat", f.Name()); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

func (f *faultyFile) TryLock() (bool, error) {
	if err := f.over.step("lock", f.Name()); err != nil {
		return false, err
	}
	return f.File.TryLock()
}

func (f *faultyFile) Is(name string) (bool, error) {
	if err := f.over.step("compare", name); err != nil {
		return false, err
	}
	return f.File.Is(name)
}
