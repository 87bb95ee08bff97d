package repository_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"varve/repository"
)

// A backup is seen while it runs, and how far it is; and not any more when it has ended.
func TestRunningShowsABackup(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	looker := p.open()
	before := time.Now()
	b, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "vms/vm-1"})
	if err != nil {
		t.Fatal(err)
	}
	running, err := looker.Running()
	if err != nil || len(running) != 1 || running[0].Volume != "vms/vm-1" || running[0].Total != 0 || running[0].Holder.PID != os.Getpid() {
		t.Errorf("at its beginning: %+v, %v", running, err)
	}
	for _, done := range []int64{1 << 40, 7, 1<<63 - 1} {
		if err := b.Progress(done, 1<<63-1); err != nil {
			t.Fatal(err)
		}
		running, err = looker.Running()
		if err != nil || len(running) != 1 || running[0].Done != done || running[0].Total != 1<<63-1 || running[0].Heard.Before(before.Add(-time.Minute)) {
			t.Errorf("%d bytes on: %+v, %v", done, running, err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if running, err = looker.Running(); err != nil || len(running) != 0 {
		t.Errorf("when it has ended: %+v, %v", running, err)
	}
}

// What the dead left is not running, nor is what cannot be read.
func TestRunningPassesTheDeadOver(t *testing.T) {
	t.Parallel()
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip("this kernel does not tell one boot from another: ", err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	now, here := time.Now(), string(boot[:len(boot)-1])
	for name, c := range map[string]struct {
		host, boot string
		pid        int
		since      time.Time
		heard      time.Time
		runs       bool
	}{
		"this process":                    {host, here, os.Getpid(), now, now, true},
		"this process, silent":            {host, here, os.Getpid(), now, now.Add(-time.Hour), true},
		"a process that is gone":          {host, here, gone.Process.Pid, now, now, false},
		"the number was given again":      {host, here, os.Getpid(), now.Add(-24 * time.Hour), now, false},
		"before the host was booted":      {host, "another", os.Getpid(), now, now, false},
		"on another host":                 {"elsewhere", "another", 1, now, now, true},
		"on another host, long not heard": {"elsewhere", "another", 1, now, now.Add(-time.Hour), false},
	} {
		p := newPlace(t)
		data, err := json.Marshal(map[string]any{
			"gen": 0, "kind": "backup", "boot": c.boot, "volume": "db", "run": "",
			"holder": repository.Holder{Command: "backup", Host: c.host, PID: c.pid, Since: c.since},
		})
		if err != nil {
			t.Fatal(err)
		}
		sum := xxh3.Hash128(data).Bytes()
		p.write("locks/leases/0011.json", fmt.Appendf(nil, "{\"sum\":\"%x\",\"data\":%s}\n%16x %16x\n", sum, data, 5, 10))
		if err := os.Chtimes(p.path("locks/leases/0011.json"), c.heard, c.heard); err != nil {
			t.Fatal(err)
		}
		running, err := p.open().Running()
		if err != nil || (len(running) == 1) != c.runs || c.runs && (running[0].Done != 5 || running[0].Total != 10) {
			t.Errorf("%s: %+v, %v", name, running, err)
		}
		for _, torn := range []string{"", "{", "no lease", "{\"sum\":\"\"}\n"} {
			p.write("locks/leases/0011.json", []byte(torn))
			if running, err := p.open().Running(); err != nil || len(running) != 0 {
				t.Errorf("of %q: %+v, %v", torn, running, err)
			}
		}
	}
}
