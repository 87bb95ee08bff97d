package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// aboutDrills is about drills, in a repository of its own.
func (b *bench) aboutDrills() {
	b.does("init DIR/drills --chunk-size 64K")
	b.says("drill-none", 2, "drill -r DIR/drills")
	b.write("zeros", strings.Repeat("\x00", 1<<20))
	b.does("backup zeros DIR/zeros -r DIR/drills")
	if err := os.Rename(newExt4(b.t, map[string]string{"etc/fstab": "none"}), b.path("drilled")); err != nil {
		b.t.Fatal(err)
	}
	b.does("backup a DIR/drilled -r DIR/drills --tag good")
	b.says("drill-usage", 2, "drill a --exec-timeout 5m -r DIR/drills")
	b.says("drill-failed", 1, "drill a --overlay DIR/nowhere -r DIR/drills")
	b.says("status-undrilled", 0, "status -r DIR/drills")
	b.says("drill-not-applicable", 0, "drill zeros -r DIR/drills")
	b.says("drill-done", 0, "drill a@tag:good -r DIR/drills")
	b.says("show-drilled", 0, "show a -r DIR/drills")
	b.says("status-drilled", 0, "status -r DIR/drills")
	b.says("drill-command", 3, "drill a --exec false -r DIR/drills")
	b.says("drill-several", 1, "drill z* none a* -r DIR/drills")
	b.change("drilled", 1024, "0123456789abcdef")
	b.does("backup a -r DIR/drills")
	b.says("drill-findings", 3, "drill a -r DIR/drills")
	b.says("status-volume-drilled", 0, "status a -r DIR/drills")
}

// drilledBy types a drill, and tells of each volume how it ended, in the order in which they were drilled: "a:0 b:3".
func drilledBy(t *testing.T, words ...string) (code int, ended string) {
	t.Helper()
	code, stdout, stderr := typed(append([]string{"drill", "--json"}, words...)...)
	var d struct {
		Result *struct {
			Drills []struct {
				Volume string
				Exit   int
			}
		}
	}
	if err := json.Unmarshal([]byte(stdout), &d); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if d.Result == nil {
		return code, ""
	}
	var all []string
	for _, one := range d.Result.Drills {
		all = append(all, one.Volume+":"+strconv.Itoa(one.Exit))
	}
	return code, strings.Join(all, " ")
}

// TestDrillSeveral has patterns, names and nothing say what is drilled, in which order, and how all of it ends.
func TestDrillSeveral(t *testing.T) {
	b := newBench(t)
	b.does("init DIR/repo")
	for _, name := range []string{"vms/a", "vms/b", "c"} {
		backUpExt4(t, b.path("repo"), name, map[string]string{"f": name})
	}
	mustType(t, "tag", "vms/a@latest", "--add", "t")
	b.write("zeros", strings.Repeat("\x00", 1<<20))
	mustType(t, "backup", "gone", b.path("zeros"))
	mustType(t, "retire", "gone")
	for _, test := range []struct {
		words []string
		code  int
		ended string
	}{
		{nil, 0, "c:0 vms/a:0 vms/b:0"},
		{[]string{"vms/a", "vms/a@latest", "none"}, 1, "vms/a:0 none:2"},
		{[]string{"vms/*"}, 0, "vms/b:0 vms/a:0"}, // the longest ago is first
		{[]string{"*", "gone"}, 0, "gone:0 c:0"},
		{[]string{"vms/*@tag:t"}, 1, "vms/b:2 vms/a:0"},
		{[]string{"x*"}, 2, ""},
		{[]string{"vms/*@"}, 2, ""},
		{[]string{"vms/a@@"}, 2, ""},
		{[]string{"c", "vms/*", "--exec", `test "$VARVE_VOLUME" != vms/b`}, 3, "c:0 vms/b:3 vms/a:0"},
		{[]string{"c", "vms/*", "none", "--exec", "sleep 1000000", "--exec-timeout", "1s"}, 3, "c:3 vms/b:3 vms/a:3 none:2"},
	} {
		code, ended := drilledBy(t, test.words...)
		if code != test.code || ended != test.ended {
			t.Errorf("%q: exit code %d, %s; want %d, %s", test.words, code, ended, test.code, test.ended)
		}
	}
}

// TestDrillIsNoted: status, show, history, check and metrics tell what the last drill came to.
func TestDrillIsNoted(t *testing.T) {
	b := newBench(t)
	b.does("init DIR/repo")
	backUpExt4(t, b.path("repo"), "db1", map[string]string{"f": "text"})
	tell := func(words, want string) {
		t.Helper()
		if _, stdout, stderr := typed(strings.Fields(words)...); !strings.Contains(stdout, want) {
			t.Errorf("%s does not say %q:\n%s%s", words, want, stdout, stderr)
		}
	}
	if _, stdout, _ := typed("status"); strings.Contains(stdout, "drill") {
		t.Errorf("status tells of drills before the first:\n%s", stdout)
	}
	mustType(t, "drill", "db1")
	tell("status", "drills      1 of 1 passed within 7 days; restores would take 1s")
	tell("show db1", "passed, 0s ago, restore would take 1s")
	tell("status db1", "passed, 0s ago, restore would take 1s")
	tell("history", "passed, restore would take 1s")
	tell("metrics", "varve_volume_last_drill_success{volume=\"db1\"} 1")
	tell("metrics", "varve_volume_last_drill_timestamp_seconds{volume=\"db1\"} ")
	tell("check", "VARVE OK")
	if code, _, stderr := typed("drill", "db1", "--exec", "echo the cause; exit 9"); code != exitDamage || !strings.Contains(stderr, "the command failed (exit code 9)") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	tell("status", "drills      0 of 1 passed within 7 days")
	tell("status", "drill failed  db1")
	tell("show db1", ": the command failed (exit code 9)")
	tell("metrics", "varve_volume_last_drill_success{volume=\"db1\"} 0")
	tell("check", "VARVE WARNING")
	if code, _, stderr := typed("drill", "db1", "--overlay", b.path("none")); code != exitFailed {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	tell("show db1", ": the command failed (exit code 9)") // what could not be done takes nothing from it
	tell("history", "failed")
	mustType(t, "drill", "db1")
	tell("status", "SAFE: the volume is as safe as was promised")
}

// TestDamagedRevisionsAreNotDrilled: what is known to be lost needs no drill.
func TestDamagedRevisionsAreNotDrilled(t *testing.T) {
	b := newBench(t)
	b.does("init DIR/repo --compression none")
	backUpExt4(t, b.path("repo"), "v", map[string]string{"f": "text", "big": strings.Repeat("0123456789abcdef", 100_000)})
	b.hurtIn("repo", "0123456789abcdef")
	code, stdout, stderr := typed("drill", "v", "--color", "never")
	if code != exitDamage || !strings.Contains(stdout, "FAILED") || !strings.Contains(stderr, "stored data is damaged") || !strings.Contains(stderr, "varve scrub v --repair-from-source") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if code, _, _ := typed("verify", "v"); code != exitDamage {
		t.Errorf("verify ends with %d", code)
	}
	if code, _, stderr := typed("drill", "v"); code != exitDamage || !strings.Contains(stderr, "is damaged") || strings.Contains(stderr, "keep-going") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// TestDrillNeedsRoot: others are told so, and that it could not be done.
func TestDrillNeedsRoot(t *testing.T) {
	b := newBench(t)
	b.does("init DIR/repo")
	backUpExt4(t, b.path("repo"), "v", map[string]string{"f": "text"})
	cmd := asVarve("-r", b.path("repo"), "drill", "v")
	const override, search = 1, 2 // CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: []uintptr{override, search}}
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(string(out), "only root") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// TestInterruptedDrill interrupts a drill whose command does not end: it says so, is in the journal, and nothing stays.
func TestInterruptedDrill(t *testing.T) {
	b := newBench(t)
	b.does("init DIR/repo")
	backUpExt4(t, b.path("repo"), "v", map[string]string{"f": "text"})
	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		cmd := asVarve("-r", b.path("repo"), "drill", "v", "--exec", "setsid sleep 1000003 & sleep 1000003")
		out, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 0, 1<<16)
		for !strings.Contains(string(text), "running the command") {
			n, err := out.Read(text[len(text):cap(text)])
			if text = text[:len(text)+n]; err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		for err == nil {
			var n int
			n, err = out.Read(text[len(text):cap(text)])
			text = text[:len(text)+n]
		}
		_ = cmd.Wait() // it was interrupted
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Errorf("%v: exit code %d\n%s", signal, code, text)
		}
		if left, err := exec.Command("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'sleep 100000[3]'").Output(); err == nil {
			t.Errorf("%v: left behind: %s", signal, left)
		}
		if leases, err := os.ReadDir(b.path("repo/locks/leases")); err != nil || len(leases) > 0 {
			t.Errorf("%v: leases left: %v, %v", signal, leases, err)
		}
		if _, stdout, _ := typed("history"); !strings.Contains(stdout, "interrupted by "+map[syscall.Signal]string{syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM"}[signal]) {
			t.Errorf("the journal does not have it:\n%s", stdout)
		}
	}
}
