package fusemount

import (
	"context"
	"errors"
	"hash/fnv"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"varve/repository"
)

// A dirNode is a folder: of a volume, or on the way to one.
type dirNode struct {
	fs.Inode
	m    *Mounted
	path []string
}

var (
	_ fs.NodeLookuper       = (*dirNode)(nil)
	_ fs.NodeOpendirHandler = (*dirNode)(nil)
	_ fs.NodeGetattrer      = (*dirNode)(nil)
	_ fs.NodeStatfser       = (*dirNode)(nil)
)

// folder is what the folder holds now.
func (d *dirNode) folder() (*folder, syscall.Errno) {
	t, err := d.m.listings.tree()
	if err != nil {
		return nil, d.m.ioError("the volumes cannot be listed", err)
	}
	at := t.root.find(d.path)
	if at == nil {
		return nil, syscall.ENOENT
	}
	return at, 0
}

// failedListing makes an errno of why the revisions of a volume are not listed.
func (m *Mounted) failedListing(v *repository.Volume, err error) syscall.Errno {
	if errors.Is(err, repository.ErrNoVolume) {
		return syscall.ENOENT
	}
	return m.ioError("the revisions of a volume cannot be listed", err, "volume", v.Name)
}

// Getattr implements [fs.NodeGetattrer].
func (d *dirNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	at := d.m.begun
	if t, err := d.m.listings.tree(); err == nil {
		at = d.m.changed(t.root.find(d.path))
	}
	d.m.dirAttr(&out.Attr, at)
	out.SetTimeout(d.m.opts.Refresh)
	return 0
}

// Statfs implements [fs.NodeStatfser].
func (d *dirNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	return d.m.statfs(out)
}

// Lookup implements [fs.NodeLookuper].
func (d *dirNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	at, errno := d.folder()
	if errno != 0 {
		return nil, errno
	}
	out.SetEntryTimeout(d.m.opts.Refresh)
	if below := at.folders[name]; below != nil {
		d.m.dirAttr(&out.Attr, d.m.changed(below))
		out.SetAttrTimeout(d.m.opts.Refresh)
		way := slices.Concat(d.path, []string{name})
		return d.child(ctx, &dirNode{m: d.m, path: way}, syscall.S_IFDIR, "dir", path.Join(way...)), 0
	}
	if at.volume == nil {
		return nil, syscall.ENOENT
	}
	switch name {
	case tagsName:
		d.m.dirAttr(&out.Attr, d.m.changed(at))
		out.SetAttrTimeout(d.m.opts.Refresh)
		return d.child(ctx, &tagsNode{m: d.m, volume: at.volume.UUID}, syscall.S_IFDIR, "tags", at.volume.UUID.String()), 0
	case latestName, goodName:
		return d.lookupLink(ctx, at.volume, name, out)
	}
	return d.lookupRevision(ctx, at.volume, name, out)
}

// lookupLink finds the link to an image beside it.
func (d *dirNode) lookupLink(ctx context.Context, v *repository.Volume, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	l, err := d.m.listings.list(*v)
	if err != nil {
		return nil, d.m.failedListing(v, err)
	}
	id := l.latest
	if name == goodName {
		id = l.good
	}
	if id == "" {
		return nil, syscall.ENOENT
	}
	return newLink(ctx, &d.Inode, d.m, "", id, out), 0
}

// lookupRevision finds the image of a revision, or its description.
func (d *dirNode) lookupRevision(ctx context.Context, v *repository.Volume, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	id, ext, ok := parseFile(name)
	if !ok {
		return nil, syscall.ENOENT
	}
	key := imageKey{v.UUID, id}
	rev, l, err := d.m.listings.findWithListing(key)
	switch {
	case errors.Is(err, errGone):
		return nil, syscall.ENOENT
	case err != nil:
		return nil, d.m.failedListing(v, err)
	case ext == imageExt && rev.Statement != nil:
		n := &imageNode{m: d.m, key: key, statement: rev.Statement}
		out.SetAttrTimeout(n.attr(&out.Attr, false))
		return d.child(ctx, n, syscall.S_IFREG, "image", v.UUID.String(), string(id)), 0
	case ext == descriptionExt && d.m.opts.Describe != nil:
		n := &descriptionNode{m: d.m, key: key}
		if errno := n.attr(l, rev, &out.Attr); errno != 0 {
			return nil, errno
		}
		out.SetAttrTimeout(d.m.opts.Refresh)
		return d.child(ctx, n, syscall.S_IFREG, "note", v.UUID.String(), string(id)), 0
	}
	return nil, syscall.ENOENT
}

// child finds or makes the node of something that the words tell from all else.
func (d *dirNode) child(ctx context.Context, node fs.InodeEmbedder, mode uint32, words ...string) *fs.Inode {
	return d.NewInode(ctx, node, fs.StableAttr{Mode: mode, Ino: inode(words...)})
}

// inode makes a number of what something is, so that it has the same in every mount.
func inode(words ...string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.Join(words, "\x00"))) // it never fails
	return h.Sum64()>>1 | 1<<32                         // none that is reserved, or given to others
}
