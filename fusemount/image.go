package fusemount

import (
	"context"
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
	out.SetTimeout(n.attr(&out.Attr, true))
	return 0
}

// attr tells what the file is like, and for how long the kernel may believe it. Counting its
// blocks may take reading its maps: unless that is wanted, they are told only if they are known.
func (n *imageNode) attr(out *fuse.Attr, count bool) (valid time.Duration) {
	n.m.fileAttr(out)
	out.Size = n.statement.Size
	out.SetTimes(&n.statement.Begun, &n.statement.Begun, &n.statement.Begun)
	blocks, known := n.m.blocks.blocks(n.m.listings, n.key, n.statement, count)
	out.Blocks = blocks
	if blocks, written := n.m.layers.find(n.key).usage(); !written.IsZero() {
		out.Blocks += uint64(blocks) * blockSize / 512
		out.SetTimes(nil, &written, &written)
	}
	if !known || n.m.layers != nil {
		return 0
	}
	return unchanging
}

// Open implements [fs.NodeOpener].
func (n *imageNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY && n.m.layers == nil {
		return nil, 0, syscall.EROFS
	}
	o, errno := n.m.openImage(ctx, n.key)
	if errno != 0 {
		return nil, 0, errno
	}
	if n.m.layers != nil { // what the kernel keeps may be of a layer that is gone
		return &handle{o: o}, fuse.FOPEN_NOFLUSH, 0
	}
	return &handle{o: o}, fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_NOFLUSH, 0
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
