package drill_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"varve/drill"
	"varve/fusemount"
	"varve/repository"
)

// drillAlone drills the revision of the place at a directory, in this process, and says each step.
func drillAlone(dir, tools, command string) error {
	repo, err := open(filepath.Join(dir, "repo"))
	if err != nil {
		return err
	}
	v, err := repo.Volume("v")
	if err != nil {
		return err
	}
	all, err := repo.Revisions(v)
	if err != nil {
		return err
	}
	_, err = drill.Run(context.Background(), repo, all[0], drill.Options{
		Room: []string{"room"}, Tools: strings.Split(tools, ":"), Command: command,
		Serve: func() (*fusemount.Server, error) {
			return fusemount.StartServer([]string{"serve", filepath.Join(dir, "repo"), string(all[0].ID), filepath.Join(dir, "overlay"), "0"}, func(string) {})
		},
		OnStep: func(text string) { fmt.Println(text) },
	})
	return err
}

// begin starts a drill in a process of its own, and returns when it has come to a step.
func (p *place) begin(step, tools, command string) *exec.Cmd {
	p.t.Helper()
	cmd := exec.Command("/proc/self/exe", "drill", p.dir, tools, command)
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), step) {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return cmd
		}
	}
	p.t.Fatalf("it did not come to %q: %v", step, cmd.Wait())
	return nil
}

// mourn takes away the leases of processes that were killed, as whoever comes next does.
func (p *place) mourn() {
	p.t.Helper()
	rd, err := p.repo.NewReader(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := rd.Close(); err != nil {
		p.t.Error(err)
	}
}

// TestKilled kills a drill in the middle of each step. Nothing stays.
func TestKilled(t *testing.T) {
	p := newPlace(t, ext4, "mkfs.ext4")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(tools, ":")
	const forked = "setsid sleep 1000000 & sleep 1000000"
	for _, test := range []struct{ step, tools, command string }{
		{"opening", all, ""}, {"measuring", all, ""}, {"mounting", all, ""}, {"checking", here + "/testdata/hang", ""}, {"running", all, forked},
	} {
		cmd := p.begin(test.step, test.tools, test.command)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		p.waitForServer()
		p.mourn()
		if left := p.lasting(); left != "" {
			t.Errorf("killed while %s: left behind:\n%s", test.step, left)
		}
	}
}

// waitForServer waits until no process serves the image any more: its lease is dead then.
func (p *place) waitForServer() {
	p.t.Helper()
	for _, name := range processesOf(p.t, p.at("repo")) {
		var pid int
		if _, err := fmt.Sscanf(name, "/proc/%d/", &pid); err != nil {
			p.t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has ended
		}
		for { // until it ends
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if err := unix.Close(fd); err != nil {
			p.t.Error(err)
		}
	}
}

// processesOf lists the command lines that name a directory.
func processesOf(t testing.TB, dir string) (found []string) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && strings.Contains(string(text), dir) {
			found = append(found, name)
		}
	}
	return found
}

// TestProcessesOfADrillAreKilled kills the room, and the process that serves the image, in the middle of a drill: it ends with an error, and nothing stays.
func TestProcessesOfADrillAreKilled(t *testing.T) {
	p := newPlace(t, ext4, "mkfs.ext4")
	for _, words := range []string{"\x00room\x00", "\x00serve\x00"} {
		cmd := p.begin("running", strings.Join(tools, ":"), "cat $VARVE_MOUNT/lost+found; sleep 1000000")
		if n := p.killChildren(cmd.Process.Pid, words); n != 1 {
			t.Fatalf("killed %d processes of %q", n, words)
		}
		if words == "\x00serve\x00" { // the command does not need the image any more
			if n := p.killChildren(cmd.Process.Pid, "\x00room\x00"); n != 1 {
				t.Fatalf("there was no room")
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Errorf("without %q, it ended well", words)
		}
		p.mourn()
		if left := p.lasting(); left != "" {
			t.Errorf("left behind:\n%s", left)
		}
	}
}

// killChildren kills the children of a process that were started with such words.
func (p *place) killChildren(parent int, words string) (n int) {
	p.t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, name := range names {
		var pid, of int
		text, err := os.ReadFile(name)
		stat, serr := os.ReadFile(filepath.Join(filepath.Dir(name), "status"))
		if err != nil || serr != nil || !strings.Contains(string(text), words) {
			continue
		}
		_, after, _ := strings.Cut(string(stat), "\nPPid:")
		if _, err := fmt.Sscan(after, &of); err != nil || of != parent {
			continue
		}
		if _, err := fmt.Sscanf(name, "/proc/%d/", &pid); err != nil {
			p.t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			p.t.Fatal(err)
		}
		n++
	}
	return n
}

// TestInterrupted ends the context in the middle.
func TestInterrupted(t *testing.T) {
	p := newPlace(t, ext4, "mkfs.ext4")
	reason := errors.New("somebody pressed a key")
	for _, step := range []string{"opening", "measuring", "mounting", "checking", "running"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		p.opts.Command = "setsid sleep 1000000 & sleep 1000000"
		p.opts.OnStep = func(text string) {
			if strings.HasPrefix(text, step) {
				cancel(reason)
			}
		}
		if _, err := drill.Run(ctx, p.repo, p.rev, p.opts); !errors.Is(err, reason) {
			t.Errorf("interrupted while %s: %v", step, err)
		}
		if left := p.lasting(); left != "" {
			t.Errorf("interrupted while %s: left behind:\n%s", step, left)
		}
		cancel(nil)
	}
}

// TestStoredDamage turns a byte of stored data around: the drill fails, and says what is lost, whoever reads it.
func TestStoredDamage(t *testing.T) {
	p := newPlace(t, ext4+"filled sh -c 'seq -f before%g 20000 >before; seq -f text%g 100000 >f; seq -f after%g 20000 >after'", "mkfs.ext4")
	p.hurt("text50000\n", 2)
	p.opts.Sample = 1
	comesTo(t, p.drillCommand("cat $VARVE_MOUNT/before >/dev/null"), drill.Passed, "")
	comesTo(t, p.drillCommand("cat $VARVE_MOUNT/f >/dev/null || true"), drill.Failed, "stored data is damaged: 64 KiB at byte ")
	p.opts.Command, p.opts.Sample = "", 0
	r := p.drill()
	comesTo(t, r, drill.Failed, "stored data is damaged: 64 KiB at byte ")
	if r.Parts != nil {
		t.Errorf("it went on: %+v", r.Parts)
	}
}

// hurt turns a byte around that is so many behind a text which a pack has.
func (p *place) hurt(text string, behind int) {
	p.t.Helper()
	packs, err := filepath.Glob(p.at("repo/packs/*/*.pack"))
	if err != nil || len(packs) == 0 {
		p.t.Fatal(packs, err)
	}
	for _, name := range packs {
		data, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		if at := strings.Index(string(data), text); at >= 0 {
			data[at+behind] ^= 0xff
			if err := os.WriteFile(name, data, 0o600); err != nil {
				p.t.Fatal(err)
			}
			return
		}
	}
	p.t.Fatalf("no pack has %q", text)
}

// TestBesideRemovalAndGC takes the revision away while it is drilled, and collects what nobody needs: the drill goes on, and its lease ends with it.
func TestBesideRemovalAndGC(t *testing.T) {
	p := newPlace(t, ext4+"filled sh -c 'seq -f text%g 100000 >f; seq -f text%g 100000 | cksum >sum'", "mkfs.ext4")
	p.opts.Sample = 1 // the rest is read when it is gone
	p.opts.Command = `cd $VARVE_MOUNT; test "$(cksum <f)" = "$(cat sum)"`
	kept := 0
	p.opts.OnStep = func(text string) {
		if !strings.HasPrefix(text, "mounting") {
			return
		}
		if _, err := p.repo.Remove(t.Context(), p.rev.Volume, nil, repository.RemoveOptions{Op: repository.OpRemove, All: true}); err != nil {
			t.Error(err)
		}
		collected, err := p.repo.CollectGarbage(t.Context(), repository.GCOptions{EmptyTrash: true})
		if err != nil {
			t.Error(err)
		}
		packs, err := filepath.Glob(p.at("repo/packs/*/*.pack"))
		if kept = len(packs); err != nil || kept == 0 {
			t.Errorf("gc took the packs from under the drill: %+v, %v", collected, err)
		}
	}
	comesTo(t, p.drill(), drill.Passed, "")
	if _, err := p.repo.CollectGarbage(t.Context(), repository.GCOptions{}); err != nil {
		t.Fatal(err)
	}
	if packs, err := filepath.Glob(p.at("repo/packs/*/*.pack")); err != nil || len(packs) != 0 || kept == 0 {
		t.Errorf("after the drill, gc leaves %d packs of %d, %v", len(packs), kept, err)
	}
}
