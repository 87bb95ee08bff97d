package fusemount

import (
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Modes of what is shown. Others see as much as they are let.
const (
	ownDir, otherDir   = 0o500, 0o555
	ownFile, otherFile = 0o400, 0o444
	ownWrites          = 0o200 // of images that can be written to
)

// changed is when anything of a volume last changed, or when this was mounted.
func (m *Mounted) changed(f *folder) time.Time {
	if f != nil && f.volume != nil {
		if stamp, err := m.repo.RevisionsStamp(*f.volume); err == nil {
			return stamp.Changed()
		}
	}
	return m.begun
}

func (m *Mounted) dirAttr(out *fuse.Attr, changed time.Time) {
	out.Mode = syscall.S_IFDIR | m.mode(ownDir, otherDir)
	out.Nlink = 2
	out.SetTimes(&changed, &changed, &changed)
	m.own(out)
}

func (m *Mounted) fileAttr(out *fuse.Attr) {
	out.Mode = syscall.S_IFREG | m.mode(ownFile, otherFile)
	if m.layers != nil {
		out.Mode |= ownWrites
	}
	out.Nlink, out.Blksize = 1, 4096
	m.own(out)
}

func (m *Mounted) descriptionAttr(out *fuse.Attr) {
	out.Mode = syscall.S_IFREG | m.mode(ownFile, otherFile)
	out.Nlink = 1
	m.own(out)
}

func (m *Mounted) linkAttr(l *linkNode, out *fuse.Attr) {
	out.Mode, out.Size = syscall.S_IFLNK|0o777, uint64(len(l.target))
	out.Nlink = 1
	at := l.id.Begun()
	out.SetTimes(&at, &at, &at)
	m.own(out)
}

func (m *Mounted) mode(own, other uint32) uint32 {
	if m.opts.AllowOther {
		return other
	}
	return own
}

func (m *Mounted) own(out *fuse.Attr) {
	out.Uid, out.Gid = uint32(syscall.Geteuid()), uint32(syscall.Getegid())
}

// statfs tells of the file system of the repository.
func (m *Mounted) statfs(out *fuse.StatfsOut) syscall.Errno {
	available, total, err := m.repo.Free()
	if err != nil {
		return m.ioError("the free space of the repository is not known", err)
	}
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks, out.Bfree, out.Bavail = uint64(total)/4096, uint64(available)/4096, uint64(available)/4096
	return 0
}

// ioError logs what went wrong, and gives what the kernel is told of it.
func (m *Mounted) ioError(what string, err error, args ...any) syscall.Errno {
	m.opts.Log.Warn(what, append(args, "error", err)...)
	return syscall.EIO
}
