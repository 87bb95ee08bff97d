package traps

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"varve/internal/durable"
)

// ledger is an FS that keeps the books of what a power cut would take: content that
// was written and not synced, names that were given and whose directory was not
// synced since. It does not itself sync anything. Locks and leases, which die with
// the power, are not entered.
type ledger struct {
	durable.FS

	// failSync is asked before each sync of a file, failClose before each close of
	// one that was written; an error is what the call fails with. May be nil.
	failSync, failClose func(name string) error
	failSyncDir         func(name string) error
	beforeName          func(name string) // called before each rename, with the new name
	beforeCreate        func(name string)

	mu      sync.Mutex
	content map[string]bool // files written and not synced
	names   map[string]bool // names given, or taken away for good, and not synced
	broken  map[string]bool // files whose sync failed
	faults  []string        // what was done wrong
	removed []string        // visible names taken away, in this order
	syncs   int
}

func newLedger(fsys durable.FS) *ledger {
	return &ledger{FS: fsys, content: map[string]bool{}, names: map[string]bool{}, broken: map[string]bool{}}
}

func isTemp(name string) bool { return strings.HasPrefix(path.Base(name), durable.TempPrefix) }

// diesWithPower tells which files are not meant to last.
func diesWithPower(name string) bool { return strings.HasPrefix(name, "locks/") }

func (l *ledger) locked(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
}

func (l *ledger) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// open lists what would be lost. Temporary files may be.
func (l *ledger) open() (lost []string) {
	l.locked(func() {
		for _, name := range slices.Sorted(maps.Keys(l.content)) {
			if !isTemp(name) {
				lost = append(lost, "the content of "+name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(l.names)) {
			lost = append(lost, "what was done to the name "+name)
		}
	})
	return lost
}

func (l *ledger) Create(name string) (durable.File, error) {
	if l.beforeCreate != nil {
		l.beforeCreate(name)
	}
	f, err := l.FS.Create(name)
	if err != nil {
		return nil, err
	}
	if !isTemp(name) && !diesWithPower(name) {
		l.locked(func() { l.names[name] = true })
	}
	return &ledgerFile{File: f, book: l, name: name}, nil
}

func (l *ledger) OpenWrite(name string) (durable.File, error) {
	f, err := l.FS.OpenWrite(name)
	if err != nil {
		return nil, err
	}
	return &ledgerFile{File: f, book: l, name: name}, nil
}

func (l *ledger) Mkdir(name string) error {
	err := l.FS.Mkdir(name)
	if err == nil {
		l.locked(func() { l.names[name] = true })
	}
	return err
}

func (l *ledger) Rename(oldName, newName string) error {
	return l.rename(oldName, newName, l.FS.Rename)
}

func (l *ledger) RenameNew(oldName, newName string) error {
	return l.rename(oldName, newName, l.FS.RenameNew)
}

func (l *ledger) rename(oldName, newName string, rename func(string, string) error) error {
	if l.beforeName != nil {
		l.beforeName(newName)
	}
	err := rename(oldName, newName)
	if err != nil {
		return err
	}
	l.locked(func() {
		if l.content[oldName] {
			l.fault("%s got its name before its content was synced", newName)
		}
		if l.broken[oldName] {
			l.fault("%s got its name after its sync had failed", newName)
		}
		delete(l.content, oldName)
		l.names[newName] = true
	})
	return nil
}

func (l *ledger) Remove(name string) error {
	err := l.FS.Remove(name)
	if err == nil {
		l.locked(func() {
			delete(l.content, name)
			delete(l.names, name)
			if strings.HasSuffix(name, ".rev") && !isTemp(name) {
				l.names[name] = true // what is taken back must stay away
				l.removed = append(l.removed, name)
			}
		})
	}
	return err
}

func (l *ledger) SyncDir(dir string) error {
	if _, err := l.Lstat(dir); err != nil {
		return err
	}
	if l.failSyncDir != nil {
		if err := l.failSyncDir(dir); err != nil {
			return &fs.PathError{Op: "fsync directory", Path: dir, Err: err}
		}
	}
	l.locked(func() {
		maps.DeleteFunc(l.names, func(name string, _ bool) bool { return path.Dir(name) == dir })
	})
	return nil
}

// ledgerFile is a file of a ledger, open for writing.
type ledgerFile struct {
	durable.File
	book    *ledger
	name    string
	written bool
}

func (f *ledgerFile) WriteAt(p []byte, off int64) (int, error) {
	f.note()
	return f.File.WriteAt(p, off)
}

func (f *ledgerFile) Truncate(size int64) error {
	f.note()
	return f.File.Truncate(size)
}

func (f *ledgerFile) note() {
	f.book.locked(func() {
		f.written = true
		if !diesWithPower(f.name) {
			f.book.content[f.name] = true
		}
	})
}

func (f *ledgerFile) Sync() (err error) {
	f.book.locked(func() {
		if f.book.broken[f.name] {
			f.book.fault("%s was synced again after its sync had failed", f.name)
		}
		f.book.syncs++
		if f.book.failSync != nil {
			err = f.book.failSync(f.name)
		}
		if err != nil {
			f.book.broken[f.name] = true
			err = &fs.PathError{Op: "fsync", Path: f.name, Err: err}
			return
		}
		delete(f.book.content, f.name)
	})
	return err
}

func (f *ledgerFile) Close() error {
	err := f.File.Close()
	if fail := f.book.failClose; fail != nil && f.written && !diesWithPower(f.name) {
		if cerr := fail(f.name); cerr != nil {
			return &fs.PathError{Op: "close", Path: f.name, Err: cerr}
		}
	}
	return err
}
