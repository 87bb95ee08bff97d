package fusemount

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"varve/repository"
)

// OpendirHandle implements [fs.NodeOpendirHandler].
func (d *dirNode) OpendirHandle(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return &dirHandle{d: d}, 0, 0
}

// A dirHandle is an open folder. It lists what there was when it was first read, or was
// last read from its beginning. go-fuse calls it by one at a time.
type dirHandle struct {
	d       *dirNode
	entries []fuse.DirEntry // nil: not read yet
	next    int
}

var (
	_ fs.FileReaddirenter = (*dirHandle)(nil)
	_ fs.FileSeekdirer    = (*dirHandle)(nil)
	_ fs.FileLookuper     = (*dirHandle)(nil)
)

// Readdirent implements [fs.FileReaddirenter].
func (h *dirHandle) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	if errno := h.read(); errno != 0 || h.next >= len(h.entries) {
		return nil, errno
	}
	e := h.entries[h.next]
	h.next++
	e.Off = uint64(h.next)
	return &e, 0
}

// Seekdir implements [fs.FileSeekdirer].
func (h *dirHandle) Seekdir(_ context.Context, off uint64) syscall.Errno {
	if off == 0 {
		h.entries, h.next = nil, 0
		return 0
	}
	if errno := h.read(); errno != 0 {
		return errno
	}
	if off > uint64(len(h.entries)) {
		return syscall.EINVAL
	}
	h.next = int(off)
	return 0
}

// read lists the folder, unless it was.
func (h *dirHandle) read() (errno syscall.Errno) {
	if h.entries == nil {
		h.entries, errno = h.d.entries()
	}
	return errno
}

// Lookup implements [fs.FileLookuper]: the kernel asks for attributes along with each name,
// and takes an error for word that it is to ask again if somebody wants them. So names are
// listed before revisions were read, and with their attributes once they were.
func (h *dirHandle) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	at, errno := h.d.folder()
	if errno != 0 {
		return nil, errno
	}
	if at.folders[name] == nil && name != tagsName && (at.volume == nil || h.d.m.listings.listed(*at.volume) == nil) {
		return nil, syscall.EAGAIN
	}
	return h.d.Lookup(ctx, name, out)
}

// entries lists the folder, by name.
func (d *dirNode) entries() ([]fuse.DirEntry, syscall.Errno) {
	at, errno := d.folder()
	if errno != 0 {
		return nil, errno
	}
	entries := []fuse.DirEntry{}
	for _, name := range slices.Sorted(maps.Keys(at.folders)) {
		entries = append(entries, fuse.DirEntry{Name: name, Mode: syscall.S_IFDIR, Ino: inode("dir", path.Join(append(slices.Clone(d.path), name)...))})
	}
	if at.volume == nil {
		return entries, 0
	}
	ofVolume, errno := d.entriesOf(at.volume)
	if errno != 0 {
		return nil, errno
	}
	entries = append(entries, ofVolume...)
	slices.SortFunc(entries, func(a, b fuse.DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return entries, 0
}

func (d *dirNode) entriesOf(v *repository.Volume) ([]fuse.DirEntry, syscall.Errno) {
	names, err := d.m.listings.names(*v)
	if err != nil {
		return nil, d.m.failedListing(v, err)
	}
	uuid := v.UUID.String()
	var entries []fuse.DirEntry
	for _, id := range names.all {
		if !names.unreadable[id] {
			entries = append(entries, fuse.DirEntry{Name: string(id) + imageExt, Mode: syscall.S_IFREG, Ino: inode("image", uuid, string(id))})
		}
		if d.m.opts.Describe != nil {
			entries = append(entries, fuse.DirEntry{Name: string(id) + descriptionExt, Mode: syscall.S_IFREG, Ino: inode("note", uuid, string(id))})
		}
	}
	for name, is := range map[string]bool{latestName: names.latest, goodName: names.good} {
		if is {
			entries = append(entries, fuse.DirEntry{Name: name, Mode: syscall.S_IFLNK})
		}
	}
	return append(entries, fuse.DirEntry{Name: tagsName, Mode: syscall.S_IFDIR, Ino: inode("tags", uuid)}), 0
}
