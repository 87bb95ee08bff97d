package repository_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
)

// A history of six nights, of which some were noted to be bad.
func nights(t *testing.T, times []time.Time) (*place, *repository.Repository) {
	t.Helper()
	p := newPlace(t)
	r := p.open()
	im := randomImage(1, 2)
	for _, at := range times {
		if _, err := store(t.Context(), r, "db", im, storeOptions{begun: at}); err != nil {
			t.Fatal(err)
		}
	}
	return p, r
}

func nightly(n int) (times []time.Time) {
	first := time.Now().Add(-time.Duration(n) * 24 * time.Hour)
	for i := range n {
		times = append(times, first.Add(time.Duration(i)*24*time.Hour))
	}
	return times
}

// A summary says what a listing of all revisions says.
func TestSummaryAgreesWithTheList(t *testing.T) {
	t.Parallel()
	states := func(all ...repository.State) []repository.State { return all }
	const g, v, s, d = repository.Good, repository.Proven, repository.Suspect, repository.Damaged
	now := time.Now()
	for name, c := range map[string]struct {
		times  []time.Time
		states []repository.State
		remove string // part of a file's name
		gone   int    // which revision, counted from the newest, has neither file nor copy
	}{
		"none":                  {},
		"all good":              {times: nightly(6)},
		"the newest is suspect": {times: nightly(6), states: states(g, g, v, v, v, s)},
		"only the first is good": {
			times: nightly(6), states: states(g, s, s, d, s, s),
		},
		"none is good":                          {times: nightly(2), states: states(d, s)},
		"damage in the middle":                  {times: nightly(6), states: states(g, g, d, g, s, v)},
		"in one second":                         {times: slices.Repeat([]time.Time{now}, 5), states: states(g, g, g, s, g)},
		"a clock ran ahead":                     {times: append(nightly(4), now.Add(48*time.Hour))},
		"the newest cannot be read":             {times: nightly(5), remove: ".rev"},
		"the newest has lost what it builds on": {times: nightly(6), gone: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, r := nights(t, c.times)
			if len(c.times) == 0 {
				p.mustStore(r, "db", randomImage(1, 1))
			}
			all := p.revisions(r, "db")
			for i, state := range c.states {
				if err := r.Mark(t.Context(), all[i], func(info *repository.Info) { info.State = state }); err != nil {
					t.Fatal(err)
				}
			}
			if c.remove != "" {
				p.write(p.files(c.remove)[len(p.files(c.remove))-1], []byte("rot"))
				for _, name := range p.files("copies/") {
					p.remove(name)
				}
			}
			if c.gone > 0 {
				p.remove(repository.RevisionName("db", all[len(all)-1-c.gone].ID))
				for _, name := range p.files("copies/") {
					p.remove(name)
				}
			}
			all = p.revisions(r, "db")
			summaries, err := r.Summaries(t.Context())
			if err != nil || len(summaries) != 1 {
				t.Fatalf("%d summaries, %v", len(summaries), err)
			}
			if got, want := describe(summaries[0]), describe(summaryOf(all)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// summaryOf is what a summary must be, from the list.
func summaryOf(all []repository.Revision) (s repository.Summary) {
	s.Revisions = len(all)
	for i := range all {
		s.Newest = &all[i]
		if all[i].Candidate().Trusted {
			s.Good = &all[i]
		}
		if state := all[i].Info.State; state == repository.Suspect || state == repository.Damaged {
			s.Troubled = append(s.Troubled, all[i])
		}
	}
	return s
}

func describe(s repository.Summary) string {
	id := func(rev *repository.Revision) revision.ID {
		if rev == nil {
			return "none"
		}
		return rev.ID
	}
	text := fmt.Sprintf("%d revisions, newest %s, good %s, troubled", s.Revisions, id(s.Newest), id(s.Good))
	for _, rev := range s.Troubled {
		text += fmt.Sprintf(" %s (%s)", rev.ID, rev.Info.State)
	}
	return text
}

// History is brought along oldest first, or its order would be lost.
func TestHistoryIsBroughtAlongInOrder(t *testing.T) {
	t.Parallel()
	times := nightly(3)
	_, r := nights(t, times)
	var order *repository.OrderError
	_, err := store(t.Context(), r, "db", randomImage(1, 2), storeOptions{begun: times[1]})
	if !errors.As(err, &order) || order.Newer.Begun().Unix() != times[2].Unix() {
		t.Errorf("a revision before others: %v", err)
	}
	st, err := store(t.Context(), r, "db", randomImage(1, 2), storeOptions{begun: times[2].Add(time.Hour)})
	if err != nil || st.Begun.Unix() != times[2].Add(time.Hour).Unix() || !st.Ended.Equal(st.Begun) {
		t.Errorf("%v, %v", st, err)
	}
}
