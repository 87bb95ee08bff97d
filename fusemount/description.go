package fusemount

import (
	"context"
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"varve/repository"
)

// A descriptionNode is the description beside an image.
type descriptionNode struct {
	fs.Inode
	m   *Mounted
	key imageKey
}

var (
	_ fs.NodeGetattrer = (*descriptionNode)(nil)
	_ fs.NodeOpener    = (*descriptionNode)(nil)
	_ fs.NodeReader    = (*descriptionNode)(nil)
)

func (n *descriptionNode) text(rev repository.Revision) ([]byte, syscall.Errno) {
	text, err := n.m.opts.Describe(rev)
	if err != nil {
		return nil, n.m.ioError("a revision cannot be described", err, "volume", rev.Volume.Name, "revision", rev.ID)
	}
	return text, 0
}

// attr tells what the file is like. How long it is, is found out once in each listing, if
// there is one.
func (n *descriptionNode) attr(l *volumeListing, rev repository.Revision, out *fuse.Attr) syscall.Errno {
	length, errno := n.length(l, rev)
	if errno != 0 {
		return errno
	}
	begun := rev.ID.Begun()
	if rev.Statement != nil {
		begun = rev.Statement.Begun
	}
	n.m.descriptionAttr(out)
	out.Size = uint64(length)
	out.SetTimes(&begun, &begun, &begun)
	return 0
}

func (n *descriptionNode) length(l *volumeListing, rev repository.Revision) (int, syscall.Errno) {
	if l != nil {
		if length, known := l.lengths.Load(rev.ID); known {
			return length.(int), 0
		}
	}
	text, errno := n.text(rev)
	if errno == 0 && l != nil {
		l.lengths.Store(rev.ID, len(text))
	}
	return len(text), errno
}

// find finds the revision, and its listing if there is one.
func (n *descriptionNode) find() (repository.Revision, *volumeListing, syscall.Errno) {
	rev, l, err := n.m.listings.findWithListing(n.key)
	switch {
	case errors.Is(err, errGone):
		return rev, nil, syscall.ENOENT
	case err != nil:
		return rev, nil, n.m.ioError("a revision cannot be looked up", err, "revision", n.key.id)
	}
	return rev, l, 0
}

// Getattr implements [fs.NodeGetattrer].
func (n *descriptionNode) Getattr(_ context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	rev, l, errno := n.find()
	if errno != 0 {
		return errno
	}
	out.SetTimeout(n.m.opts.Refresh)
	return n.attr(l, rev, &out.Attr)
}

// Open implements [fs.NodeOpener]. What is open stays as it is; the kernel keeps none of it.
func (n *descriptionNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	rev, _, errno := n.find()
	if errno != 0 {
		return nil, 0, errno
	}
	text, errno := n.text(rev)
	return text, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH, errno
}

// Read implements [fs.NodeReader].
func (n *descriptionNode) Read(_ context.Context, f fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	text, ok := f.([]byte)
	if !ok || off >= int64(len(text)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(text[off:min(int64(len(text)), off+int64(len(dest)))]), 0
}
