package repository_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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

func leftIn(t *testing.T, p *place) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(p.state, "*", "left", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}
