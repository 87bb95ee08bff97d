package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// diskSystems are the file systems whose writes are recorded.
func diskSystems() []fileSystem {
	return []fileSystem{
		{name: "btrfs", kind: "btrfs", mkfs: []string{"mkfs.btrfs", "-q"}, size: 320 * mib},
		{name: "ext4", kind: "ext4", mkfs: []string{"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"}, size: 320 * mib},
		{name: "xfs", kind: "xfs", mkfs: []string{"mkfs.xfs", "-q"}, size: 320 * mib},
	}
}

// A server is a recorder that runs in another process.
type server struct {
	t       testing.TB
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Scanner
	dir     string
	over    bool
}

// startServer serves the image. If this process ends in any way, so does the
// server; and with it all waiting for the disk, with an error.
func startServer(t testing.TB, image string) *server {
	t.Helper()
	s := &server{t: t, dir: filepath.Join(tempDir(t), "fuse")}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(self)
	s.cmd.Env = append(os.Environ(), diskVariable+"="+s.dir+":"+image)
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.answers = bufio.NewScanner(out)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A server that hangs would have everything hang that touches the disk.
	watchdog := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	t.Cleanup(func() {
		s.stop()
		watchdog.Stop()
	})
	s.expectOK()
	return s
}

func (s *server) expectOK() {
	s.t.Helper()
	if !s.answers.Scan() || s.answers.Text() != "ok" {
		s.t.Fatalf("the server of the disk says %q, %v", s.answers.Text(), s.answers.Err())
	}
}

func (s *server) tell(format string, args ...any) {
	s.t.Helper()
	if _, err := fmt.Fprintf(s.in, format+"\n", args...); err != nil {
		s.t.Fatal(err)
	}
	s.expectOK()
}

// stop ends the server, and the file system that it served.
func (s *server) stop() {
	if s.over {
		return
	}
	s.over = true
	if err := s.in.Close(); err != nil {
		s.t.Error(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the server of the disk: %v", err)
		_ = unix.Unmount(s.dir, unix.MNT_DETACH) // it may be unmounted already
	}
}

// A recording is what a disk was asked while revisions were made on it.
type recording struct {
	fs     fileSystem
	image  string // before all events
	events []event
	ledger ledger // with all attempts
	repo   string // within the file system
	state  string
	last   map[string]*source
}

// Marks in a recording.
const (
	markMade     = "made"     // the repository was acknowledged
	markAttempt  = "attempt"  // and the number of one that was acknowledged
	markRestored = "restored" // and the number of the attempt whose restored file was acknowledged
)

// record runs the program on a disk that writes down what it is asked.
func record(t testing.TB, rng *rand.Rand, p *template, backups int) *recording {
	t.Helper()
	dir := tempDir(t)
	r := &recording{fs: p.fs, image: filepath.Join(dir, "image"), repo: "repo", state: filepath.Join(dir, "state"), last: map[string]*source{}}
	p.copyTo(t, r.image)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("needs a kernel with FUSE: %v", err)
	}
	s := startServer(t, r.image)
	disk := p.fs.attach(t, filepath.Join(s.dir, diskFile), "--direct-io=on")
	disk.mount(t)
	at := filepath.Join(disk.point, r.repo)
	mustSucceed(t, r.state, "init", at, "--chunk-size", "64KiB")
	s.tell("mark %s", markMade)
	for _, name := range []string{"a", "b"} {
		r.last[name] = newSource(t, filepath.Join(dir, name), rng, 2*mib)
	}
	for i := range backups {
		r.backUp(t, rng, s, at)
		if i == backups/2 {
			r.restore(t, rng, s, disk.point)
		}
	}
	disk.unmount(t)
	saved := filepath.Join(dir, "events")
	s.tell("save %s", saved)
	disk.detach(t)
	s.stop()
	var err error
	if r.events, err = loadEvents(saved); err != nil {
		t.Fatal(err)
	}
	return r
}

// backUp makes a revision, and marks that it was acknowledged.
func (r *recording) backUp(t testing.TB, rng *rand.Rand, s *server, repo string) {
	t.Helper()
	name := []string{"a", "a", "b"}[rng.IntN(3)]
	source := r.last[name]
	if rng.IntN(5) == 0 {
		source.resize(t)
	} else {
		source.change(t)
	}
	a := r.ledger.begin(name, source)
	words := []string{"-r", repo, "backup", name, source.path, "--json", "--note", a.note()}
	if rng.IntN(6) == 0 {
		words = append(words, "--full")
	}
	p := start(t, r.state, words...)
	r.unsettle(t, rng, p, filepath.Dir(repo))
	if code := p.wait(t); code != 0 {
		t.Fatalf("varve %s: exit code %d\n%s", p.words, code, p.said())
	}
	s.tell("mark %s %d", markAttempt, a.number)
	r.ledger.ended(t, a, p)
}

// unsettle has the kernel write what it holds while the program runs, as it may at
// any time.
func (r *recording) unsettle(t testing.TB, rng *rand.Rand, p *process, point string) {
	t.Helper()
	for range rng.IntN(3) {
		timer := time.NewTimer(time.Duration(rng.IntN(40)) * time.Millisecond)
		select {
		case <-p.ended:
		case <-timer.C:
		}
		timer.Stop()
		fd, err := unix.Open(point, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(unix.Syncfs(fd), unix.Close(fd)); err != nil {
			t.Errorf("sync %s: %v", point, err)
		}
	}
}

// restore restores a revision to the disk itself.
func (r *recording) restore(t testing.TB, rng *rand.Rand, s *server, point string) {
	t.Helper()
	a := r.ledger.attempts[rng.IntN(len(r.ledger.attempts))]
	repo := filepath.Join(point, r.repo)
	log := mustSucceed(t, r.state, "-r", repo, "log", a.volume, "--all", "--json")
	address := a.volume + "@" + findID(t, log.stdout.Bytes(), a)
	if rng.IntN(2) == 0 { // elsewhere: then the journal's syncs are not the target's
		repo = copyElsewhere(t, repo)
	}
	mustSucceed(t, r.state, "-r", repo, "restore", address, restoredName(point, a.number))
	s.tell("mark %s %d", markRestored, a.number)
}

func restoredName(point string, number int) string {
	return filepath.Join(point, "restored-"+strconv.Itoa(number))
}

// promises tells what was acknowledged before an event.
func (r *recording) promises(before int) (made bool, attempts, restored map[int]bool) {
	attempts, restored = map[int]bool{}, map[int]bool{}
	for _, e := range r.events[:before] {
		if e.What != isMark {
			continue
		}
		word, rest, _ := strings.Cut(e.Mark, " ")
		number, _ := strconv.Atoi(rest) // markMade has none
		switch word {
		case markMade:
			made = true
		case markAttempt:
			attempts[number] = true
		case markRestored:
			restored[number] = true
		}
	}
	return made, attempts, restored
}
