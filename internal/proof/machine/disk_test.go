package machine

import (
	"bufio"
	"context"
	"encoding/gob"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// diskVariable has this program serve a disk, in a process of its own: whoever
// works on the disk may wait for it with a thread that the server would need.
// It holds the directory to mount at and the file with the first content.
const diskVariable = "VARVE_MACHINE_DISK"

// diskFile is the file that the server shows, for a loop device to stand on.
const diskFile = "disk"

// What happens to a disk.
const (
	isWrite = iota
	isFlush
	isMark
)

// An event is something that happened to a disk, in the order in which the disk
// learned of it. Of two writes, the disk may be slower with the first, until a
// flush comes after both.
type event struct {
	What   int
	Offset int64
	Data   []byte
	Mark   string
}

// A recorder is a disk in memory that writes down what happens to it.
type recorder struct {
	fs.Inode
	mu      sync.RWMutex
	content []byte
	events  []event
}

var (
	_ fs.NodeOpener    = (*recorder)(nil)
	_ fs.NodeGetattrer = (*recorder)(nil)
	_ fs.NodeReader    = (*recorder)(nil)
	_ fs.NodeWriter    = (*recorder)(nil)
	_ fs.NodeFsyncer   = (*recorder)(nil)
)

// Open has the kernel keep no pages of the file: each write reaches us as it is made.
func (r *recorder) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (r *recorder) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size, out.Nlink = unix.S_IFREG|0o600, uint64(len(r.content)), 1
	return 0
}

func (r *recorder) Read(_ context.Context, _ fs.FileHandle, p []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if off >= int64(len(r.content)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(p[:copy(p, r.content[off:])]), 0
}

func (r *recorder) Write(_ context.Context, _ fs.FileHandle, p []byte, off int64) (uint32, syscall.Errno) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if off+int64(len(p)) > int64(len(r.content)) {
		return 0, syscall.ENOSPC
	}
	copy(r.content[off:], p)
	r.events = append(r.events, event{What: isWrite, Offset: off, Data: append([]byte(nil), p...)})
	return uint32(len(p)), 0
}

// Fsync is a flush: what was written, and answered, before it came is on the disk
// when it is answered.
func (r *recorder) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{What: isFlush})
	return 0
}

// serveDisk is the server. It obeys lines on standard input, and answers each with
// a line, "ok" if it could; at the end of the input it ends.
//
//	mark TEXT    writes down that something happened besides
//	save FILE    writes the recording
func serveDisk() int {
	if err := serve(os.Getenv(diskVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serve(where string) error {
	dir, image, _ := strings.Cut(where, ":")
	content, err := mapPrivate(image)
	if err != nil {
		return err
	}
	disk := &recorder{content: content}
	root := &fs.Inode{}
	server, err := fs.Mount(dir, root, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "varve-recorder", MaxWrite: mib},
		OnAdd: func(ctx context.Context) {
			root.AddChild(diskFile, root.NewPersistentInode(ctx, disk, fs.StableAttr{Mode: fuse.S_IFREG}), false)
		},
	})
	if err != nil {
		return err
	}
	fmt.Println("ok")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := disk.obey(lines.Text()); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("ok")
	}
	return server.Unmount()
}

// mapPrivate maps a file into memory, where writes to it stay.
func mapPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it is only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_NORESERVE)
}

func (r *recorder) obey(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	r.mu.Lock()
	defer r.mu.Unlock()
	switch word {
	case "mark":
		r.events = append(r.events, event{What: isMark, Mark: rest})
		return nil
	case "save":
		return saveEvents(rest, r.events)
	}
	return fmt.Errorf("unknown word %q", word)
}

func saveEvents(path string, events []event) error {
	f, err := os.Create(filepath.Clean(path))
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, mib)
	if err := gob.NewEncoder(w).Encode(events); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func loadEvents(path string) (events []event, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it is only read
	return events, gob.NewDecoder(bufio.NewReaderSize(f, mib)).Decode(&events)
}
