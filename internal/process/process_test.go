package process_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve/internal/process"
)

// A process is known by its number and by when it was begun, whatever its program is
// called: here like what the kernel says after that.
func TestProcess(t *testing.T) {
	t.Parallel()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("there is no sleep")
	}
	odd := filepath.Join(t.TempDir(), "x) Z 1 (y")
	if err := os.Symlink(sleep, odd); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(odd, "1000000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	session, err := unix.Getsid(pid)
	if err != nil {
		t.Fatal(err)
	}
	now, yesterday := time.Now(), time.Now().AddDate(0, 0, -1)
	is := func(when string, since time.Time, runs, inSession bool) {
		t.Helper()
		i := process.Identity{PID: pid, Since: since}
		if got := i.Runs(); got != runs {
			t.Errorf("%s: since %v, it runs: %t", when, since, got)
		}
		pids, err := process.InSession(session)
		if got := slices.Contains(pids, pid); err != nil || got != inSession {
			t.Errorf("%s: in its session: %t, %v", when, got, err)
		}
		if slices.Contains(pids, session) {
			t.Errorf("%s: the leader of the session is one of %d", when, pids)
		}
	}
	is("at work", now, true, true)
	is("at work, with the number of another", yesterday, false, true)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	is("dead, and nobody looked", now, true, false)
	if cmd.Wait() == nil {
		t.Error("it was not killed")
	}
	is("gone", now, false, false)
}

func TestOwn(t *testing.T) {
	t.Parallel()
	me := process.Own("backup")
	host, err := os.Hostname()
	if err != nil || me.PID != os.Getpid() || me.Host != host || me.Command != "backup" || me.User == "" || !me.Runs() {
		t.Errorf("this process is %+v, %v", me, err)
	}
	if process.Own("").Command == "" {
		t.Error("a process of which nobody says what it does has no name")
	}
	if boot := process.Boot(); len(boot) != len("6fd5e0a8-5a5c-4bd0-a8b5-0e9d0c0d3a3b") {
		t.Errorf("this boot is %q", boot)
	}
}

// This program is started anew as itself, under whichever of its names.
func TestSelf(t *testing.T) {
	t.Parallel()
	me, err := os.Stat("/proc/self/exe")
	if err != nil {
		t.Skip("needs a kernel with /proc/self/exe")
	}
	for _, path := range []string{process.Self(), process.SelfByName()} {
		if is, err := os.Stat(path); err != nil || !os.SameFile(is, me) {
			t.Errorf("%s is not this program: %v", path, err)
		}
	}
	if filepath.Base(process.SelfByName()) == "exe" {
		t.Errorf("lists of processes would show %s", process.SelfByName())
	}
}
