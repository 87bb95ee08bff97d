package fusemount

import (
	"context"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// A handle is an open image.
type handle struct{ o *openImage }

var (
	_ fs.FileReader   = (*handle)(nil)
	_ fs.FileLseeker  = (*handle)(nil)
	_ fs.FileReleaser = (*handle)(nil)
)

// Read implements [fs.FileReader]. It returns less than asked for at the end of the image
// only: the kernel takes less for the end.
func (h *handle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	r, errno := h.o.readAt(ctx, dest, off)
	if errno != 0 {
		return nil, errno
	}
	return reply{r}, 0
}

// A reply hands a reading to the kernel, and ends it.
type reply struct{ r *reading }

// Size implements [fuse.ReadResult].
func (r reply) Size() (n int) {
	for _, s := range r.r.slices {
		n += len(s)
	}
	return n
}

// Slices is what go-fuse looks for to write several slices at once.
func (r reply) Slices() ([][]byte, fuse.Status) { return r.r.slices, fuse.OK }

// Bytes implements [fuse.ReadResult].
func (r reply) Bytes(buf []byte) ([]byte, fuse.Status) {
	if len(r.r.slices) == 1 {
		return r.r.slices[0], fuse.OK
	}
	return slices.Concat(r.r.slices...), fuse.OK
}

// Done implements [fuse.ReadResult].
func (r reply) Done() { r.r.done() }

// Lseek implements [fs.FileLseeker].
func (h *handle) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	return h.o.seek(ctx, off, whence)
}

// Release implements [fs.FileReleaser].
func (h *handle) Release(context.Context) syscall.Errno {
	h.o.m.closeImage(h.o)
	return 0
}
