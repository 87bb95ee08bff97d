package filevolume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"varve/internal/durable"
	"varve/volume"
)

// fileTarget is a regular file: a new one, which gets its name at the end, or one that is written in place.
type fileTarget struct {
	name string // as given
	size int64
	dir  string // that it is in
	tree durable.FS
	file durable.File

	base     string        // its name within the tree
	partial  string        // the name it has until Commit; empty: it is written in place
	replaces fs.FileInfo   // the file that a new one replaces; nil: none, and the name must be free
	only     volume.Extent // what is written in place, if not everything: the file may keep its size then

	// One write at a time: the kernel lets one in anyway, and the others would spin
	// for its lock, where here they sleep.
	writing sync.Mutex
}

var _ volume.Target = (*fileTarget)(nil)

// openInPlaceTarget opens an existing file as it is. Nothing of it changes before the first write.
func openInPlaceTarget(path string, size int64, opts TargetOptions) (*fileTarget, error) {
	t, err := newFileTarget(path, size, opts)
	if err != nil {
		return nil, err
	}
	t.file, err = t.tree.OpenWrite(t.base)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("target %q: %w", path, err), t.tree.Close())
	}
	t.only = opts.Range
	if err := t.checkPart(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// checkPart refuses a range that does not fit into the file: what is put at a place of it does not make it longer.
func (t *fileTarget) checkPart() error {
	if t.only == (volume.Extent{}) {
		return nil
	}
	info, err := t.file.Stat()
	if err != nil {
		return fmt.Errorf("target %q: %w", t.name, err)
	}
	if info.Size() < t.only.End() {
		return &volume.SizeError{Target: t.name, Have: info.Size(), Need: t.only.End(), Part: true}
	}
	return nil
}

// newFileTarget finds the directory that a target is in, links followed: replacing a link would leave
// what it leads to as it was.
func newFileTarget(path string, size int64, opts TargetOptions) (*fileTarget, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return nil, fmt.Errorf("target %q is a symbolic link that leads nowhere", path)
		}
		var dir string
		dir, err = filepath.EvalSymlinks(filepath.Dir(path))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &volume.NoDirectoryError{Target: path, Directory: filepath.Dir(path)}
		}
		real = filepath.Join(dir, filepath.Base(path))
	}
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err == nil {
		err = checkOutside(filepath.Dir(real), opts.Repository)
	}
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", path, err)
	}
	tree, err := durable.OpenTree(filepath.Dir(real))
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", path, err)
	}
	return &fileTarget{name: path, size: size, dir: filepath.Dir(real), tree: tree, base: filepath.Base(real)}, nil
}

// Size implements [volume.Target].
func (t *fileTarget) Size() int64 { return t.size }

// Fresh implements [volume.Target].
func (t *fileTarget) Fresh() bool { return t.partial != "" }

// WriteAt implements [volume.Target].
func (t *fileTarget) WriteAt(p []byte, off int64) (int, error) {
	if err := checkRange(t.name, t.size, off, int64(len(p))); err != nil {
		return 0, err
	}
	t.writing.Lock()
	n, err := t.file.WriteAt(p, off)
	t.writing.Unlock()
	if err != nil {
		return n, &volume.WriteError{Volume: t.name, Offset: off + int64(n), Err: err}
	}
	return n, nil
}

// ReadAt implements [volume.Target]. A file that will become longer reads as zeros there.
func (t *fileTarget) ReadAt(p []byte, off int64) (int, error) {
	return readFixed(t.name, t.size, zerosBeyond{t.file}, p, off)
}

// zerosBeyond reads zeros after the end.
type zerosBeyond struct{ io.ReaderAt }

func (z zerosBeyond) ReadAt(p []byte, off int64) (int, error) {
	n, err := z.ReaderAt.ReadAt(p, off)
	if err == io.EOF {
		clear(p[n:])
		return len(p), nil
	}
	return n, err
}

// Zero implements [volume.Target]: it makes a hole, or writes zeros where the file system has none.
func (t *fileTarget) Zero(off, n int64) error {
	if err := checkRange(t.name, t.size, off, n); err != nil || n == 0 {
		return err
	}
	err := t.punch(off, n)
	if isUnsupported(err) {
		var done int64
		done, err = writeZeros(t.file.WriteAt, off, n)
		off += done
	}
	if err != nil {
		return &volume.WriteError{Volume: t.name, Offset: off, Err: err}
	}
	return nil
}

func (t *fileTarget) punch(off, n int64) error {
	return t.onDescriptor(func(fd uintptr) error {
		return fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
}

// onDescriptor calls do with the file's descriptor, or fails with ENOSYS if it has none.
func (t *fileTarget) onDescriptor(do func(fd uintptr) error) error {
	file, ok := t.file.(syscall.Conn)
	if !ok {
		return unix.ENOSYS
	}
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := conn.Control(func(fd uintptr) { result = do(fd) }); err != nil {
		return err
	}
	return result
}

// Commit implements [volume.Target].
func (t *fileTarget) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.commit(); err != nil {
		return fmt.Errorf("complete target %q: %w", t.name, err)
	}
	return nil
}

func (t *fileTarget) commit() error {
	if err := t.resize(); err != nil {
		return err
	}
	if err := t.inherit(); err != nil {
		return err
	}
	if err := t.file.Sync(); err != nil {
		return err
	}
	if t.partial == "" {
		return nil
	}
	rename := t.tree.RenameNew
	if t.replaces != nil {
		rename = t.tree.Rename
	}
	err := rename(t.partial, t.base)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: somebody made it meanwhile", volume.ErrExists)
	}
	if err != nil {
		return err
	}
	t.partial = ""
	return t.tree.SyncDir(".")
}

// resize gives the file its size.
func (t *fileTarget) resize() error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	if t.only != (volume.Extent{}) || info.Size() == t.size {
		return nil
	}
	return t.file.Truncate(t.size)
}

// inherit gives a file that replaces another the owner and mode of that one, so that whoever used it still can.
// A change of owner is root's to make; who is not keeps the file.
func (t *fileTarget) inherit() error {
	if t.replaces == nil {
		return nil
	}
	err := t.onDescriptor(func(fd uintptr) error {
		st := statOf(t.replaces)
		if err := unix.Fchown(int(fd), int(st.Uid), int(st.Gid)); err != nil && !errors.Is(err, unix.EPERM) {
			return err
		}
		return unix.Fchmod(int(fd), st.Mode&0o777)
	})
	if errors.Is(err, unix.ENOSYS) {
		return nil // a file system without descriptors has no owners either
	}
	return err
}

// Close implements [volume.Target].
func (t *fileTarget) Close() error {
	var errs []error
	if t.partial != "" {
		errs = append(errs, t.tree.Remove(t.partial))
	}
	return errors.Join(append(errs, t.file.Close(), t.tree.Close())...)
}
