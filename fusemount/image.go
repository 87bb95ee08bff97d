package fusemount

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"varve/repository"
	"varve/revision"
)

// An imageNode is the image of a revision.
type imageNode struct {
	fs.Inode
	m         *Mounted
	key       imageKey
	statement *revision.Statement // as it was when it was first looked up: what matters of it stays
}

var (
	_ fs.NodeGetattrer   = (*imageNode)(nil)
	_ fs.NodeOpener      = (*imageNode)(nil)
	_ fs.NodeGetxattrer  = (*imageNode)(nil)
	_ fs.NodeListxattrer = (*imageNode)(nil)
	_ fs.NodeStatfser    = (*imageNode)(nil)
)

// Statfs implements [fs.NodeStatfser].
func (n *imageNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.m.statfs(out)
}

// Getattr implements [fs.NodeGetattrer].
func (n *imageNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.attr(&out.Attr, true)
	out.SetTimeout(n.attrFor(out.Blocks))
	return 0
}

// unknownBlocks says, where blocks are told, that nobody has counted them yet.
const unknownBlocks = 0

// attr tells what the file is like. Counting its blocks may take reading its maps: unless
// that is wanted, they are told only if they are known.
func (n *imageNode) attr(out *fuse.Attr, count bool) {
	n.m.fileAttr(out)
	out.Size = n.statement.Size
	out.SetTimes(&n.statement.Begun, &n.statement.Begun, &n.statement.Begun)
	out.Blocks = unknownBlocks
	if blocks, known := n.m.holes.blocks(n.m.listings, n.key, n.statement, count); known {
		out.Blocks = blocks
	}
	if blocks, written := n.m.layers.find(n.key).told(); !written.IsZero() {
		out.Blocks += uint64(blocks) * blockSize / 512
		out.SetTimes(nil, &written, &written)
	}
}

// attrFor is for how long the kernel may believe what it was told.
func (n *imageNode) attrFor(blocks uint64) time.Duration {
	if blocks == unknownBlocks && n.statement.Size > 0 || n.m.layers != nil {
		return 0
	}
	return unchanging
}

// Open implements [fs.NodeOpener].
func (n *imageNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY && n.m.layers == nil {
		return nil, 0, syscall.EROFS
	}
	o, errno := n.m.open(ctx, n.key)
	if errno != 0 {
		return nil, 0, errno
	}
	if n.m.layers != nil { // what the kernel keeps may be of a layer that is gone
		return &handle{o: o}, fuse.FOPEN_NOFLUSH, 0
	}
	return &handle{o: o}, fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_NOFLUSH, 0
}

// A handle is an open image.
type handle struct{ o *opened }

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
	h.o.m.release(h.o)
	return 0
}

// xattrs is what getfattr shows. It is of now: a revision's parent, tags and state change.
func (n *imageNode) xattrs() map[string]string {
	rev, err := n.m.listings.find(n.key)
	if err != nil || rev.Statement == nil {
		rev = repository.Revision{ID: n.key.id, Statement: n.statement}
	}
	st := rev.Statement
	parent := ""
	if st.Parent != nil {
		parent = string(st.Parent.ID)
	}
	return map[string]string{
		"user.varve.revision": string(rev.ID),
		"user.varve.parent":   parent,
		"user.varve.digest":   st.Digest.String(),
		"user.varve.kind":     string(st.Kind),
		"user.varve.tags":     strings.Join(rev.Info.Tags, ","),
		"user.varve.state":    string(rev.Info.State),
	}
}

// xattrNames are in the order in which they are listed.
var xattrNames = []string{
	"user.varve.revision", "user.varve.parent", "user.varve.digest", "user.varve.kind", "user.varve.tags", "user.varve.state",
}

// Getxattr implements [fs.NodeGetxattrer].
func (n *imageNode) Getxattr(_ context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	if !strings.HasPrefix(name, "user.varve.") {
		return 0, syscall.ENODATA
	}
	value, is := n.xattrs()[name]
	if !is {
		return 0, syscall.ENODATA
	}
	return fill(dest, value)
}

// Listxattr implements [fs.NodeListxattrer].
func (n *imageNode) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	return fill(dest, strings.Join(xattrNames, "\x00")+"\x00")
}

// fill puts a value where the kernel wants it, or says how long it is.
func fill(dest []byte, value string) (uint32, syscall.Errno) {
	if len(dest) < len(value) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value)), 0
}

// A noteNode is the description beside an image.
type noteNode struct {
	fs.Inode
	m   *Mounted
	key imageKey
}

var (
	_ fs.NodeGetattrer = (*noteNode)(nil)
	_ fs.NodeOpener    = (*noteNode)(nil)
	_ fs.NodeReader    = (*noteNode)(nil)
)

func (n *noteNode) text(rev repository.Revision) ([]byte, syscall.Errno) {
	text, err := n.m.opts.Describe(rev)
	if err != nil {
		return nil, n.m.trouble("a revision cannot be described", err, "volume", rev.Volume.Name, "revision", rev.ID)
	}
	return text, 0
}

// attr tells what the note is like. How long it is, is found out once in each listing.
func (n *noteNode) attr(l *listed, rev repository.Revision, out *fuse.Attr) syscall.Errno {
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
	n.m.noteAttr(out)
	out.Size = uint64(length.(int))
	out.SetTimes(&begun, &begun, &begun)
	return 0
}

// Getattr implements [fs.NodeGetattrer].
func (n *noteNode) Getattr(_ context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	rev, l, err := n.m.listings.findListed(n.key)
	if err != nil {
		return syscall.ENOENT
	}
	out.SetTimeout(n.m.opts.Refresh)
	return n.attr(l, rev, &out.Attr)
}

// Open implements [fs.NodeOpener]. What is open stays as it is; the kernel keeps none of it.
func (n *noteNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
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
func (n *noteNode) Read(_ context.Context, f fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	text, ok := f.([]byte)
	if !ok || off >= int64(len(text)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(text[off:min(int64(len(text)), off+int64(len(dest)))]), 0
}
