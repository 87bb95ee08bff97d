package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A real scheduler has twenty volumes: one whose hook hangs, one that fails, one that grows,
// and a set. It is killed in the middle, twice, and started again: nothing is forgotten or
// done twice, nothing of what died goes on, and what hangs holds up none of the others.
func TestSchedulerIsKilled(t *testing.T) {
	b := newBench(t)
	var volumes strings.Builder
	for i := range 17 {
		b.disk(fmt.Sprint("disk", i), 2<<20, byte(i))
		fmt.Fprintf(&volumes, "  v%d: {source: DIR/disk%d, priority: %d}\n", i, i, i%3)
	}
	b.disk("grows", 1<<20, 99)
	b.write("varve/varve.yaml", `limits: {jobs: 2}
defaults: {schedule: every 100d, keep: {last: 9}}
volumes:
`+volumes.String()+`  hangs: {source: DIR/grows, priority: 9, hooks: {before: "echo $$ >>DIR/hung; exec sleep 1000"}}
  fails: {source: DIR/absent, priority: 5}
  grows: {source: DIR/grows}
sets: {shop: {volumes: [v0, v1], consistent: no}}
maintenance: {prune: after-backup}
`)
	b.does("init --chunk-size 64K")
	for good := range 2 {
		stop := startScheduler(t)
		b.until("some are backed up", func(s realStatus) bool { return s.Good > 3+good*5 })
		stop(syscall.SIGKILL)
		b.until("what ran has ended", func(s realStatus) bool { return len(s.Running) == 0 })
		if s := b.status(); s.Scheduler.State != "dead" || s.Trouble[0].Kind != "scheduler-dead" {
			t.Errorf("after it was killed, status says %+v", s)
		}
	}
	b.until("the hooks of runs that died have ended, too", func(realStatus) bool { // a run that is at its hooks has no lease yet
		return !slices.ContainsFunc(strings.Fields(string(b.read("hung"))), func(pid string) bool {
			_, err := os.Stat("/proc/" + pid)
			return err == nil
		})
	})
	stop := startScheduler(t)
	b.until("it answers", func(s realStatus) bool { return s.Scheduler.State == "up" })
	_, _, _ = typed("scheduler", "run", "hangs") // unless it runs already; as one that failed, it would wait
	b.until("all that can be is backed up, and one hangs", func(s realStatus) bool {
		return s.Good == 18 && len(s.Scheduler.Running) == 1 && s.Scheduler.Running[0].Name == "hangs"
	})
	if s := b.status(); !slices.ContainsFunc(s.Scheduler.Failing, func(f struct{ Name string }) bool { return f.Name == "fails" }) {
		t.Errorf("status says %+v", s)
	}
	b.change("grows", 3<<20, "it grew")
	b.does("scheduler run grows")
	b.until("what grew is backed up again", func(realStatus) bool { return b.revisions("grows") == 2 })
	b.does("scheduler cancel hangs")
	b.until("it is called off, and others have pruned", func(s realStatus) bool { return len(s.Running)+len(s.Scheduler.Running) == 0 })
	stop(syscall.SIGTERM)
	for i := range 17 {
		if n := b.revisions(fmt.Sprint("v", i)); n != 1 {
			t.Errorf("v%d has %d revisions", i, n)
		}
	}
	if b.revisions("hangs")+b.revisions("fails") != 0 {
		t.Error("what hangs or fails has a revision")
	}
	b.does("verify grows")
	b.does("verify v16")
}

// realStatus is what varve status says, as far as it is of interest.
type realStatus struct {
	Good      int `json:"good_count"`
	Trouble   []struct{ Kind string }
	Warnings  []struct{ Kind string }
	Running   []any
	Scheduler struct {
		State   string
		PID     int
		Running []struct{ Name string }
		Failing []struct{ Name string }
	}
}

func (b *bench) status() realStatus {
	b.t.Helper()
	_, stdout, stderr := typed("status", "--json")
	var d struct{ Result realStatus }
	if err := json.Unmarshal([]byte(stdout), &d); err != nil {
		b.t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	return d.Result
}

// until waits until status says something.
func (b *bench) until(what string, is func(realStatus) bool) {
	b.t.Helper()
	var s realStatus
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if s = b.status(); is(s) {
			return
		}
	}
	b.t.Fatalf("%s: not within a minute: %+v", what, s)
}

func (b *bench) revisions(name string) int {
	code, stdout, _ := typed("log", name, "--json", "-r", b.path("repo"))
	var d struct{ Result struct{ Revisions []any } }
	if code != 0 || json.Unmarshal([]byte(stdout), &d) != nil {
		return 0
	}
	return len(d.Result.Revisions)
}

func (b *bench) read(name string) []byte {
	b.t.Helper()
	data, err := os.ReadFile(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	return data
}
