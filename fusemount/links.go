package fusemount

import (
	"context"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"varve/revision"
)

// A tagsNode is the folder of links by tag.
type tagsNode struct {
	fs.Inode
	m      *Mounted
	volume revision.UUID
}

var (
	_ fs.NodeLookuper  = (*tagsNode)(nil)
	_ fs.NodeReaddirer = (*tagsNode)(nil)
	_ fs.NodeGetattrer = (*tagsNode)(nil)
)

func (t *tagsNode) tags() (map[string]revision.ID, syscall.Errno) {
	tree, err := t.m.listings.tree()
	if err != nil {
		return nil, t.m.ioError("the volumes cannot be listed", err)
	}
	v, is := tree.byUUID[t.volume]
	if !is {
		return nil, syscall.ENOENT
	}
	l, err := t.m.listings.list(v)
	if err != nil {
		return nil, t.m.failedListing(&v, err)
	}
	return l.tags, 0
}

// Getattr implements [fs.NodeGetattrer].
func (t *tagsNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	at := t.m.begun
	if tree, err := t.m.listings.tree(); err == nil {
		if v, is := tree.byUUID[t.volume]; is {
			at = t.m.changed(&folder{volume: &v})
		}
	}
	t.m.dirAttr(&out.Attr, at)
	out.SetTimeout(t.m.opts.Refresh)
	return 0
}

// Lookup implements [fs.NodeLookuper].
func (t *tagsNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	tags, errno := t.tags()
	if errno != 0 {
		return nil, errno
	}
	tag, has := strings.CutSuffix(name, imageExt)
	id, is := tags[tag]
	if !has || !is {
		return nil, syscall.ENOENT
	}
	out.SetEntryTimeout(t.m.opts.Refresh)
	return newLink(ctx, &t.Inode, t.m, "../", id, out), 0
}

// Readdir implements [fs.NodeReaddirer].
func (t *tagsNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	tags, errno := t.tags()
	if errno != 0 {
		return nil, errno
	}
	var entries []fuse.DirEntry
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		entries = append(entries, fuse.DirEntry{Name: tag + imageExt, Mode: syscall.S_IFLNK})
	}
	return fs.NewListDirStream(entries), 0
}

// A linkNode is a symbolic link. One that leads elsewhere is another node: what the kernel
// knows of the former is not wrong, only old.
type linkNode struct {
	fs.Inode
	m      *Mounted
	target string
	id     revision.ID
}

var (
	_ fs.NodeReadlinker = (*linkNode)(nil)
	_ fs.NodeGetattrer  = (*linkNode)(nil)
)

func newLink(ctx context.Context, parent *fs.Inode, m *Mounted, to string, id revision.ID, out *fuse.EntryOut) *fs.Inode {
	n := &linkNode{m: m, target: to + string(id) + imageExt, id: id}
	m.linkAttr(n, &out.Attr)
	out.SetAttrTimeout(unchanging)
	return parent.NewInode(ctx, n, fs.StableAttr{Mode: syscall.S_IFLNK})
}

// Getattr implements [fs.NodeGetattrer].
func (l *linkNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	l.m.linkAttr(l, &out.Attr)
	out.SetTimeout(unchanging)
	return 0
}

// Readlink implements [fs.NodeReadlinker].
func (l *linkNode) Readlink(context.Context) ([]byte, syscall.Errno) { return []byte(l.target), 0 }

// unchanging is for how long the kernel may keep what never changes.
const unchanging = time.Hour
