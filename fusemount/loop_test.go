package fusemount

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/posixtest"

	"varve/revision"
)

// A guest is a file system on a disk that is backed up.
type guest struct {
	kind     string
	mkfs     []string
	size     int64
	readOnly string // options to mount it without touching its journal
	writable string
	check    []string // reads only
	repair   []string
}

func guests() []guest {
	return []guest{
		{"ext4", []string{"mkfs.ext4", "-q", "-F"}, 64 * mib, "ro,noload", "rw", []string{"e2fsck", "-fn"}, []string{"e2fsck", "-fy"}},
		{"xfs", []string{"mkfs.xfs", "-q", "-f"}, 320 * mib, "ro,norecovery,nouuid", "rw,nouuid", []string{"xfs_repair", "-n"}, []string{"xfs_repair"}},
		{"btrfs", []string{"mkfs.btrfs", "-q", "-f"}, 128 * mib, "ro,rescue=nologreplay", "rw", []string{"btrfs", "check", "--readonly", "--force"}, nil},
	}
}

func needTools(t testing.TB, tools ...string) {
	t.Helper()
	if syscall.Geteuid() != 0 {
		t.Skip("needs root for loop devices")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skip("needs loop devices")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
}

func mustRun(t testing.TB, words ...string) string {
	t.Helper()
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// attach makes a loop device of a file, and gives it up in the end.
func attach(t testing.TB, options ...string) (device string, detach func()) {
	t.Helper()
	device = mustRun(t, append([]string{"losetup", "--find", "--show"}, options...)...)
	done := false
	detach = func() {
		t.Helper()
		if !done {
			done = true
			mustRun(t, "losetup", "--detach", device)
			detached(t, device)
		}
	}
	t.Cleanup(detach)
	return device, detach
}

// detached waits until a loop device has let its file go: btrfs, above all, has it open for a
// moment after it was unmounted.
func detached(t testing.TB, device string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join("/sys/block", filepath.Base(device), "loop")); err != nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s is in use for ever", device)
		}
	}
}

// unmounted waits until nobody has a copy of what was unmounted from a device, as processes have that got their own mounts
// meanwhile.
func unmounted(t testing.TB, device string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		f, err := os.OpenFile(device, os.O_RDONLY|syscall.O_EXCL, 0)
		if err == nil {
			err = f.Close()
		}
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// mountAt mounts a device, and unmounts it in the end.
func mountAt(t testing.TB, kind, options, device, dir string) (unmount func()) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "mount", "-t", kind, "-o", options, device, dir)
	done := false
	unmount = func() {
		t.Helper()
		if !done {
			done = true
			mustRun(t, "umount", dir)
			unmounted(t, device)
		}
	}
	t.Cleanup(unmount)
	return unmount
}

// copyLive copies a disk while its file system is mounted and has just synced a file: its
// journal is dirty then.
func (g guest) copyLive(t testing.TB, p *place, disk, to string) {
	t.Helper()
	device, detach := attach(t, disk)
	point := filepath.Join(p.base, "live")
	unmount := mountAt(t, g.kind, "rw", device, point)
	if err := os.WriteFile(filepath.Join(point, "synced"), []byte("synced"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(point, "synced"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "dd", "if="+device, "of="+to, "bs=1M", "conv=sparse", "iflag=direct", "status=none")
	unmount()
	detach()
}

// Images of file systems are mounted as people do it: read-only without a look at the journal,
// and writable, where the journal is replayed and damage repaired; and the repository is what
// it was.
func TestLoopMounts(t *testing.T) {
	for _, g := range guests() {
		t.Run(g.kind, func(t *testing.T) {
			needTools(t, "mount", "losetup", g.mkfs[0], g.check[0])
			if err := exec.Command("modprobe", g.kind).Run(); err != nil && !kernelHas(g.kind) {
				t.Skipf("needs a kernel with %s", g.kind)
			}
			p := newPlace(t, 64*kib)
			disk := p.source("disk", g.size, 1)
			mustRun(t, append(g.mkfs, disk)...)
			device, detach := attach(t, disk)
			unmount := mountAt(t, g.kind, "rw", device, filepath.Join(p.base, "fresh"))
			if err := os.WriteFile(filepath.Join(p.base, "fresh", "old"), []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			unmount()
			detach()
			dirty := filepath.Join(p.base, "dirty")
			g.copyLive(t, p, disk, dirty)
			clean, live := p.backup("clean", disk), p.backup("dirty", dirty)
			before := p.tree()
			m, dir := p.mount(Options{})
			for name, id := range map[string]revision.ID{"clean": clean, "dirty": live} {
				g.looks(t, p, filepath.Join(dir, name, string(id)+".img"))
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			m, dir = p.mount(Options{Writable: true, Overlay: p.base})
			for name, id := range map[string]revision.ID{"clean": clean, "dirty": live} {
				g.works(t, p, filepath.Join(dir, name, string(id)+".img"), name == "dirty")
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			p.unchanged(before)
		})
	}
}

func kernelHas(kind string) bool {
	list, err := os.ReadFile("/proc/filesystems")
	return err == nil && strings.Contains(string(list), "\t"+kind+"\n")
}

// looks mounts an image read-only.
func (g guest) looks(t testing.TB, p *place, image string) {
	t.Helper()
	device, detach := attach(t, "--read-only", image)
	point := filepath.Join(p.base, "look")
	unmount := mountAt(t, g.kind, g.readOnly, device, point)
	if got := string(read(t, filepath.Join(point, "old"))); got != "old" {
		t.Errorf("%s: the file in it has %q", image, got)
	}
	unmount()
	detach()
}

// works mounts an image writable, writes to it, and has it checked and repaired.
func (g guest) works(t testing.TB, p *place, image string, dirty bool) {
	t.Helper()
	device, detach := attach(t, image)
	point := filepath.Join(p.base, "work")
	unmount := mountAt(t, g.kind, g.writable, device, point)
	if dirty {
		if got := string(read(t, filepath.Join(point, "synced"))); got != "synced" {
			t.Errorf("%s: the file that the journal has holds %q", image, got)
		}
	}
	if err := os.WriteFile(filepath.Join(point, "new"), []byte(strings.Repeat("new", mib)), 0o600); err != nil {
		t.Error(err)
	}
	unmount()
	mustRun(t, append(g.check, device)...)
	if g.repair != nil {
		mustRun(t, append(g.repair, device)...)
	}
	unmount = mountAt(t, g.kind, g.writable, device, point)
	if got := len(read(t, filepath.Join(point, "new"))); got != 3*mib {
		t.Errorf("%s: a file that was written has %d bytes", image, got)
	}
	unmount()
	detach()
}

// A disk with partitions: each is mounted where it begins.
func TestPartitions(t *testing.T) {
	needTools(t, "sfdisk", "mkfs.ext4", "losetup", "mount")
	p := newPlace(t, 64*kib)
	disk := p.source("disk", 64*mib, 1)
	cmd := exec.Command("sfdisk", "-q", disk)
	cmd.Stdin = strings.NewReader("start=2048,size=65536\nstart=69632\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	mustRun(t, "mkfs.ext4", "-q", "-F", "-E", fmt.Sprintf("offset=%d", 69632*512), disk, "16M")
	id := p.backup("v", disk)
	_, dir := p.mount(Options{})
	image := filepath.Join(dir, "v", string(id)+".img")
	device, detach := attach(t, "--read-only", "--offset", fmt.Sprint(69632*512), image)
	unmount := mountAt(t, "ext4", "ro,noload", device, filepath.Join(p.base, "part"))
	if got := names(t, filepath.Join(p.base, "part")); len(got) != 1 || got[0] != "lost+found" {
		t.Errorf("the partition has %q", got)
	}
	unmount()
	detach()
}

// What go-fuse asks of file systems, asked of one in an image that is written to.
func TestPosixInAnImage(t *testing.T) {
	needTools(t, "mkfs.ext4", "losetup", "mount")
	p := newPlace(t, 64*kib)
	disk := p.source("disk", 256*mib, 1)
	mustRun(t, "mkfs.ext4", "-q", "-F", "-O", "ea_inode", disk) // so that it takes large attributes
	id := p.backup("v", disk)
	before := p.tree()
	m, dir := p.mount(Options{Writable: true, Overlay: p.base})
	device, detach := attach(t, filepath.Join(dir, "v", string(id)+".img"))
	point := filepath.Join(p.base, "inside")
	unmount := mountAt(t, "ext4", "rw", device, point)
	for name, ask := range posixtest.All {
		if name == "FcntlFlockLocksFile" { // ext4 keeps the locks of flock and fcntl apart
			continue
		}
		t.Run(name, func(t *testing.T) {
			at := filepath.Join(point, name)
			if err := os.Mkdir(at, 0o755); err != nil {
				t.Fatal(err)
			}
			ask(t, at)
		})
	}
	unmount()
	mustRun(t, "e2fsck", "-fn", device)
	detach()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	p.unchanged(before)
}

// A file system that has no room left for what it writes is told so: a loop device takes a write for done of which a part was.
func TestFullUnderAFileSystem(t *testing.T) {
	needTools(t, "mkfs.ext4", "losetup", "mount")
	p := newPlace(t, 64*kib)
	disk := p.source("disk", 128*mib, 1)
	mustRun(t, "mkfs.ext4", "-q", "-F", disk)
	id := p.backup("v", disk)
	m, dir := p.mount(Options{Writable: true, Overlay: p.base, OverlaySize: 8 * mib})
	device, detach := attach(t, filepath.Join(dir, "v", string(id)+".img"))
	point := filepath.Join(p.base, "inside")
	unmount := mountAt(t, "ext4", "rw", device, point)
	f, err := os.Create(filepath.Join(point, "large"))
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 20*mib)
	rand.Read(noise)
	_, werr := f.Write(noise)
	if err := errors.Join(werr, f.Sync()); err == nil {
		t.Error("20 MiB were written and synced where there is room for 8")
	}
	_ = f.Close() // it has failed
	unmount()
	detach()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}
