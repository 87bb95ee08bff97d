package repository_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve/repository"
	"varve/revision"
)

// What is read from the journal's end on is what reading all of it gives.
func TestEventsSince(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	p.record(r, event(0, time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)))
	dir := strings.TrimSuffix(p.files("journal/")[0], "2026-08.jsonl")
	rapid.Check(t, func(rt *rapid.T) {
		first := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
		at := first
		months := map[string]*bytes.Buffer{"2026-09": {}, "2026-10": {}, "2026-11": {}}
		for n := range rapid.IntRange(0, 60).Draw(rt, "lines") {
			at = at.Add(time.Duration(rapid.Int64Range(0, int64(72*time.Hour)).Draw(rt, "later")))
			e := event(n, at.Truncate(time.Millisecond))
			e.Error = strings.Repeat("x", rapid.SampledFrom([]int{0, 0, 10, 10, 10, 100, 1000, 1000, 10_000, repository.MaxLine - 1000}).Draw(rt, "length"))
			line, err := repository.Seal(e)
			if err != nil {
				rt.Fatal(err)
			}
			month := months[at.Format("2006-01")]
			if month == nil {
				break
			}
			if rapid.IntRange(0, 9).Draw(rt, "torn") == 0 {
				line = append(line[:len(line)/2], '\n')
			}
			month.Write(line)
		}
		for name, lines := range months {
			p.write(dir+name+".jsonl", lines.Bytes())
		}
		since := first.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(100*24*time.Hour)).Draw(rt, "since")))
		all, err := r.Events()
		if err != nil {
			rt.Fatal(err)
		}
		var want []repository.Event
		for _, e := range all {
			if !e.Time.Before(since.Truncate(time.Millisecond)) {
				want = append(want, e)
			}
		}
		got, err := r.EventsSince(since)
		if err != nil || len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			rt.Errorf("since %s: %d events, %v, want %d", since, len(got), err, len(want))
		}
	})
}

// What is read without some volumes is what reading all of it gives, but for theirs.
func TestEventsWithout(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	for n := range 12 {
		e := event(n, time.Date(2026, 8, 1, n, 0, 0, 0, time.UTC))
		e.Detail = "\"uuid\":\"" + revision.UUID{1}.String() + "\"" // which is not the field
		if n%4 > 0 {
			e.UUID = &revision.UUID{byte(n % 4)}
		}
		p.record(r, e)
	}
	all, err := r.Events()
	if err != nil || len(all) < 12 {
		t.Fatal(len(all), err)
	}
	without := map[revision.UUID]bool{{1}: true, {3}: true}
	want := slices.DeleteFunc(all, func(e repository.Event) bool { return e.UUID != nil && without[*e.UUID] })
	got, err := r.EventsWithout(without)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%d events, %v, want %d", len(got), err, len(want))
	}
}

// Of a long month, the end is read.
func BenchmarkEventsSince(b *testing.B) {
	p := newPlace(b)
	r := p.open()
	if err := r.Record(b.Context(), event(0, time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC))); err != nil {
		b.Fatal(err)
	}
	name := p.files("journal/")[0]
	var month bytes.Buffer
	month.Write(p.read(name))
	for n := range 30_000 {
		line, err := repository.Seal(event(n, time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n)*86*time.Second)))
		if err != nil {
			b.Fatal(err)
		}
		month.Write(line)
	}
	p.write(name, month.Bytes())
	for b.Loop() {
		if events, err := r.EventsSince(time.Date(2026, 9, 29, 0, 0, 0, 0, time.UTC)); err != nil || len(events) < 1000 {
			b.Fatal(len(events), err)
		}
	}
}
