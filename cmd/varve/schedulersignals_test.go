package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve/scheduler"
)

// SIGHUP has a scheduler read its configuration anew. After SIGTERM, what runs goes on for a
// while; a second one ends all at once.
func TestSchedulerIsSignalled(t *testing.T) {
	b := newBench(t)
	b.disk("disk", 1<<20, 1)
	b.write("varve/varve.yaml", "repository: DIR/repo\ndefaults: {schedule: every 100d}\nvolumes: {one: {source: DIR/disk}}\n")
	b.does("init")
	said, err := os.Create(b.path("said"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = said.Close() }()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.Stdout, cmd.Stderr = []string{"varve", "scheduler"}, said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.until("it backed up one", func(s realStatus) bool { return s.Good == 1 && len(s.Scheduler.Running) == 0 })
	b.write("varve/varve.yaml", `repository: DIR/repo
defaults: {schedule: every 100d}
volumes: {one: {source: DIR/disk}, two: {source: DIR/disk, hooks: {before: "echo >DIR/hangs; exec sleep 1000"}}}
`)
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	b.awaits("hangs") // two is there, and due at once
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !strings.Contains(string(b.read("said")), "the scheduler ends"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not say that it ends")
		}
	}
	if s := b.status(); len(s.Scheduler.Running) != 1 || s.Scheduler.Running[0].Name != "two" {
		t.Errorf("after SIGTERM, status says %+v", s.Scheduler)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("after the second SIGTERM, it ended with %v", err)
	}
	b.until("what ran has ended", func(s realStatus) bool { return len(s.Running) == 0 && s.Scheduler.State == "dead" })
}

// Where no limit is said, one that hangs does not hold up the others.
func TestSchedulerIsNotHeldUp(t *testing.T) {
	b := newBench(t)
	b.disk("disk", 1<<20, 1)
	const one = `repository: DIR/repo
defaults: {schedule: every 100d}
volumes:
  one: {source: DIR/disk, hooks: {before: "echo >DIR/hangs; exec sleep 1000"}}
`
	b.write("varve/varve.yaml", one)
	b.does("init")
	stop := startScheduler(t)
	b.awaits("hangs")
	b.write("varve/varve.yaml", one+"  two: {source: DIR/disk}\n")
	b.does("scheduler reload")
	b.until("two is backed up", func(s realStatus) bool { return s.Good == 1 })
	b.does("scheduler cancel one")
	stop(syscall.SIGTERM)
}

// A pause outlives its scheduler, is told of, and can be ended without one.
func TestPauseWithoutScheduler(t *testing.T) {
	b := newBench(t)
	b.disk("disk", 1<<20, 1)
	b.write("varve/varve.yaml", "repository: DIR/repo\ndefaults: {schedule: every 100d}\nvolumes: {one: {source: DIR/disk}}\n")
	b.does("init")
	if code, _, said := typed("scheduler", "resume"); code != exitFailed || !strings.Contains(said, "no scheduler runs") {
		t.Errorf("without a pause: exit code %d, %q", code, said)
	}
	stop := startScheduler(t)
	b.does("scheduler pause --for 2h")
	stop(syscall.SIGTERM)
	made := b.revisions("one") // there may have been time for it
	b.write("varve/varve.yaml", "repository: DIR/repo\ndefaults: {schedule: every 100d}\nvolumes: {one: {source: DIR/disk}, two: {source: DIR/disk}}\n")
	for _, c := range []struct{ words, says string }{
		{"status", "stopped since .*, PAUSED until "},
		{"scheduler --once", "nothing is begun until .* varve scheduler resume ends it"},
	} {
		if _, out, said := typed(strings.Fields(c.words)...); !regexp.MustCompile(c.says).MatchString(out + said) {
			t.Errorf("%s says %q, want %q", c.words, out+said, c.says)
		}
	}
	b.does("scheduler resume")
	b.does("scheduler --once")
	if one, two := b.revisions("one"), b.revisions("two"); one != max(1, made) || two != 1 {
		t.Errorf("after the pause there are %d and %d revisions", one, two)
	}
}

// That a backup failed while the repository was away is in the journal once it is there again.
func TestSchedulerKeepsWhatTheJournalLacks(t *testing.T) {
	b := newBench(t)
	b.disk("disk", 1<<20, 1)
	b.write("varve/varve.yaml", "repository: DIR/repo\ndefaults: {schedule: every 100d}\nvolumes: {one: {source: DIR/disk}, old: {source: DIR/disk}}\n")
	b.does("init")
	b.does("backup one")
	b.does("backup old")
	b.does("retire old")
	stop := startScheduler(t)
	dirs, err := filepath.Glob(b.path("state/*/scheduler"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("%q, %v", dirs, err)
	}
	ask := func(r scheduler.Request) *scheduler.Status {
		t.Helper()
		a, err := scheduler.Ask(t.Context(), dirs[0], r)
		if err != nil {
			t.Fatal(err)
		}
		return a.Status
	}
	until := func(what string, is func(*scheduler.Status) bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !is(ask(scheduler.Request{Do: scheduler.AskStatus})); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what + ": not within a minute")
			}
		}
	}
	b.move("repo", "away")
	ask(scheduler.Request{Do: scheduler.AskReload}) // which has it look
	until("it is blind", func(s *scheduler.Status) bool { return s.Blind != "" })
	if n := ask(scheduler.Request{Do: scheduler.AskStatus}).Tasks; n != 1 {
		t.Errorf("there are %d tasks: what was retired is not to be backed up, whether or not that can be seen", n)
	}
	ask(scheduler.Request{Do: scheduler.AskRun, Names: []string{"one"}})
	until("the backup has failed", func(s *scheduler.Status) bool { return len(s.Failing) == 1 })
	stop(syscall.SIGTERM)
	b.move("away", "repo")
	b.does("backup one")
	code, stdout, stderr := typed("history", "--result", "failed")
	if code != 0 || !strings.Contains(stdout, "when the journal could not be written") {
		t.Errorf("history: %d, %s%s", code, stdout, stderr)
	}
}

// In each state of a scheduler, status, check and metrics say the same.
func TestSchedulerStates(t *testing.T) {
	b := newBench(t)
	b.disk("disk", 1<<20, 1)
	const right = "repository: DIR/repo\ndefaults: {schedule: every 100d}\nvolumes: {one: {source: DIR/disk}}\n"
	b.write("varve/varve.yaml", right)
	b.does("init")
	b.does("backup one")
	var stop func(syscall.Signal)
	signal := func(sig syscall.Signal) func() {
		return func() {
			if err := syscall.Kill(b.status().Scheduler.PID, sig); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name  string
		comes func()
		state string // of the scheduler; empty: there is none
		kind  string // of the only case; empty: all is well
		code  int    // of check
	}{
		{"there never was one", func() {}, "", "", 0},
		{"it runs", func() { stop = startScheduler(t) }, "up", "", 0},
		{"it is paused", func() { b.does("scheduler pause --for 1h") }, "up", "", 0},
		{"its configuration is wrong", func() { b.write("varve/varve.yaml", "volumes: [one]\n") }, "up", "config-broken", 1},
		{"and right again", func() { b.write("varve/varve.yaml", right) }, "up", "", 0},
		{"it does not answer", signal(syscall.SIGSTOP), "silent", "scheduler-silent", 2},
		{"it answers again", signal(syscall.SIGCONT), "up", "", 0},
		{"it was killed", func() { stop(syscall.SIGKILL) }, "dead", "scheduler-dead", 2},
		{"another one runs", func() { stop = startScheduler(t) }, "up", "", 0},
		{"it was stopped", func() { stop(syscall.SIGTERM) }, "stopped", "scheduler-stopped", 1},
	} {
		c.comes()
		s := b.status()
		kinds := ""
		for _, one := range slices.Concat(s.Trouble, s.Warnings) {
			kinds += one.Kind
		}
		if s.Scheduler.State != c.state || kinds != c.kind {
			t.Errorf("%s: status says %+v", c.name, s)
		}
		if code, stdout, stderr := typed("check"); code != c.code || !strings.Contains(stdout, strings.ReplaceAll(c.kind, "-", " ")) {
			t.Errorf("%s: check ends with %d: %s%s", c.name, code, stdout, stderr)
		}
		code, stdout, stderr := typed("metrics")
		has := strings.Contains(stdout, `kind="`+c.kind+`"`)
		beats := strings.Contains(stdout, "varve_scheduler_heartbeat_timestamp_seconds 1")
		if code != 0 || has != (c.kind != "") || strings.Count(stdout, "kind=") > 1 || beats != (c.state != "") {
			t.Errorf("%s: metrics are %s%s", c.name, stdout, stderr)
		}
	}
}

// A run of a scheduler that is told to end more than once ends its hooks all the same: the threads of a scheduler that is
// killed each say so.
func TestRunIsToldToEndTwice(t *testing.T) {
	b := newBench(t)
	b.disk("disk", 1<<20, 1)
	b.write("varve/varve.yaml", "repository: DIR/repo\nvolumes: {one: {source: DIR/disk, hooks: {before: 'trap \"echo >DIR/asked; sleep 0.3; exit\" TERM; echo $$ >DIR/hangs; sleep 1000 & wait'}}}\n")
	b.does("init")
	t.Setenv(toldByScheduler, "1")
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"varve", "backup", "one"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.awaits("hangs")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	b.awaits("asked")
	_ = cmd.Process.Signal(syscall.SIGTERM) // an error: it has ended
	err := cmd.Wait()
	group, aerr := strconv.Atoi(strings.TrimSpace(string(b.read("hangs"))))
	if aerr != nil {
		t.Fatal(aerr)
	}
	if kerr := syscall.Kill(-group, 0); !errors.Is(kerr, syscall.ESRCH) || cmd.ProcessState.ExitCode() != 128+int(syscall.SIGTERM) {
		t.Errorf("it ended with %v, and its hook is there: %v", err, kerr == nil)
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}
