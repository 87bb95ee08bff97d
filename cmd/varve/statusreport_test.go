package main

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/status"
)

// retold is what a scheduler was asked for, as it comes to who asked.
func retold[T any](t *testing.T, said *T) *T {
	t.Helper()
	data, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	heard := new(T)
	if err := json.Unmarshal(data, heard); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(heard)
	if err != nil || string(again) != string(data) {
		t.Errorf("what was said:\n%s\nand what was heard, %v:\n%s", data, err, again)
	}
	return heard
}

// What a volume is said to be loses nothing on its way from the scheduler.
func TestRetold(t *testing.T) {
	t.Parallel()
	begun := statusNow.Add(-time.Hour)
	st := &revision.Statement{
		ID: "20261124T021207Z-k3f9", Sequence: 7, Kind: revision.Delta, Begun: begun, Ended: begun.Add(time.Minute), Size: 1 << 30,
		Parent: &revision.Parent{ID: "20261123T021207Z-aaaa"}, Source: revision.Source{Path: "/dev/x"}, Set: "some",
	}
	for name, info := range map[string]repository.Info{
		"plain":   {State: repository.Good},
		"pinned":  {State: repository.Proven, Proven: begun, Pin: &revision.Pin{Until: statusNow, Reason: "why"}, Tags: []string{"a"}, Note: "n"},
		"for all": {State: repository.Suspect, Reason: "r", Pin: &revision.Pin{}, Lost: []repository.Extent{{Offset: 1, Length: 2}}},
	} {
		for _, statement := range []*revision.Statement{st, nil} {
			rev := repository.Revision{Volume: repository.Volume{Name: "db1"}, ID: st.ID, Statement: statement, Info: info}
			summary := repository.Summary{Volume: rev.Volume, Newest: &rev, Revisions: 3, Drill: &repository.LastDrill{Revision: st.ID, Drill: repository.Drill{Time: begun, Outcome: "passed", Rate: 5}}}
			in := status.Input{
				Now: statusNow, Volumes: []repository.Summary{summary},
				Running: []repository.Running{{Volume: "db1", Done: 1, Total: 2, Holder: repository.Holder{Command: "backup", PID: 3, Since: begun}}},
				Events:  []repository.Event{{Op: repository.OpBackup, Volume: "db1", Result: repository.ResultFailed, Error: "no", Time: begun}},
			}
			if statement == nil {
				in.Volumes[0].Newest, in.Running = nil, nil
			}
			said := newOne(&status.Volume{Name: "db1", Summary: &in.Volumes[0], Promise: time.Hour, Due: statusNow}, in)
			if statement == nil {
				e := newEntry(rev)
				said.Newest = &e
			}
			said.Schedule = "daily"
			ours, theirs := &page{now: statusNow}, &page{now: statusNow}
			said.print(ours)
			retold(t, said).print(theirs)
			if ours.text.String() != theirs.text.String() {
				t.Errorf("%s, said:\n%sheard:\n%s", name, ours.text.String(), theirs.text.String())
			}
		}
	}
}

// Who asks the scheduler hears what he would have read; and reads where it goes by something else.
func TestStatusIsAsked(t *testing.T) {
	b := newBench(t)
	b.disk("disk", 1<<20, 1)
	if err := os.Mkdir(b.path("many"), 0o750); err != nil {
		t.Fatal(err)
	}
	b.disk("many/one", 1<<20, 2)
	const right = `repository: DIR/repo
defaults: {schedule: every 100d, keep: {last: 2}}
volumes: {one: {source: DIR/disk}, many/*: {source: DIR/many/*}, never: {source: DIR/absent}}
`
	b.write("varve/varve.yaml", right)
	b.does("init")
	b.does("backup one")
	b.does("pin one@latest --reason why")
	b.does("retire one") // and tried again by nobody
	stop := startScheduler(t)
	defer stop(syscall.SIGTERM)
	b.until("all was tried", func(s realStatus) bool {
		return s.Good == 1 && len(s.Scheduler.Running) == 0 && len(s.Scheduler.Failing) == 1
	})
	status := func(words ...string) (exit int, result map[string]any, asked bool) {
		t.Helper()
		exit, stdout, stderr := typed(append([]string{"status", "--json", "-v"}, words...)...)
		var d struct{ Result map[string]any }
		if err := json.Unmarshal([]byte(stdout), &d); err != nil {
			t.Fatalf("%v: %s", err, stdout)
		}
		return exit, d.Result, strings.Contains(stderr, "the scheduler says")
	}
	text := func(result map[string]any) string {
		if is, _ := result["scheduler"].(map[string]any); is != nil {
			delete(is, "heartbeat")
		}
		delete(result["repository"].(map[string]any), "free")
		data, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	exit, heard, asked := status()
	if exit != 0 || !asked {
		t.Errorf("the scheduler was not asked: %d", exit)
	}
	b.write("varve/varve.yaml", right+"# it is not the same any more\n")
	exit, read, asked := status()
	if exit != 0 || asked {
		t.Errorf("it goes by another configuration, and was asked: %d", exit)
	}
	if text(heard) != text(read) {
		t.Errorf("heard:\n%s\nread:\n%s", text(heard), text(read))
	}
	b.does("scheduler reload")
	b.until("the scheduler has looked at what is configured now", func(realStatus) bool {
		_, one, asked := status("one")
		return asked && one["state"] == "retired"
	})
	if exit, none, _ := status("none"); exit != 2 || none != nil {
		t.Errorf("no volume: %d, %v", exit, none)
	}
	if err := os.Remove(b.path("many/one")); err != nil {
		t.Fatal(err)
	}
	b.does("scheduler reload")
	b.until("it is seen that a source is gone", func(realStatus) bool {
		_, result, asked := status()
		return !asked && strings.Contains(text(result), "not-found")
	})
}
