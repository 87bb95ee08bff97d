package fusemount

import (
	"context"
	"errors"
	"hash/fnv"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"varve/repository"
	"varve/revision"
)

// A dirNode is a folder: of a volume, or on the way to one.
type dirNode struct {
	fs.Inode
	m    *Mounted
	path []string
}

var (
	_ fs.NodeLookuper  = (*dirNode)(nil)
	_ fs.NodeReaddirer = (*dirNode)(nil)
	_ fs.NodeGetattrer = (*dirNode)(nil)
	_ fs.NodeStatfser  = (*dirNode)(nil)
)

// folder is what the folder holds now; the listing is nil unless it is a volume's.
func (d *dirNode) folder() (*folder, *volumeListing, syscall.Errno) {
	t, err := d.m.listings.tree()
	if err != nil {
		return nil, nil, d.m.ioError("the volumes cannot be listed", err)
	}
	at := t.root.find(d.path)
	if at == nil && len(d.path) > 0 {
		return nil, nil, syscall.ENOENT
	}
	if at == nil || at.volume == nil {
		return at, nil, 0
	}
	l, err := d.m.listings.list(*at.volume)
	switch {
	case errors.Is(err, repository.ErrNoVolume):
		return nil, nil, syscall.ENOENT
	case err != nil:
		return nil, nil, d.m.ioError("the revisions of a volume cannot be listed", err, "volume", at.volume.Name)
	}
	return at, l, 0
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
	at, l, errno := d.folder()
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
	if l == nil {
		return nil, syscall.ENOENT
	}
	switch name {
	case tagsName:
		d.m.dirAttr(&out.Attr, d.m.changed(at))
		out.SetAttrTimeout(d.m.opts.Refresh)
		return d.child(ctx, &tagsNode{m: d.m, volume: at.volume.UUID}, syscall.S_IFDIR, "tags", at.volume.UUID.String()), 0
	case latestName:
		return d.link(ctx, l.latest, out)
	case goodName:
		return d.link(ctx, l.good, out)
	}
	id, ext, ok := parseFile(name)
	rev, is := l.revisions[id]
	switch {
	case !ok || !is:
	case ext == imageExt && rev.Statement != nil:
		n := &imageNode{m: d.m, key: imageKey{at.volume.UUID, id}, statement: rev.Statement}
		n.attr(&out.Attr, false)
		out.SetAttrTimeout(n.attrFor(out.Blocks))
		return d.child(ctx, n, syscall.S_IFREG, "image", at.volume.UUID.String(), string(id)), 0
	case ext == descriptionExt && d.m.opts.Describe != nil:
		n := &descriptionNode{m: d.m, key: imageKey{at.volume.UUID, id}}
		if errno := n.attr(l, rev, &out.Attr); errno != 0 {
			return nil, errno
		}
		out.SetAttrTimeout(d.m.opts.Refresh)
		return d.child(ctx, n, syscall.S_IFREG, "note", at.volume.UUID.String(), string(id)), 0
	}
	return nil, syscall.ENOENT
}

// link finds the link to an image beside it.
func (d *dirNode) link(ctx context.Context, id revision.ID, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if id == "" {
		return nil, syscall.ENOENT
	}
	return newLink(ctx, &d.Inode, d.m, "", id, out), 0
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

// Readdir implements [fs.NodeReaddirer].
func (d *dirNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	at, l, errno := d.folder()
	if errno != 0 {
		return nil, errno
	}
	var entries []fuse.DirEntry
	if at != nil {
		for _, name := range slices.Sorted(maps.Keys(at.folders)) {
			entries = append(entries, fuse.DirEntry{Name: name, Mode: syscall.S_IFDIR, Ino: inode("dir", path.Join(append(slices.Clone(d.path), name)...))})
		}
	}
	if l == nil {
		return fs.NewListDirStream(entries), 0
	}
	uuid := at.volume.UUID.String()
	for _, id := range l.order {
		if l.revisions[id].Statement != nil {
			entries = append(entries, fuse.DirEntry{Name: string(id) + imageExt, Mode: syscall.S_IFREG, Ino: inode("image", uuid, string(id))})
		}
		if d.m.opts.Describe != nil {
			entries = append(entries, fuse.DirEntry{Name: string(id) + descriptionExt, Mode: syscall.S_IFREG, Ino: inode("note", uuid, string(id))})
		}
	}
	for name, to := range map[string]revision.ID{latestName: l.latest, goodName: l.good} {
		if to != "" {
			entries = append(entries, fuse.DirEntry{Name: name, Mode: syscall.S_IFLNK})
		}
	}
	entries = append(entries, fuse.DirEntry{Name: tagsName, Mode: syscall.S_IFDIR, Ino: inode("tags", uuid)})
	slices.SortFunc(entries, func(a, b fuse.DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return fs.NewListDirStream(entries), 0
}
