package fusemount

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"varve/internal/durable"
	"varve/internal/mountinfo"
	"varve/repository"
)

// TestMain is also the process that a test kills: one that mounts, and serves; and the one that
// watches over all tests.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("FUSEMOUNT_WATCH") != "":
		watch(os.Getppid(), os.TempDir())
	case os.Getenv("FUSEMOUNT_SERVE") != "":
		os.Exit(serveForATest(os.Getenv("FUSEMOUNT_SERVE"), os.Getenv("FUSEMOUNT_REPOSITORY"), os.Getenv("FUSEMOUNT_OVERLAY")))
	default:
		guard := exec.Command("/proc/self/exe")
		guard.Env = append(os.Environ(), "FUSEMOUNT_WATCH=yes")
		if err := guard.Start(); err != nil {
			panic(err)
		}
		code := m.Run()
		_ = guard.Process.Kill() // it is not needed any more
		_ = guard.Wait()
		os.Exit(code)
	}
}

// watch ends what tests have mounted once their process is dead. They read what they serve
// themselves; one that is killed meanwhile, for it took too long, waits for an answer that
// only it could give.
func watch(pid int, below string) {
	for ; ; time.Sleep(100 * time.Millisecond) {
		if isAlive(pid) {
			continue
		}
		mounts, _ := mountinfo.Read() // without it, nothing can be done
		for _, m := range mounts {
			if m.Type == fsType && strings.HasPrefix(m.Point, below+"/Test") {
				_ = syscall.Unmount(m.Point, syscall.MNT_FORCE)
				_ = syscall.Unmount(m.Point, syscall.MNT_DETACH)
			}
		}
		return
	}
}

// isAlive tells whether a process is there, and not about to end: then its first thread is a
// zombie, or has a SIGKILL to come to while it waits.
func isAlive(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch name {
		case "State":
			if value[0] == 'Z' || value[0] == 'X' {
				return false
			}
		case "SigPnd", "ShdPnd":
			if mask, err := strconv.ParseUint(value, 16, 64); err == nil && mask>>(syscall.SIGKILL-1)&1 != 0 {
				return false
			}
		}
	}
	return true
}

func serveForATest(dir, place, overlay string) int {
	tree, err := durable.OpenTree(place)
	if err != nil {
		return 1
	}
	repo, err := repository.Open(tree, repository.Options{Command: "test"})
	if err != nil {
		return 1
	}
	low, err := os.Open(os.DevNull) // what is open before the device is closed before it
	if err != nil {
		return 1
	}
	m, err := Mount(context.Background(), repo, dir, Options{
		Writable: true, Overlay: overlay, AllowOther: os.Getenv("FUSEMOUNT_ALLOW_OTHER") != "", Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		slog.Error("mount", "error", err)
		return 1
	}
	if hold := os.Getenv("FUSEMOUNT_HOLD"); hold != "" {
		f, err := os.Open(hold)
		if err == nil {
			err = syscall.Dup3(int(f.Fd()), int(low.Fd()), 0)
		}
		if err != nil {
			slog.Error("open", "error", err)
			return 1
		}
	}
	_, _ = os.Stdout.WriteString("ready\n")
	if m.Wait() != nil {
		return 1
	}
	return 0
}

// Whose process was killed while it was read from and written to is dead for who had it open,
// and mounted over by the next; of what was written nothing is left.
func TestMountedOverWhatWasKilled(t *testing.T) {
	p := newPlace(t, mib)
	const size = 32 * mib
	src := p.source("src", size, 1, extent{0, size})
	id := p.backup("v", src)
	dir, overlay := filepath.Join(p.base, "mnt"), filepath.Join(p.base, "overlay")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(overlay, 0o755)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "v", string(id)+".img")
	t.Cleanup(func() { _ = detach(dir) }) // if anything failed
	for range 2 {
		server := exec.Command("/proc/self/exe")
		server.Env = append(os.Environ(), "FUSEMOUNT_SERVE="+dir, "FUSEMOUNT_REPOSITORY="+p.dir, "FUSEMOUNT_OVERLAY="+overlay)
		server.Stderr = p.log
		out, err := server.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		if n, err := out.Read(make([]byte, 10)); n == 0 {
			t.Fatalf("the process that serves did not: %v\n%s", err, p.log.lines(""))
		}
		begun, dead := make(chan bool, 4), make(chan error, 4)
		for w := range 4 {
			go func() { dead <- use(path, w%2 == 0, begun) }()
		}
		for range 4 {
			<-begun
		}
		if err := server.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if err := <-dead; !errors.Is(err, syscall.ENOTCONN) && !errors.Is(err, syscall.ECONNABORTED) && !errors.Is(err, syscall.EIO) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("who used what died was told %v", err)
			}
		}
		_ = server.Wait() // it was killed
	}
	if err := look(dir, true); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("what is dead at the mount point says %v", err)
	}
	if left := names(t, overlay); len(left) != 0 {
		t.Errorf("of what was written, %q is left", left)
	}
	_, dir = p.mount(Options{})
	same(t, filepath.Join(dir, "v", string(id)+".img"), src)
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Count(string(text), " "+dir+" ") != 1 {
		t.Errorf("at the mount point lies more than one mount: %v", err)
	}
}

// A process that has a file open that it serves itself can be killed: nothing that the kernel
// does for it then asks the process.
func TestWhoUsesWhatItServesCanBeKilled(t *testing.T) {
	p := newPlace(t, 64*kib)
	id := p.backup("v", p.source("src", mib, 1, extent{0, mib}))
	dir := filepath.Join(p.base, "mnt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("/proc/self/exe")
	server.Env = append(os.Environ(), "FUSEMOUNT_SERVE="+dir, "FUSEMOUNT_REPOSITORY="+p.dir, "FUSEMOUNT_OVERLAY="+p.base,
		"FUSEMOUNT_HOLD="+filepath.Join(dir, "v", string(id)+".img"))
	server.Stderr = p.log
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = detach(dir) })
	if n, err := out.Read(make([]byte, 10)); n == 0 {
		t.Fatalf("the process that serves did not: %v\n%s", err, p.log.lines(""))
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool, 1)
	go func() {
		_ = server.Wait() // it was killed
		ended <- true
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		_ = syscall.Unmount(dir, syscall.MNT_FORCE) // which ends the wait
		t.Error("it waits for an answer that only it could give")
	}
}

// use reads or writes until that fails.
func use(path string, writes bool, begun chan<- bool) error {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_DIRECT, 0)
	if err != nil {
		begun <- false
		return err
	}
	defer func() { _ = f.Close() }() // of what is dead
	buf := make([]byte, 128*kib)
	for i := 0; ; i++ {
		off := int64(i) % 200 * int64(len(buf))
		if writes {
			_, err = f.WriteAt(buf, off)
		} else {
			_, err = f.ReadAt(buf, off)
		}
		if i == 0 {
			begun <- true
		}
		if err != nil {
			return err
		}
	}
}

// What is in use is not unmounted, and who uses it is named; out of the tree, it is served
// until it is let go.
func TestUnmountWhileBusy(t *testing.T) {
	p := newPlace(t, 64*kib)
	src := p.source("src", 4*mib, 1, extent{0, 4 * mib})
	id := p.backup("v", src)
	m, dir := p.mount(Options{})
	path := filepath.Join(dir, "v", string(id)+".img")
	holder := exec.Command("sleep", "600")
	var err error
	if holder.Stdin, err = os.Open(path); err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	f := holder.Stdin.(*os.File)
	err = m.Close()
	busy := new(BusyError)
	if !errors.As(err, &busy) || len(busy.Users) == 0 || !strings.HasPrefix(busy.Users[0], "sleep (process ") {
		t.Fatalf("unmounting what is in use gave %v", err)
	}
	same(t, path, src)
	if err := m.Detach(); err != nil {
		t.Fatal(err)
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("what was detached is in the tree still: %q", left)
	}
	got := make([]byte, 4*mib)
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, read(t, src)) {
		t.Errorf("what was detached reads no more: %v", err)
	}
	if err := errors.Join(f.Close(), holder.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // it was killed
	if err := m.Wait(); err != nil {
		t.Error(err)
	}
}

// Who unmounts it from outside ends it, too; and what cannot be a mount point is told apart.
func TestMountPoints(t *testing.T) {
	p := newPlace(t, 64*kib)
	m, dir := p.mount(Options{})
	point := new(PointError)
	if _, err := Mount(t.Context(), p.repo, dir, Options{}); !errors.As(err, &point) || !point.Mounted {
		t.Errorf("mounting twice gave %v", err)
	}
	if err := syscallUnmount(dir); err != nil {
		t.Fatal(err)
	}
	if err := m.Wait(); err != nil {
		t.Error(err)
	}
	for what, at := range map[string]string{"a file": p.source("file", 1, 1), "nothing": filepath.Join(p.base, "none")} {
		if _, err := Mount(t.Context(), p.repo, at, Options{}); !errors.As(err, &point) {
			t.Errorf("mounting at %s gave %v", what, err)
		}
	}
}

// syscallUnmount is umount, as others call it.
func syscallUnmount(dir string) error {
	if syscall.Geteuid() == 0 {
		return syscall.Unmount(dir, 0)
	}
	return detach(dir)
}

// While images are read, backups, removals, merges and collections go on, and leases are
// renewed: every byte is right, and no read fails.
func TestReadsGoOnWhileAllElseDoes(t *testing.T) {
	p := newPlace(t, 64*kib)
	const size = 6 * mib
	src := p.source("src", size, 1, extent{0, size})
	m, dir := p.mount(Options{Cache: 1})
	stop := make(chan bool)
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				readNewest(t, filepath.Join(dir, "v", "latest.img"), size)
			}
		})
	}
	for round := range uint64(12) {
		stamp(t, src, size, byte(round))
		p.backup("v", src)
		p.dropOld(3)
		renew(m)
		if _, err := p.repo.CollectGarbage(t.Context(), gcNow()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}

// stamp writes the same byte into many blocks, so that a mixture of two revisions shows.
func stamp(t testing.TB, path string, size int64, b byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	for off := int64(0); off < size; off += 96 * kib {
		if _, err := f.WriteAt(bytes.Repeat([]byte{b}, 4*kib), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// readNewest reads stamped blocks of whatever is the newest now.
func readNewest(t testing.TB, link string, size int64) {
	t.Helper()
	f, err := os.OpenFile(link, os.O_RDONLY|syscall.O_DIRECT, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return // there is none yet, or it went in between
	}
	if err != nil {
		t.Errorf("open %s: %v", link, err)
		return
	}
	defer closeIt(t, f)
	raw, err := syscall.Mmap(-1, 0, 4*kib, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = syscall.Munmap(raw) }()
	var first byte
	for off := int64(0); off < size; off += 96 * kib {
		if _, err := f.ReadAt(raw, off); err != nil {
			t.Errorf("read at %d: %v", off, err)
			return
		}
		if off == 0 {
			first = raw[0]
		}
		if !bytes.Equal(raw, bytes.Repeat([]byte{first}, 4*kib)) {
			t.Errorf("at %d lies %d, at the beginning %d", off, raw[0], first)
			return
		}
	}
}

// dropOld takes all but the newest revisions away.
func (p *place) dropOld(keep int) {
	p.t.Helper()
	v, err := p.repo.Volume("v")
	if err != nil {
		p.t.Fatal(err)
	}
	all, err := p.repo.Revisions(v)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, rev := range all[:max(0, len(all)-keep)] {
		p.remove("v", rev.ID)
	}
}
