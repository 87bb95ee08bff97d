package repository_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
)

// Whatever call fails, what was to be recorded gets into the journal with the next line,
// before it, and once.
func TestWhatTheJournalLacks(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS} {
		p := newPlace(t)
		recorded := 0
		for step := 0; ; step++ {
			faulty := durabletest.NewFaulty(p.tree(), durabletest.Fault{Step: step, Err: failure, ForGood: true, Short: true})
			r, err := repository.Open(faulty, repository.Options{StateDir: p.state})
			if err != nil {
				continue
			}
			recorded++
			e := event(recorded, time.Time{})
			e.Op, e.Result = repository.OpBackup, repository.ResultFailed
			err = r.Record(t.Context(), e)
			if faulty.Fired() == "" {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			recorded++
			p.record(p.open(), event(recorded, time.Time{}))
			events, err := p.open().Events()
			if err != nil || len(events) != recorded {
				t.Fatalf("%s: %d events, want %d", faulty.Fired(), len(events), recorded)
			}
			if was := events[recorded-2]; was.Sequence != uint64(recorded-1) || was.Detail != "" && !strings.HasPrefix(was.Detail, "ended at 20") {
				t.Errorf("%s: it stands there as %+v", faulty.Fired(), was)
			}
			if left := leftIn(t, p); len(left) != 0 {
				t.Errorf("%s: %q is kept still", faulty.Fired(), left)
			}
		}
		p.checkChain(recorded)
	}
}

// However much there is to say of it, what was left gets into the journal.
func TestMuchIsLeft(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	e := event(1, testTime)
	e.Result = repository.ResultFindings
	for range 100 {
		e.Findings = append(e.Findings, strings.Repeat("x", 20<<10))
	}
	if err := repository.LeaveEvent(p.state, r.ID(), repository.Holder{Host: "host"}, e); err != nil {
		t.Fatal(err)
	}
	p.record(p.open(), event(2, testTime))
	events, err := p.open().Events()
	if err != nil || len(events) != 2 || len(events[0].Findings)+len(events[1].Findings) == 0 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// What only reads leaves nothing for a repository that nobody can write to.
func TestReadersLeaveNothing(t *testing.T) {
	p := newPlace(t)
	r, err := repository.Open(durabletest.NewFaulty(p.tree(), durabletest.Fault{Step: 10, Err: syscall.EROFS, ForGood: true}), repository.Options{StateDir: p.state})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // past the step at which it begins to fail
		_ = r.Record(t.Context(), event(1, testTime))
	}
	if left := leftIn(t, p); len(left) != 0 {
		t.Errorf("it leaves %q", left)
	}
}

// What is recorded while another adds what was left waits for that: the journal tells things in their order.
func TestWhatWasLeftComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		r := p.open()
		if err := repository.LeaveEvent(p.state, r.ID(), repository.Holder{Host: "host"}, event(1, testTime)); err != nil {
			t.Fatal(err)
		}
		left, err := durable.OpenTree(filepath.Join(p.state, r.ID().String(), "left"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = left.Close() }()
		lock, err := durable.OpenLocked(left, "lock")
		if err != nil || lock == nil {
			t.Fatal(lock, err)
		}
		var recording sync.WaitGroup
		recording.Go(func() { p.record(r, event(2, testTime)) })
		synctest.Wait()
		if events, err := p.open().Events(); err != nil || len(events) != 0 {
			t.Errorf("%d events while another adds what was left, %v", len(events), err)
		}
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
		recording.Wait()
		if events, err := p.open().Events(); err != nil || len(events) != 2 || events[0].Detail == "" || events[1].Detail != "" {
			t.Errorf("%+v, %v", events, err)
		}
	})
}

// What was left goes when the journal has it for certain, and not when a sync failed; what is damaged, and what a
// killed writer left, goes.
func TestWhatWasLeftStays(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	if err := repository.LeaveEvent(p.state, r.ID(), repository.Holder{Host: "host"}, event(1, testTime)); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(leftIn(t, p)[0])
	failed := false
	unsynced, err := repository.Open(durabletest.NewWatched(p.tree(), func(op, name string) error {
		if op == "fsync" && strings.HasPrefix(name, "journal/") {
			failed = true
			return syscall.EIO
		}
		return nil
	}), repository.Options{StateDir: p.state})
	if err != nil {
		t.Fatal(err)
	}
	_ = unsynced.Record(t.Context(), event(2, testTime))
	if left := leftIn(t, p); !failed || len(left) == 0 {
		t.Fatalf("nothing is left of what was not synced; failed: %v", failed)
	}
	const temp = "/.tmp-killed"
	for name, content := range map[string]string{temp: "", "/1-damaged.json": "x"} {
		if err := os.WriteFile(dir+name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(dir+temp, testTime.AddDate(-1, 0, 0), testTime.AddDate(-1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	p.record(p.open(), event(3, testTime))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"lock"}) {
		t.Errorf("%q are kept", names)
	}
}

func leftIn(t *testing.T, p *place) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(p.state, "*", "left", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}
