package repository_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"varve/internal/durable/durabletest"
	"varve/repository"
)

// event is one of the first of a month, in a history of its own.
func event(n int, at time.Time) repository.Event {
	return repository.Event{Op: "test", Result: repository.ResultOK, Sequence: uint64(n), Time: at}
}

func (p *place) record(r *repository.Repository, e repository.Event) {
	p.t.Helper()
	if err := r.Record(p.t.Context(), e); err != nil {
		p.t.Fatal(err)
	}
}

// checkChain follows the hashes through the files of one host, in their order.
func (p *place) checkChain(want int) {
	p.t.Helper()
	prev, n := "", 0
	for _, name := range p.files("journal/") {
		for line := range bytes.Lines(p.read(name)) {
			var e repository.Event
			if err := repository.Unseal(line, &e); err != nil {
				continue
			}
			if e.Prev != prev {
				p.t.Errorf("%s: line %d follows %q, want %q", name, n, e.Prev, prev)
			}
			sum := xxh3.Hash128(bytes.TrimSuffix(line, []byte("\n"))).Bytes()
			prev = fmt.Sprintf("%x", sum[:])
			n++
		}
	}
	if n != want {
		p.t.Errorf("the journal has %d whole lines, want %d", n, want)
	}
}

func (p *place) events(r *repository.Repository) []uint64 {
	p.t.Helper()
	events, err := r.Events()
	if err != nil {
		p.t.Fatal(err)
	}
	var numbers []uint64
	for _, e := range events {
		numbers = append(numbers, e.Sequence)
	}
	return numbers
}

func TestTheJournalIsAChain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	at := testTime
	for i := range 6 { // into the next months
		p.record(r, event(i, at))
		at = at.AddDate(0, 0, 9)
	}
	if months := p.files("journal/"); len(months) != 3 {
		t.Errorf("months are %q, want 3", months)
	}
	p.checkChain(6)
	if got := p.events(r); !slices.Equal(got, []uint64{0, 1, 2, 3, 4, 5}) {
		t.Errorf("events are %v", got)
	}
	events, err := r.Events()
	if err != nil || events[0].Holder.PID != os.Getpid() || !events[0].Time.Equal(testTime) {
		t.Errorf("the first event is %+v, %v", events[0], err)
	}
	zone := time.FixedZone("", 14*3600)
	p.record(r, event(6, time.Date(2027, 3, 1, 1, 0, 0, 0, zone))) // February in UTC
	if !p.exists(path.Join(path.Dir(p.files("journal/")[0]), "2027-02.jsonl")) {
		t.Error("the month is not that of UTC")
	}
}

func TestTheJournalAfterATornLine(t *testing.T) {
	t.Parallel()
	for name, tear := range map[string]func([]byte) []byte{
		"half a line":          func(b []byte) []byte { return b[:len(b)-40] },
		"a few bytes":          func(b []byte) []byte { return append(b, []byte(`{"su`)...) },
		"without newline":      func(b []byte) []byte { return b[:len(b)-1] },
		"zeros":                func(b []byte) []byte { return append(b, make([]byte, 5000)...) },
		"garbage with newline": func(b []byte) []byte { return append(b, []byte("garbage\n\n\xff\xfe\n")...) },
		"all of it":            func([]byte) []byte { return []byte("nothing that was written") },
		"emptied":              func([]byte) []byte { return nil },
	} {
		p := newPlace(t)
		r := p.open()
		for i := range 3 {
			p.record(r, event(i, testTime.AddDate(0, -1, i)))
		}
		for i := range 2 {
			p.record(r, event(3+i, testTime.AddDate(0, 0, i)))
		}
		month := p.files("journal/")[1]
		p.write(month, tear(p.read(month)))
		kept := map[string]int{"half a line": 4, "all of it": 3, "emptied": 3}[name]
		if kept == 0 {
			kept = 5
		}
		p.record(r, event(8, testTime.AddDate(0, 0, 3)))
		p.record(r, event(9, testTime.AddDate(0, 0, 4)))
		p.checkChain(kept + 2)
		got := p.events(r)
		if len(got) != kept+2 || got[len(got)-1] != 9 || got[len(got)-2] != 8 {
			t.Errorf("%s: events are %v, want %d and 8, 9", name, got, kept)
		}
	}
}

func TestManyAppendToOneJournal(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var wg sync.WaitGroup
	for i := range 3 { // handles of their own, as processes have
		r := p.open()
		for j := range 2 {
			wg.Go(func() {
				for k := range 5 {
					if err := r.Record(t.Context(), event(100*i+10*j+k, testTime)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	p.checkChain(30)
}

func TestEventsOfSeveralHosts(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	p.record(r, event(1, testTime))
	p.record(r, event(3, testTime.Add(2*time.Hour)))
	own := path.Dir(p.files("journal/")[0])
	sealed, err := repository.Seal(event(2, testTime.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.path("journal/other"), 0o750); err != nil {
		t.Fatal(err)
	}
	p.write("journal/other/2026-11.jsonl", sealed)
	p.write("journal/other/notes", []byte("x"))
	p.write("journal/notes", []byte("x"))
	if got := p.events(r); !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("events are %v, want them by the clock", got)
	}
	p.record(r, event(4, testTime.Add(3*time.Hour)))
	if got := string(p.read("journal/other/2026-11.jsonl")); got != string(sealed) {
		t.Error("another host's journal was written to")
	}
	if !strings.HasPrefix(own, "journal/") {
		t.Errorf("the own journal is in %s", own)
	}
	bad := p.openOn(durabletest.NewWatched(p.tree(), func(op, name string) error {
		if op == "open" && strings.HasPrefix(name, "journal/other") {
			return syscall.EIO
		}
		return nil
	}))
	events, err := bad.Events()
	if len(events) != 3 || !errors.Is(err, syscall.EIO) {
		t.Errorf("with one month unreadable: %d events and %v, want 3 and EIO", len(events), err)
	}
}

func TestALongEventIsCut(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	e := event(1, testTime)
	for i := range 50_000 {
		e.Findings = append(e.Findings, fmt.Sprintf("finding %d", i))
	}
	e.Warnings = []string{strings.Repeat("ü", repository.MaxLine)}
	e.Error = strings.Repeat("日", repository.MaxLine)
	p.record(r, e)
	p.record(r, event(2, testTime))
	p.checkChain(2)
	for line := range bytes.Lines(p.read(p.files("journal/")[0])) {
		if len(line) > repository.MaxLine {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if got := p.events(r); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("events are %v", got)
	}
}

// Whatever call fails, what was recorded before stays, and the next is recorded.
func TestRecordInterrupted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.record(p.open(), event(0, testTime.AddDate(0, -1, 0)))
	want := 1
	for step := 0; ; step++ {
		faulty := durabletest.NewFaulty(p.tree(), durabletest.Fault{Step: step, Err: syscall.ENOSPC, ForGood: true, Short: true})
		r, err := repository.Open(faulty, repository.Options{})
		if err != nil {
			continue
		}
		err = r.Record(t.Context(), event(1, testTime))
		if faulty.Fired() == "" {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if err == nil {
			t.Errorf("%s: Record reported success", faulty.Fired())
		}
		before := len(p.events(p.open()))
		if before < want || before > want+1 {
			t.Fatalf("%s: %d events, want %d", faulty.Fired(), before, want)
		}
		p.record(p.open(), event(2, testTime))
		want = before + 1
		p.checkChain(want)
	}
}

func FuzzJournal(f *testing.F) {
	sealed, err := repository.Seal(event(7, testTime))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte("{\n"))
	p := newPlace(f)
	r := p.open()
	if err := r.Record(f.Context(), event(1, testTime)); err != nil {
		f.Fatal(err)
	}
	month := p.files("journal/")[0]
	f.Fuzz(func(t *testing.T, tail []byte) {
		p := &place{t: t, dir: p.dir}
		p.write(month, tail)
		if err := r.Record(t.Context(), event(2, testTime)); err != nil {
			t.Fatal(err)
		}
		events, err := r.Events()
		if err != nil || len(events) == 0 {
			t.Errorf("events are %v, %v", events, err)
		}
		if !bytes.HasPrefix(p.read(month), tail) {
			t.Error("what was there is not there any more")
		}
	})
}
