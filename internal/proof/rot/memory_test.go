package rot

import (
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve/internal/durable"
)

// files is the content of a repository by name. A directory is a name with a
// slash at its end.
type files map[string][]byte

// loadTree reads a directory of this host.
func loadTree(t testing.TB, dir string) files {
	t.Helper()
	content := files{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if e.IsDir() {
			content[rel+"/"] = nil
			return nil
		}
		content[rel], err = os.ReadFile(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// memory is a read-only durable.FS: a base, which many share, and what a case
// changed about it. Only reading is possible; whatever writes fails with EROFS, as
// on a medium that was mounted read-only.
type memory struct {
	base    *baseTree
	changed files           // of a file's name; a nil slice is one that is gone
	dirs    map[string]bool // of which names came or went
}

// baseTree is files with their directories listed.
type baseTree struct {
	files files
	dirs  map[string][]fs.DirEntry
}

func newBase(content files) *baseTree {
	b := &baseTree{files: content, dirs: map[string][]fs.DirEntry{".": nil}}
	for name, data := range content {
		dir, isDir := strings.CutSuffix(name, "/")
		if isDir && b.dirs[dir] == nil {
			b.dirs[dir] = []fs.DirEntry{}
		}
		b.dirs[path.Dir(dir)] = append(b.dirs[path.Dir(dir)], entryOf(dir, data, isDir))
	}
	for _, entries := range b.dirs {
		sortEntries(entries)
	}
	return b
}

func sortEntries(entries []fs.DirEntry) {
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
}

func entryOf(name string, data []byte, isDir bool) fs.DirEntry {
	return fs.FileInfoToDirEntry(memoryInfo{name: path.Base(name), size: int64(len(data)), dir: isDir})
}

// after is a base in which some files changed.
func (b *baseTree) after(changed files) *memory {
	m := &memory{base: b, changed: changed, dirs: map[string]bool{}}
	for name, data := range changed {
		if _, was := b.files[name]; was != (data != nil) {
			m.dirs[path.Dir(name)] = true
		}
	}
	return m
}

func (m *memory) content(name string) ([]byte, bool) {
	if data, is := m.changed[name]; is {
		return data, data != nil
	}
	data, is := m.base.files[name]
	return data, is
}

var _ durable.FS = (*memory)(nil)

func fail(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

func (m *memory) Open(name string) (durable.File, error) {
	data, is := m.content(name)
	switch _, isDir := m.base.dirs[name]; {
	case isDir:
		return nil, fail("open", name, durable.ErrNotRegular)
	case !is:
		return nil, fail("open", name, fs.ErrNotExist)
	}
	return &memoryFile{name: name, data: data}, nil
}

func (m *memory) Lstat(name string) (fs.FileInfo, error) {
	data, is := m.content(name)
	_, isDir := m.base.dirs[name]
	if !is && !isDir {
		return nil, fail("lstat", name, fs.ErrNotExist)
	}
	return memoryInfo{name: path.Base(name), size: int64(len(data)), dir: isDir}, nil
}

func (m *memory) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, is := m.base.dirs[name]
	if !is {
		return nil, fail("readdir", name, fs.ErrNotExist)
	}
	if !m.dirs[name] {
		return entries, nil
	}
	entries = slices.Clone(entries)
	for changed, data := range m.changed {
		switch _, was := m.base.files[changed]; {
		case path.Dir(changed) != name || was == (data != nil):
		case was:
			entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == path.Base(changed) })
		default:
			entries = append(entries, entryOf(changed, data, false))
		}
	}
	sortEntries(entries)
	return entries, nil
}

func (m *memory) Create(name string) (durable.File, error) {
	return nil, fail("create", name, unix.EROFS)
}

func (m *memory) OpenWrite(name string) (durable.File, error) {
	return nil, fail("open", name, unix.EROFS)
}
func (m *memory) Mkdir(name string) error          { return fail("mkdir", name, unix.EROFS) }
func (m *memory) Link(_, name string) error        { return fail("link", name, unix.EROFS) }
func (m *memory) Rename(_, name string) error      { return fail("rename", name, unix.EROFS) }
func (m *memory) RenameNew(_, name string) error   { return fail("rename", name, unix.EROFS) }
func (m *memory) Remove(name string) error         { return fail("remove", name, unix.EROFS) }
func (m *memory) SyncDir(name string) error        { return fail("sync", name, unix.EROFS) }
func (m *memory) Free() (free, all int64, e error) { return 0, 0, nil }
func (m *memory) Close() error                     { return nil }

// memoryFile is open for reading.
type memoryFile struct {
	name string
	data []byte
}

func (f *memoryFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memoryFile) Stat() (fs.FileInfo, error) {
	return memoryInfo{name: path.Base(f.name), size: int64(len(f.data))}, nil
}
func (f *memoryFile) Name() string                       { return f.name }
func (f *memoryFile) Close() error                       { return nil }
func (f *memoryFile) WriteAt([]byte, int64) (int, error) { return 0, fail("write", f.name, unix.EROFS) }
func (f *memoryFile) Truncate(int64) error               { return fail("truncate", f.name, unix.EROFS) }
func (f *memoryFile) Sync() error                        { return nil }
func (f *memoryFile) TryLock() (bool, error)             { return true, nil }
func (f *memoryFile) Is(name string) (bool, error)       { return name == f.name, nil }

// memoryInfo describes a file or directory.
type memoryInfo struct {
	name string
	size int64
	dir  bool
}

func (i memoryInfo) Name() string       { return i.name }
func (i memoryInfo) Size() int64        { return i.size }
func (i memoryInfo) ModTime() time.Time { return time.Time{} }
func (i memoryInfo) IsDir() bool        { return i.dir }
func (i memoryInfo) Sys() any           { return nil }
func (i memoryInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o750
	}
	return 0o640
}
