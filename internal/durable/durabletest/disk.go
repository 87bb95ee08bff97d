package durabletest

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"varve/internal/durable"
)

// Disk is a file system in memory. Between [Disk.Record] and [Disk.Stop] it writes
// down what is done to it, from which a [Recording] makes what a power cut could
// have left. It is safe for concurrent use.
//
// It knows no links but hard ones, no permissions, and no times but those of
// directories, which only tell that their names changed. It is full when
// [Disk.SetRoom] says so, and [Faulty] lets it fail.
type Disk struct {
	mu      sync.Mutex
	root    *inode
	inodes  int // how many were ever made: the number of the next
	rec     *Recording
	limited bool
	limit   int64 // if so, how many bytes its files may have in all
	refused int   // writes
}

var _ durable.FS = (*Disk)(nil)

// inode is a file or a directory, whatever its names.
type inode struct {
	number int
	names  map[string]*inode // of a directory
	dir    bool
	data   []byte
	shared bool      // data belongs to a copy of this disk too, and is not to be written to
	holder *diskFile // who has the lock
	digest uint64    // of its content, in a state of a recording: see build
}

// NewDisk makes an empty disk.
func NewDisk() *Disk {
	d := &Disk{}
	d.root = d.newInode(true)
	return d
}

func (d *Disk) newInode(dir bool) *inode {
	n := &inode{number: d.inodes, dir: dir}
	d.inodes++
	return n
}

// Copy makes a disk that holds the same, with room for all. Nobody has a file of it open or locked.
func (d *Disk) Copy() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	copied, _ := d.copyInodes()
	return copied
}

// copyInodes also returns the copy's inodes by number.
func (d *Disk) copyInodes() (*Disk, []*inode) {
	byNumber := make([]*inode, d.inodes)
	block := make([]inode, 0, 64) // allocated many at a time: copies are made by the million
	var visit func(n *inode) *inode
	visit = func(n *inode) *inode {
		if c := byNumber[n.number]; c != nil {
			return c
		}
		if len(block) == cap(block) {
			block = make([]inode, 0, 64)
		}
		n.shared = true
		block = append(block, inode{number: n.number, dir: n.dir, data: n.data, shared: true, digest: n.digest})
		c := &block[len(block)-1]
		byNumber[n.number] = c
		if len(n.names) > 0 {
			c.names = make(map[string]*inode, len(n.names))
			for name, child := range n.names {
				c.names[name] = visit(child)
			}
		}
		return c
	}
	return &Disk{root: visit(d.root), inodes: d.inodes}, byNumber
}

// Files gives the content of every file by its name. The contents are not to be changed.
func (d *Disk) Files() map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	files := map[string][]byte{}
	d.root.walk(".", func(name string, n *inode) {
		if !n.dir {
			n.shared = true
			files[name] = n.data
		}
	})
	return files
}

// SetFile gives a file this content, whoever has it open, and makes it if need be;
// its directory must be there. The content is not copied, and not to be changed after.
func (d *Disk) SetFile(name string, content []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, err := d.directory("write", path.Dir(name))
	if err != nil {
		return err
	}
	n := dir.names[path.Base(name)]
	if n == nil {
		n = d.newInode(false)
		dir.add(path.Base(name), n)
	}
	n.data, n.shared = content, true
	return nil
}

func (n *inode) walk(name string, visit func(name string, n *inode)) {
	visit(name, n)
	for base, child := range n.names {
		child.walk(path.Join(name, base), visit)
	}
}

func (n *inode) add(name string, child *inode) {
	if n.names == nil {
		n.names = map[string]*inode{}
	}
	n.names[name] = child
}

// own makes the data this inode's alone, of at least so many bytes.
func (n *inode) own(size int64) {
	switch {
	case n.shared:
		data := make([]byte, max(size, int64(len(n.data))))
		copy(data, n.data)
		n.data, n.shared = data, false
	case size > int64(len(n.data)):
		n.data = append(n.data, make([]byte, size-int64(len(n.data)))...)
	}
}

// write puts data at an offset, growing the file.
func (n *inode) write(data []byte, off int64) {
	n.own(off + int64(len(data)))
	copy(n.data[off:], data)
}

// holds tells whether the bytes are in the file at that place.
func (n *inode) holds(data []byte, off int64) bool {
	end := off + int64(len(data))
	return end <= int64(len(n.data)) && bytes.Equal(n.data[off:end], data)
}

func (n *inode) resize(size int64) {
	if size < int64(len(n.data)) {
		n.data = slices.Clone(n.data[:size])
		n.shared = false
		return
	}
	n.own(size)
}

// find returns what a name leads to.
func (d *Disk) find(op, name string) (*inode, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n := d.root
	for rest := name; rest != "." && rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if !n.dir {
			return nil, &fs.PathError{Op: op, Path: name, Err: unix.ENOTDIR}
		}
		if n = n.names[part]; n == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: unix.ENOENT}
		}
	}
	return n, nil
}

func (d *Disk) directory(op, name string) (*inode, error) {
	n, err := d.find(op, name)
	if err == nil && !n.dir {
		err = &fs.PathError{Op: op, Path: name, Err: unix.ENOTDIR}
	}
	return n, err
}

// directories returns those that two names are in.
func (d *Disk) directories(op, oldName, newName string) (from, to *inode, err error) {
	if from, err = d.directory(op, path.Dir(oldName)); err == nil {
		to, err = d.directory(op, path.Dir(newName))
	}
	return from, to, err
}

// free returns the directory in which a name is free.
func (d *Disk) free(op, name string) (*inode, error) {
	dir, err := d.directory(op, path.Dir(name))
	if err != nil {
		return nil, err
	}
	if dir.names[path.Base(name)] != nil || name == "." {
		return nil, &fs.PathError{Op: op, Path: name, Err: unix.EEXIST}
	}
	return dir, nil
}

// Create implements [durable.FS].
func (d *Disk) Create(name string) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, err := d.free("create", name)
	if err != nil {
		return nil, err
	}
	n := d.newInode(false)
	dir.add(path.Base(name), n)
	d.note(effect{entries: []entry{{dir.number, path.Base(name), n.number}}})
	return &diskFile{disk: d, inode: n, name: name, writable: true}, nil
}

// Open implements [durable.FS].
func (d *Disk) Open(name string) (durable.File, error) { return d.open(name, false) }

// OpenWrite implements [durable.FS].
func (d *Disk) OpenWrite(name string) (durable.File, error) { return d.open(name, true) }

func (d *Disk) open(name string, writable bool) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.dir {
		return nil, &fs.PathError{Op: "open", Path: name, Err: durable.ErrNotRegular}
	}
	return &diskFile{disk: d, inode: n, name: name, writable: writable}, nil
}

// Mkdir implements [durable.FS].
func (d *Disk) Mkdir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, err := d.free("mkdir", name)
	if err != nil {
		return err
	}
	n := d.newInode(true)
	dir.add(path.Base(name), n)
	d.note(effect{entries: []entry{{dir.number, path.Base(name), n.number}}, ofDir: true})
	return nil
}

// ReadDir implements [durable.FS].
func (d *Disk) ReadDir(name string) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, err := d.directory("readdir", name)
	if err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, 0, len(dir.names))
	for name, n := range dir.names {
		entries = append(entries, fs.FileInfoToDirEntry(n.info(name)))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Lstat implements [durable.FS].
func (d *Disk) Lstat(name string) (fs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("lstat", name)
	if err != nil {
		return nil, err
	}
	return n.info(path.Base(name)), nil
}

// Link implements [durable.FS].
func (d *Disk) Link(oldName, newName string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, _, err := d.directories("link", oldName, newName); err != nil {
		return err
	}
	n, err := d.find("link", oldName)
	if err != nil {
		return err
	}
	dir, err := d.free("link", newName)
	if err != nil {
		return err
	}
	if n.dir {
		return &fs.PathError{Op: "link", Path: oldName, Err: unix.EPERM}
	}
	dir.add(path.Base(newName), n)
	d.note(effect{entries: []entry{{dir.number, path.Base(newName), n.number}}})
	return nil
}

// Rename implements [durable.FS].
func (d *Disk) Rename(oldName, newName string) error { return d.rename(oldName, newName, true) }

// RenameNew implements [durable.FS].
func (d *Disk) RenameNew(oldName, newName string) error { return d.rename(oldName, newName, false) }

func (d *Disk) rename(oldName, newName string, replace bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	from, to, err := d.directories("rename", oldName, newName)
	if err != nil {
		return err
	}
	n, err := d.find("rename", oldName)
	if err != nil {
		return err
	}
	old, oldBase, newBase := to.names[path.Base(newName)], path.Base(oldName), path.Base(newName)
	switch {
	case old == nil:
	case !replace:
		return &fs.PathError{Op: "rename", Path: newName, Err: unix.EEXIST}
	case old == n:
		return nil // two names of one file: nothing is done, says POSIX
	case old.dir || n.dir:
		return &fs.PathError{Op: "rename", Path: newName, Err: unix.EEXIST}
	}
	delete(from.names, oldBase)
	to.add(newBase, n)
	d.noteRename(from.number, to.number, oldBase, newBase, n)
	return nil
}

// Remove implements [durable.FS].
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("remove", name)
	if err != nil {
		return err
	}
	if name == "." {
		return &fs.PathError{Op: "remove", Path: name, Err: unix.EINVAL}
	}
	if len(n.names) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: unix.ENOTEMPTY}
	}
	dir, err := d.directory("remove", path.Dir(name))
	if err != nil {
		return err
	}
	delete(dir.names, path.Base(name))
	d.note(effect{entries: []entry{{dir.number, path.Base(name), gone}}})
	return nil
}

// SyncDir implements [durable.FS].
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, err := d.directory("fsync directory", name)
	if err != nil {
		return err
	}
	d.noteSync(dir.number)
	return nil
}

// Close implements [durable.FS]. The disk can be used again.
func (d *Disk) Close() error { return nil }
