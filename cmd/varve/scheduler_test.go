package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve/scheduler"
)

// aboutScheduler is what a scheduler says, and who controls one.
func (b *bench) aboutScheduler() {
	const right = `timezone: Asia/Kolkata
defaults: {schedule: every 100d, keep: {last: 9}}
volumes: {timed: {source: DIR/disk}, never: {source: DIR/absent}}
maintenance: {prune: after-backup, gc: every 100d}
`
	b.write("varve/varve.yaml", right)
	b.t.Setenv("VARVE_REPO", b.path("scheduled"))
	defer b.t.Setenv("VARVE_REPO", b.path("repo"))
	b.does("init")
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
		b.calms()
		b.says("status-scheduled", 0, "status")
		b.write("varve/varve.yaml", strings.ReplaceAll(right, "source", "sauce"))
		b.says("scheduler-broken", 2, "scheduler reload")
		b.says("status-config-broken", 0, "status")
		b.says("check-broken", 2, "check")
		b.write("varve/varve.yaml", right)
	})
	b.says("status-scheduler-stopped", 0, "status")
	// The pause lasts, so that nothing is tried again by itself; and never stays a volume, so that what is known of it does.
	b.write("hang.yaml", `defaults: {schedule: every 100d}
volumes: {hung: {source: DIR/disk, hooks: {before: "echo >DIR/hangs; exec sleep 1000"}}, never: {source: DIR/absent}}
`)
	stop := startScheduler(b.t, "--config", b.path("hang.yaml"))
	b.does("scheduler run hung")
	b.awaits("hangs")
	b.says("status-scheduler-runs", 0, "status")
	b.says("scheduler-cancelled", 0, "scheduler cancel hung")
	b.calms()
	stop(syscall.SIGTERM)
	stop = startScheduler(b.t)
	stop(syscall.SIGKILL)
	b.says("status-scheduler-dead", 0, "status")
	b.says("check-scheduler-dead", 2, "check")
	b.whileScheduled(func() { // by one which says that the one before died
		b.says("scheduler-resumed", 0, "scheduler resume")
	})
	b.write("varve/varve.yaml", "timezone: Asia/Kolkata\n")
}

// awaits waits until there is a file with something in it.
func (b *bench) awaits(name string) {
	b.t.Helper()
	if err := awaitFile(b.path(name)); err != nil {
		b.t.Fatal(err)
	}
}

// calms waits until nothing runs.
func (b *bench) calms() {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, stdout, _ := typed("status", "--json")
		var d struct {
			Result struct {
				Running   []any
				Scheduler struct{ Running []any }
			}
		}
		if err := json.Unmarshal([]byte(stdout), &d); err != nil {
			b.t.Fatal(err)
		}
		if len(d.Result.Running)+len(d.Result.Scheduler.Running) == 0 {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("it runs still: %v", d.Result.Running)
		}
	}
}

// What a scheduler gives over HTTP is what varve metrics prints.
func TestMetricsOverHTTP(t *testing.T) {
	b := newBench(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String() // which is free for the moment
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b.disk("disk", 1<<20, 1)
	b.write("varve/varve.yaml", "defaults: {schedule: every 100d}\nvolumes: {timed: {source: DIR/disk}}\n")
	b.does("init")
	b.does("backup timed")
	stop := startScheduler(t)
	defer stop(syscall.SIGTERM)
	get := func(path string) (int, string) {
		answer, err := http.Get("http://" + address + path)
		if err != nil {
			return 0, ""
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	if code, _ := get("/metrics"); code != 0 {
		t.Errorf("without listen, it answers %d", code)
	}
	b.write("varve/varve.yaml", "defaults: {schedule: every 100d}\nvolumes: {timed: {source: DIR/disk}}\nmonitor: {listen: '"+address+"'}\n")
	b.does("scheduler reload")
	code, text := get("/metrics")
	_, printed, _ := typed("metrics")
	beat := regexp.MustCompile(`(varve_scheduler_heartbeat_timestamp_seconds|varve_repository_free_bytes) \d{9,}`)
	if beat.FindString(text) == "" {
		t.Errorf("there is no heartbeat in %s", text)
	}
	if got, want := beat.ReplaceAllString(text, "$1"), beat.ReplaceAllString(printed, "$1"); code != http.StatusOK || got != want {
		t.Errorf("it answers %d, %s\nand varve metrics prints %s", code, got, want)
	}
	if code, _ := get("/"); code != http.StatusNotFound {
		t.Errorf("elsewhere, it answers %d", code)
	}
}

// What a scheduler runs goes by the configuration that is in force, whatever the file says by now.
func TestSchedulerKeepsItsConfiguration(t *testing.T) {
	b := newBench(t)
	b.disk("disk", 1<<20, 1)
	configured := func(more string) string {
		return "repository: DIR/repo\ndefaults: {schedule: every 100d, hooks: {before: \"echo '" + more + "' >>DIR/said\"}}\nvolumes: {one: {source: DIR/disk}}\n"
	}
	b.write("varve/varve.yaml", configured("first"))
	b.does("init")
	t.Setenv("VARVE_REPO", "") // of which the configuration tells
	stop := startScheduler(t)
	defer stop(syscall.SIGTERM)
	revisions := 0
	runs := func(said string) {
		t.Helper()
		revisions++
		b.until("it is backed up", func(s realStatus) bool { return b.revisions("one") == revisions && len(s.Scheduler.Running) == 0 })
		if got := string(b.read("said")); got != said {
			t.Errorf("the hooks said %q, want %q", got, said)
		}
	}
	runs("first\n")
	b.write("varve/varve.yaml", configured("second")) // which nobody has asked it to read
	b.does("scheduler run one")
	runs("first\nfirst\n")
	b.write("varve/varve.yaml", "volumes: {one: {sauce: DIR/disk}}\n")
	if code, _, stderr := typed("scheduler", "reload"); code != 2 {
		t.Errorf("what is wrong is used: %d, %s", code, stderr)
	}
	b.does("scheduler run one")
	runs("first\nfirst\nfirst\n")
	if s := b.status(); len(s.Warnings) != 1 || s.Warnings[0].Kind != "config-broken" {
		t.Errorf("status warns of %v", s.Warnings)
	}
	if code, stdout, stderr := typed("check"); code != 1 || !strings.Contains(stdout, "config broken: ") {
		t.Errorf("check: %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := typed("metrics"); code != 0 || !strings.Contains(stdout, `kind="config-broken"`) || !strings.Contains(stdout, "varve_volume_promise_seconds{") {
		t.Errorf("metrics: %d, %s%s", code, stdout, stderr)
	}
	b.write("varve/varve.yaml", configured("third"))
	b.does("scheduler reload")
	b.does("scheduler run one")
	runs("first\nfirst\nfirst\nthird\n")
	if s := b.status(); len(s.Warnings) != 0 {
		t.Errorf("status warns of %v", s.Warnings)
	}
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
