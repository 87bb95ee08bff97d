package fusemount

import (
	"context"
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

var (
	_ fs.FileWriter    = (*handle)(nil)
	_ fs.FileFsyncer   = (*handle)(nil)
	_ fs.FileFlusher   = (*handle)(nil)
	_ fs.FileAllocater = (*handle)(nil)
	_ fs.NodeSetattrer = (*imageNode)(nil)
)

// Write implements [fs.FileWriter]. An image has the size it has: what lies beyond its end is
// not written.
func (h *handle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	o := h.o
	if off >= o.size {
		return 0, syscall.EFBIG
	}
	data = data[:min(int64(len(data)), o.size-off)]
	l, errno := o.layerToWrite()
	if errno != 0 {
		return 0, errno
	}
	for at := int64(0); at < int64(len(data)); {
		n, err := o.writeSome(ctx, l, data[at:], off+at)
		if err != nil && at > 0 && errors.Is(err, syscall.ENOSPC) {
			return uint32(at), 0
		}
		if err != nil {
			return 0, o.m.failedWrite(err)
		}
		at += n
	}
	return uint32(len(data)), 0
}

// writeSome writes the whole blocks at the beginning of data, or a part of one if it begins or
// ends within.
func (o *openImage) writeSome(ctx context.Context, l *layer, data []byte, off int64) (int64, error) {
	end := off + int64(len(data))
	if off%blockSize == 0 {
		whole := end - end%blockSize
		if end == o.size {
			whole = end // the last block ends with the image
		}
		if whole > off {
			return whole - off, l.write(data[:whole-off], off)
		}
	}
	first := off - off%blockSize
	n := min(int64(len(data)), first+blockSize-off)
	base := make([]byte, min(blockSize, o.size-first))
	if l.isBelow(first) { // or else it never is again
		r, errno := o.readBelow(ctx, base, first)
		if errno != 0 {
			return 0, errno
		}
		at := 0
		for _, s := range r.slices {
			at += copy(base[at:], s)
		}
		r.done()
	}
	return n, l.merge(data[:n], off, base)
}

func (o *openImage) layerToWrite() (*layer, syscall.Errno) {
	if o.m.layers == nil {
		return nil, syscall.EROFS
	}
	l, err := o.m.layers.of(o.key, o.size)
	if err != nil {
		return nil, o.m.failedWrite(err)
	}
	return l, 0
}

func (m *Mounted) failedWrite(err error) syscall.Errno {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return syscall.ENOSPC
	case err == error(syscall.EIO), err == error(syscall.EINTR): // told where it was found
		return err.(syscall.Errno)
	}
	return m.ioError("an image cannot be written to", err)
}

// Fsync implements [fs.FileFsyncer]. What is written ends with the mount, so that there is nothing to be made durable. But once
// a write found no room, it fails for good: a loop device takes a write for done of which a part was, and the file system on it
// would believe that all it wrote is there.
func (h *handle) Fsync(context.Context, uint32) syscall.Errno {
	if l := h.o.m.layers.find(h.o.key); l != nil && l.lacks() {
		return syscall.ENOSPC
	}
	return 0
}

// Flush implements [fs.FileFlusher]. There is nothing to be done when a file is closed, and a
// kernel that is told so does not ask again: one that asks waits for the answer, for ever if
// who closes the file is the process that serves, and is being killed.
func (h *handle) Flush(context.Context) syscall.Errno { return syscall.ENOSYS }

// Allocate implements [fs.FileAllocater]: it discards, and makes zeros.
func (h *handle) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	o := h.o
	if mode&^unix.FALLOC_FL_KEEP_SIZE != unix.FALLOC_FL_ZERO_RANGE && mode != unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE {
		return syscall.EOPNOTSUPP
	}
	if off >= uint64(o.size) || size > uint64(o.size)-off {
		if mode == unix.FALLOC_FL_ZERO_RANGE || off >= uint64(o.size) {
			return syscall.EFBIG
		}
		size = uint64(o.size) - off
	}
	from, to := int64(off), int64(off+size)
	l, errno := o.layerToWrite()
	if errno != 0 {
		return errno
	}
	first, last := (from+blockSize-1)/blockSize*blockSize, to/blockSize*blockSize
	if to == o.size {
		last = to
	}
	if first >= last { // within a block, or of the ends of two
		return h.writeZeros(ctx, from, to)
	}
	if errno := h.writeZeros(ctx, from, first); errno != 0 {
		return errno
	}
	if err := l.zero(first, last-first); err != nil {
		return o.m.failedWrite(err)
	}
	return h.writeZeros(ctx, last, to)
}

// writeZeros writes less than two blocks of zeros.
func (h *handle) writeZeros(ctx context.Context, from, to int64) syscall.Errno {
	for from < to {
		n, errno := h.Write(ctx, make([]byte, to-from), from)
		if errno != 0 {
			return errno
		}
		from += int64(n)
	}
	return 0
}

// Setattr implements [fs.NodeSetattrer]. An image keeps its size, its owner and its mode; that
// a time is to be set is passed over, as it would be lost with all that is written.
func (n *imageNode) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if n.m.layers == nil {
		return syscall.EROFS
	}
	if size, is := in.GetSize(); is && size != n.statement.Size {
		return syscall.EPERM
	}
	if in.Valid&(fuse.FATTR_MODE|fuse.FATTR_UID|fuse.FATTR_GID) != 0 {
		return syscall.EPERM
	}
	return n.Getattr(ctx, f, out)
}
