package machine

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A fileSystem is what a repository may lie on.
type fileSystem struct {
	name    string
	kind    string // as mount knows it
	mkfs    []string
	size    int64
	options string // of the mount
}

func fileSystems() []fileSystem {
	ext4 := []string{"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"}
	return []fileSystem{
		{name: "ext4-ordered", kind: "ext4", mkfs: ext4, size: 1024 * mib, options: "data=ordered"},
		{name: "ext4-writeback", kind: "ext4", mkfs: ext4, size: 1024 * mib, options: "data=writeback"},
		{name: "ext4-noauto_da_alloc", kind: "ext4", mkfs: ext4, size: 1024 * mib, options: "data=ordered,noauto_da_alloc"},
		{name: "xfs", kind: "xfs", mkfs: []string{"mkfs.xfs", "-q"}, size: 1024 * mib},
	}
}

// make makes the file system in a new file, which is sparse.
func (f fileSystem) make(t testing.TB, image string) {
	t.Helper()
	need(t, f.mkfs[0], "losetup")
	file, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Truncate(f.size), file.Close()); err != nil {
		t.Fatal(err)
	}
	mustRun(t, f.mkfs[0], append(f.mkfs[1:], image)...)
}

// A mounted is a file system on a loop device, which can be mounted again and again.
type mounted struct {
	fs     fileSystem
	device string
	open   *os.File // the device, which ends with it
	point  string
	is     bool
}

// attach makes a loop device of the image, and a directory to mount it at.
func (f fileSystem) attach(t testing.TB, image string, options ...string) *mounted {
	t.Helper()
	m := &mounted{fs: f, point: filepath.Join(tempDir(t), "mnt")}
	if err := os.Mkdir(m.point, 0o700); err != nil {
		t.Fatal(err)
	}
	m.device = mustRun(t, "losetup", append(options, "--find", "--show", image)...)
	m.endWithUs(t)
	t.Cleanup(func() {
		if m.is {
			m.unmount(t)
		}
		m.detach(t)
	})
	return m
}

// fresh makes the file system and mounts it.
func (f fileSystem) fresh(t testing.TB) *mounted {
	t.Helper()
	image := filepath.Join(tempDir(t), "disk")
	f.make(t, image)
	m := f.attach(t, image)
	m.mount(t)
	return m
}

// endWithUs has the loop device end when nobody has it open or mounted any more,
// in case that this process ends before it detaches the device.
func (m *mounted) endWithUs(t testing.TB) {
	t.Helper()
	var err error
	if m.open, err = os.Open(m.device); err != nil {
		t.Fatal(err)
	}
	info, err := unix.IoctlLoopGetStatus64(int(m.open.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	info.Flags |= unix.LO_FLAGS_AUTOCLEAR
	if err := unix.IoctlLoopSetStatus64(int(m.open.Fd()), info); err != nil {
		t.Fatal(err)
	}
}

// detach gives up the loop device.
func (m *mounted) detach(t testing.TB) {
	t.Helper()
	if m.device == "" {
		return
	}
	if m.fs.kind == "btrfs" { // it remembers devices, and refuses a second one with the same id
		m.forget(t)
	}
	if err := m.open.Close(); err != nil {
		t.Error(err)
	}
	m.device = ""
}

// forget has btrfs forget the device, with which it may be busy for a moment after
// the unmount.
func (m *mounted) forget(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		out, err := exec.Command("btrfs", "device", "scan", "--forget", m.device).CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Errorf("have btrfs forget %s: %v\n%s", m.device, err, out)
			return
		}
	}
}

func (m *mounted) mount(t testing.TB) {
	t.Helper()
	err := unix.Mount(m.device, m.point, m.fs.kind, unix.MS_NOATIME, m.fs.options)
	if errors.Is(err, unix.ENODEV) {
		t.Skipf("needs a kernel with %s", m.fs.kind)
	}
	if err != nil {
		t.Fatalf("mount %s with %s: %v", m.fs.kind, m.fs.options, err)
	}
	m.is = true
}

// unmount unmounts. What is still busy after a while is detached from the tree, so
// that nothing stays behind, and the test fails.
func (m *mounted) unmount(t testing.TB) {
	t.Helper()
	m.is = false
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		err := unix.Unmount(m.point, 0)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			t.Errorf("unmount %s: %v; detaching it", m.point, err)
			if err := unix.Unmount(m.point, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
			return
		}
	}
}

// The shutdown ioctl of ext4 and xfs: from this moment on nothing reaches the disk.
const (
	ioctlShutdown = 0x8004587d
	shutLogFlush  = 1 // the journal is written first: what it says of data that was not
	shutNow       = 2
)

// cut takes the power away.
func (m *mounted) cut(t testing.TB, how int) {
	t.Helper()
	fd, err := unix.Open(m.point, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.IoctlSetPointerInt(fd, ioctlShutdown, how), unix.Close(fd)); err != nil {
		t.Skipf("needs a kernel with the shutdown ioctl of %s: %v", m.fs.kind, err)
	}
}

// remount is what happens when the power comes back.
func (m *mounted) remount(t testing.TB) {
	t.Helper()
	m.unmount(t)
	m.mount(t)
}

// A template is a file system fresh from mkfs, of which each life gets a copy.
type template struct {
	fs   fileSystem
	once sync.Once
	path string
}

func (p *template) copyTo(t testing.TB, image string) {
	t.Helper()
	p.once.Do(func() {
		dir, err := os.MkdirTemp(workshop, "mkfs-") // it outlives the test that comes first
		if err != nil {
			t.Fatal(err)
		}
		p.path = filepath.Join(dir, p.fs.name)
		p.fs.make(t, p.path)
	})
	mustRun(t, "cp", "--sparse=always", p.path, image)
}
