package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Modes of what Varve creates: a group may be let in to look (monitoring), nobody else.
const (
	fileMode = 0o640
	dirMode  = 0o750
)

// Tree is a directory of this host as an [FS].
type Tree struct {
	root   *os.Root
	opener *opener     // nil: the kernel has no way to open a name at once
	mode   fs.FileMode // of new files

	mu       sync.Mutex
	realDirs map[string]struct{} // directories known not to be links, so that each is looked at once
}

var _ FS = (*Tree)(nil)

// maxRealDirs bounds what a Tree remembers; past it, it forgets and looks again.
const maxRealDirs = 4096

// OpenTree opens an existing directory. The path itself may lead through links;
// nothing below it may.
func OpenTree(dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Tree{root: root, opener: newOpener(root), mode: fileMode, realDirs: map[string]struct{}{".": {}}}, nil
}

// ForAll lets everybody read the files that are created from now on, as far as the
// umask does. It returns the tree.
func (t *Tree) ForAll() *Tree {
	t.mode = 0o644
	return t
}

// Create implements [FS].
func (t *Tree) Create(name string) (File, error) {
	if err := t.checkDir(path.Dir(name)); err != nil {
		return nil, err
	}
	return t.wrap(name)(t.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, t.mode))
}

// Open implements [FS].
func (t *Tree) Open(name string) (File, error) {
	if t.opener == nil {
		return t.open(name, os.O_RDONLY)
	}
	if !fs.ValidPath(name) {
		return nil, invalid(name)
	}
	f, err := t.opener.open(name, unix.O_NONBLOCK) // a pipe would block it
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = checkRegular(name, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return t.wrap(name)(f, nil)
}

// OpenWrite implements [FS].
func (t *Tree) OpenWrite(name string) (File, error) { return t.open(name, os.O_RDWR) }

func (t *Tree) open(name string, flag int) (File, error) {
	if !fs.ValidPath(name) {
		return nil, invalid(name)
	}
	if err := t.checkDir(path.Dir(name)); err != nil {
		return nil, err
	}
	// A pipe would block the open, and a link would be followed: look first.
	info, err := t.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if err := checkRegular(name, info); err != nil {
		return nil, err
	}
	return t.wrap(name)(t.root.OpenFile(name, flag|unix.O_NONBLOCK, 0))
}

func checkRegular(name string, info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return &fs.PathError{Op: "open", Path: name, Err: ErrLink}
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	return nil
}

// wrap turns what os gives into a File of this tree.
func (t *Tree) wrap(name string) func(*os.File, error) (File, error) {
	return func(f *os.File, err error) (File, error) {
		if err != nil {
			return nil, err
		}
		return &treeFile{File: f, tree: t, name: name}, nil
	}
}

// Mkdir implements [FS].
func (t *Tree) Mkdir(name string) error {
	if err := t.checkDir(path.Dir(name)); err != nil {
		return err
	}
	return t.root.Mkdir(name, dirMode)
}

// ReadDir implements [FS].
func (t *Tree) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = t.inDir(name, func(d *os.File) error {
		entries, err = d.ReadDir(-1)
		return err
	})
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for i, e := range entries {
		entries[i] = entry{DirEntry: e, tree: t, dir: name}
	}
	return entries, err
}

// entry is an entry of a directory of a tree.
type entry struct {
	fs.DirEntry
	tree *Tree
	dir  string
}

// Info implements [fs.DirEntry], wherever the program's own directory is.
func (e entry) Info() (fs.FileInfo, error) { return e.tree.Lstat(path.Join(e.dir, e.Name())) }

func (e entry) String() string { return fs.FormatDirEntry(e) }

// Lstat implements [FS].
func (t *Tree) Lstat(name string) (fs.FileInfo, error) {
	if err := t.checkDir(path.Dir(name)); err != nil {
		return nil, err
	}
	return t.root.Lstat(name)
}

// Link implements [FS].
func (t *Tree) Link(oldName, newName string) error {
	if err := t.checkDirs(oldName, newName); err != nil {
		return err
	}
	return t.root.Link(oldName, newName)
}

// Rename implements [FS].
func (t *Tree) Rename(oldName, newName string) error {
	if err := t.checkDirs(oldName, newName); err != nil {
		return err
	}
	defer t.forget()
	return t.root.Rename(oldName, newName)
}

// RenameNew implements [FS]: renameat2 with RENAME_NOREPLACE where the file
// system knows it, otherwise a second link and the removal of the first.
func (t *Tree) RenameNew(oldName, newName string) error {
	if err := t.checkDirs(oldName, newName); err != nil {
		return err
	}
	defer t.forget()
	err := t.renameNoReplace(oldName, newName)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	return renameByLink(t, oldName, newName)
}

// renameByLink gives a file its new name where rename would replace what has it.
// After an error the file has the old name alone, as far as that can be had.
func renameByLink(fsys FS, oldName, newName string) error {
	if err := fsys.Link(oldName, newName); err != nil {
		return err
	}
	if err := fsys.Remove(oldName); err != nil {
		return errors.Join(err, removeLeftover(fsys, newName))
	}
	return nil
}

func (t *Tree) renameNoReplace(oldName, newName string) error {
	return t.inDir(path.Dir(oldName), func(oldDir *os.File) error {
		return t.inDir(path.Dir(newName), func(newDir *os.File) error {
			err := unix.Renameat2(int(oldDir.Fd()), path.Base(oldName), int(newDir.Fd()), path.Base(newName), unix.RENAME_NOREPLACE)
			if err != nil {
				return &os.LinkError{Op: "renameat2", Old: oldName, New: newName, Err: err}
			}
			return nil
		})
	})
}

// Remove implements [FS].
func (t *Tree) Remove(name string) error {
	if err := t.checkDir(path.Dir(name)); err != nil {
		return err
	}
	defer t.forget()
	return t.root.Remove(name)
}

// SyncDir implements [FS].
//
// A file system that has shut itself down, because its disk is failing, may say of
// a directory that it is synced: xfs does, once it has thrown away what was to be
// written. Looking into the directory fails then, and reads nothing from the disk.
func (t *Tree) SyncDir(name string) error {
	return t.inDir(name, func(d *os.File) error {
		if err := d.Sync(); err != nil {
			return err
		}
		if _, err := d.ReadDir(1); err != nil && err != io.EOF {
			return err
		}
		return nil
	})
}

// Free implements [FS].
func (t *Tree) Free() (available, total int64, err error) {
	var st unix.Statfs_t
	err = t.inDir(".", func(d *os.File) error { return unix.Fstatfs(int(d.Fd()), &st) })
	if err != nil {
		return 0, 0, &fs.PathError{Op: "statfs", Path: t.root.Name(), Err: err}
	}
	return int64(st.Bavail) * st.Frsize, int64(st.Blocks) * st.Frsize, nil
}

// Close implements [FS].
func (t *Tree) Close() error { return errors.Join(t.opener.close(), t.root.Close()) }

// inDir lends an open directory.
func (t *Tree) inDir(name string, use func(*os.File) error) error {
	d, err := t.openDir(name)
	if err != nil {
		return err
	}
	return errors.Join(use(d), d.Close())
}

func (t *Tree) openDir(name string) (*os.File, error) {
	if t.opener != nil && fs.ValidPath(name) {
		return t.opener.open(name, unix.O_DIRECTORY)
	}
	if err := t.checkDir(name); err != nil {
		return nil, err
	}
	return t.root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
}

func (t *Tree) checkDirs(names ...string) error {
	for _, name := range names {
		if err := t.checkDir(path.Dir(name)); err != nil {
			return err
		}
	}
	return nil
}

// checkDir refuses a directory that is a link or lies behind one. os.Root keeps
// every name inside the tree even if somebody plants a link between the look and
// the use; this keeps one part of a tree from standing in for another.
func (t *Tree) checkDir(dir string) error {
	if !fs.ValidPath(dir) {
		return invalid(dir)
	}
	t.mu.Lock()
	_, known := t.realDirs[dir]
	t.mu.Unlock()
	if known {
		return nil
	}
	if err := t.checkDir(path.Dir(dir)); err != nil {
		return err
	}
	info, err := t.root.Lstat(dir)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return &fs.PathError{Op: "open", Path: dir, Err: ErrLink}
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: dir, Err: unix.ENOTDIR}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.realDirs) >= maxRealDirs {
		clear(t.realDirs)
		t.realDirs["."] = struct{}{}
	}
	t.realDirs[dir] = struct{}{}
	return nil
}

func invalid(name string) error { return &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid} }

// forget drops what is known of directories, because a name may lead elsewhere now.
func (t *Tree) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.realDirs)
	t.realDirs["."] = struct{}{}
}

// treeFile is a file of a Tree.
type treeFile struct {
	*os.File
	tree *Tree
	name string
}

func (f *treeFile) Name() string { return f.name }

func (f *treeFile) Is(name string) (bool, error) {
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := f.tree.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(mine, there), nil
}

func (f *treeFile) TryLock() (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, fmt.Errorf("lock %s: %w", f.name, err)
		}
	}
}

// EnsureDir makes a directory of this host and those above it, for caches: it is
// not made durable.
func EnsureDir(dir string) error { return os.MkdirAll(dir, 0o700) }

// IsFull tells whether an error says that there is no room, or none for this user.
func IsFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// IsReadOnly tells whether an error says that a file system takes no writes.
func IsReadOnly(err error) bool { return errors.Is(err, unix.EROFS) }
