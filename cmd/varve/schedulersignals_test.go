package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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

// That a backup failed while the repository was away is in the journal once it is there again.
func TestSchedulerKeepsWhatTheJournalLacks(t *testing.T) {
	b := newBench(t)
	b.disk("disk", 1<<20, 1)
	b.write("varve/varve.yaml", "repository: DIR/repo\ndefaults: {schedule: every 100d}\nvolumes: {one: {source: DIR/disk}}\n")
	b.does("init")
	b.does("backup one")
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
