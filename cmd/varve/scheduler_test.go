package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"varve/scheduler"
)

// aboutScheduler is what a scheduler says, and who controls one.
func (b *bench) aboutScheduler() {
	b.write("varve/varve.yaml", `timezone: Asia/Kolkata
defaults: {schedule: every 100d, keep: {last: 9}}
volumes: {timed: {source: DIR/disk}, never: {source: DIR/absent}}
maintenance: {prune: after-backup, gc: every 100d}
`)
	b.says("scheduler-none", 1, "scheduler reload")
	b.says("scheduler-usage", 2, "scheduler run")
	b.says("scheduler-once", 1, "scheduler --once")
	b.says("scheduler-once-nothing", 0, "scheduler --once")
	b.whileScheduled(func() {
		b.says("scheduler-once-taken", 4, "scheduler --once")
		b.says("scheduler-run", 0, "scheduler run timed")
		b.says("scheduler-paused", 0, "scheduler pause --for 2h")
		b.says("scheduler-reloaded", 0, "scheduler reload")
		b.says("scheduler-refused", 2, "scheduler cancel never")
	})
	b.write("varve/varve.yaml", "timezone: Asia/Kolkata\n")
}

// whileScheduled does something while a scheduler runs.
func (b *bench) whileScheduled(do func()) {
	b.t.Helper()
	stop := startScheduler(b.t)
	do()
	stop(syscall.SIGTERM)
}

// startScheduler starts a scheduler, waits until it answers, and gives what ends it.
func startScheduler(t *testing.T, words ...string) (stop func(syscall.Signal)) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{"varve", "scheduler", "--quiet"}, words...)
	cmd.Stderr = os.Stderr
	if testing.Verbose() {
		cmd.Stderr = os.Stdout
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := func() bool {
		dirs, err := filepath.Glob(filepath.Join(os.Getenv("VARVE_STATE"), "*", "scheduler"))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range dirs {
			if a, err := scheduler.Ask(t.Context(), dir, scheduler.Request{Do: scheduler.AskStatus}); err == nil && a.Status.Slots > 0 {
				return true
			}
		}
		return false
	}
	for end := time.Now().Add(30 * time.Second); !answers(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			_ = cmd.Process.Kill()
			t.Fatal("the scheduler does not answer")
		}
	}
	return func(sig syscall.Signal) {
		_ = cmd.Process.Signal(sig)
		if err := cmd.Wait(); err != nil && sig != syscall.SIGKILL {
			t.Errorf("the scheduler ended: %v", err)
		}
	}
}
