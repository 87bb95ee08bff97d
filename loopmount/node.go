package loopmount

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Node is a file of any kind within a [FileSystem]. It is safe for concurrent use. The caller closes it.
type Node struct {
	Path string // within the file system, from "/" on
	Info
	f *os.File // opened for nothing but to name it (O_PATH)
}

// Info is what a file system says of a file.
type Info struct {
	Mode               fs.FileMode // its kind, its permissions, set-uid, set-gid and sticky
	Links              uint32
	UID, GID           uint32
	Size               int64 // in bytes
	Device             uint64
	Inode              uint64
	Major, Minor       uint32    // of a device
	Accessed, Modified time.Time // the content
}

// Lookup finds what an absolute path leads to, by the symbolic links on its way; by the last one, too, if it is to be
// followed. They are resolved as they are for who lives in the file system, and end at its root.
func (f *FileSystem) Lookup(name string, follow bool) (*Node, error) {
	flags := uint64(0)
	if !follow {
		flags = unix.O_NOFOLLOW
	}
	return open(f.root, path.Clean("/"+name), "/"+name, flags, unix.RESOLVE_IN_ROOT)
}

// Child is an entry of a directory; a symbolic link is itself.
func (n *Node) Child(name string) (*Node, error) {
	return open(n.f, path.Join(n.Path, name), name, unix.O_NOFOLLOW, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
}

// open opens a name beneath a directory.
func open(dir *os.File, full, name string, flags, resolve uint64) (*Node, error) {
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | flags, Resolve: resolve}
	for {
		fd, err := unix.Openat2(int(dir.Fd()), name, how)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN): // the latter: something was renamed on the host
			continue
		case errors.Is(err, unix.ENOSYS):
			return nil, ErrOldKernel
		case err != nil:
			return nil, &PathError{Path: full, Op: "open", Err: err}
		}
		n := &Node{Path: full, f: os.NewFile(uintptr(fd), full)}
		if err := n.stat(); err != nil {
			return nil, errors.Join(&PathError{Path: full, Op: "look at", Err: err}, n.f.Close())
		}
		return n, nil
	}
}

func (n *Node) stat() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(n.f.Fd()), &st); err != nil {
		return err
	}
	n.Info = Info{
		Mode: modeOf(st.Mode), Links: uint32(st.Nlink), UID: st.Uid, GID: st.Gid, Size: st.Size, Device: st.Dev, Inode: st.Ino,
		Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev),
		Accessed: time.Unix(st.Atim.Sec, st.Atim.Nsec), Modified: time.Unix(st.Mtim.Sec, st.Mtim.Nsec),
	}
	return nil
}

// modeOf writes the system's bits as Go does.
func modeOf(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for bit, is := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= is
		}
	}
	switch bits & unix.S_IFMT {
	case unix.S_IFREG:
		return mode
	case unix.S_IFDIR:
		return mode | fs.ModeDir
	case unix.S_IFLNK:
		return mode | fs.ModeSymlink
	case unix.S_IFIFO:
		return mode | fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return mode | fs.ModeSocket
	case unix.S_IFCHR:
		return mode | fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		return mode | fs.ModeDevice
	}
	return mode | fs.ModeIrregular
}

// Close gives up the node.
func (n *Node) Close() error { return n.f.Close() }

// self is a path by which the kernel leads to the very file, also to a symbolic link.
func (n *Node) self() string { return fmt.Sprintf("/proc/self/fd/%d", n.f.Fd()) }

// Names lists a directory, sorted. Those that were read before an error come with it.
func (n *Node) Names() ([]string, error) {
	dir, err := os.Open(n.self())
	if err != nil {
		return nil, n.failed("list", err)
	}
	names, err := dir.Readdirnames(-1)
	slices.Sort(names)
	if err := errors.Join(err, dir.Close()); err != nil {
		return names, n.failed("list", err)
	}
	return names, nil
}

// Open opens a regular file for reading.
func (n *Node) Open() (*os.File, error) {
	if !n.Mode.IsRegular() {
		return nil, n.failed("open", errors.New("it is not a regular file"))
	}
	f, err := os.Open(n.self())
	if err != nil {
		return nil, n.failed("open", err)
	}
	return f, nil
}

// Target is where a symbolic link leads.
func (n *Node) Target() (string, error) {
	for size := 256; ; size *= 2 {
		p := make([]byte, size)
		got, err := unix.Readlinkat(int(n.f.Fd()), "", p)
		if err != nil {
			return "", n.failed("read the link", err)
		}
		if got < size {
			return string(p[:got]), nil
		}
	}
}

// Attributes lists the extended attributes, ACLs among them. With an error come those that could be read.
func (n *Node) Attributes() (all map[string][]byte, err error) {
	list, err := attribute(func(p []byte) (int, error) { return unix.Listxattr(n.self(), p) })
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, n.failed("list the attributes of", err)
	}
	all = map[string][]byte{}
	var failure error
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value, err := attribute(func(p []byte) (int, error) { return unix.Getxattr(n.self(), name, p) })
		switch {
		case err == nil:
			all[name] = value
		case failure == nil:
			failure = n.failed("read the attribute "+name+" of", err)
		}
	}
	return all, failure
}

// attribute reads what a call has that tells its length for no room at all.
func attribute(read func([]byte) (int, error)) ([]byte, error) {
	size, err := read(nil)
	if err != nil || size <= 0 {
		return nil, err
	}
	p := make([]byte, size)
	size, err = read(p)
	if err != nil {
		return nil, err
	}
	return p[:size], nil
}

func (n *Node) failed(op string, err error) error {
	if inner := new(fs.PathError); errors.As(err, &inner) {
		err = inner.Err // its path is that of the open file
	}
	return &PathError{Path: n.Path, Op: op, Err: err}
}
