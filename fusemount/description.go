package fusemount

import (
	"context"
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

// attr tells what the file is like. How long it is, is found out once in each listing.
func (n *descriptionNode) attr(l *volumeListing, rev repository.Revision, out *fuse.Attr) syscall.Errno {
	length, known := l.notes.Load(rev.ID)
	if !known {
		text, errno := n.text(rev)
		if errno != 0 {
			return errno
		}
		length = len(text)
		l.notes.Store(rev.ID, length)
	}
	begun := rev.ID.Begun()
	if rev.Statement != nil {
		begun = rev.Statement.Begun
	}
	n.m.descriptionAttr(out)
	out.Size = uint64(length.(int))
	out.SetTimes(&begun, &begun, &begun)
	return 0
}

// Getattr implements [fs.NodeGetattrer].
func (n *descriptionNode) Getattr(_ context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	rev, l, err := n.m.listings.findWithListing(n.key)
	if err != nil {
		return syscall.ENOENT
	}
	out.SetTimeout(n.m.opts.Refresh)
	return n.attr(l, rev, &out.Attr)
}

// Open implements [fs.NodeOpener]. What is open stays as it is; the kernel keeps none of it.
func (n *descriptionNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	rev, err := n.m.listings.find(n.key)
	if err != nil {
		return nil, 0, syscall.ENOENT
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
