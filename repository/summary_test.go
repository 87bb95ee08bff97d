package repository_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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
		"now, several in a second":              {times: make([]time.Time, 5), states: states(g, g, g, s, g)},
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
				if err := r.Mark(t.Context(), all[i], func(info *repository.Info) {
					if info.State = state; i%2 == 1 {
						info.Tags = append(info.Tags, "other", repository.AnomalyTag)
					}
				}); err != nil {
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
		if slices.Contains(all[i].Info.Tags, repository.AnomalyTag) {
			s.Anomalous = append(s.Anomalous, all[i])
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
	text += ", anomalous"
	for _, rev := range s.Anomalous {
		text += fmt.Sprintf(" %s", rev.ID)
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
	if order.Same {
		t.Error("it is called one that there is")
	}
	_, err = store(t.Context(), r, "db", randomImage(1, 2), storeOptions{begun: times[2]})
	if !errors.As(err, &order) || !order.Same || order.Newer.Begun().Unix() != times[2].Unix() {
		t.Errorf("one that there is already: %v", err)
	}
	st, err := store(t.Context(), r, "db", randomImage(1, 2), storeOptions{begun: times[2].Add(time.Hour)})
	if err != nil || st.Begun.Unix() != times[2].Add(time.Hour).Unix() || !st.Ended.Equal(st.Begun) {
		t.Errorf("%v, %v", st, err)
	}
}

// Which volumes there are, summaries and the list of volumes agree upon, whatever
// became of their own files; and each volume has its own revisions in it.
func TestSummariesAgreeWithTheVolumes(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(p *place, file string, revisions, copies []string){
		"nothing":                  func(*place, string, []string, []string) {},
		"another volume's":         func(p *place, file string, _, _ []string) { p.write(file, p.read("volumes/other/volume.json")) },
		"rotten":                   func(p *place, file string, _, _ []string) { p.write(file, []byte("rot")) },
		"gone":                     func(p *place, file string, _, _ []string) { p.remove(file) },
		"gone, with all revisions": func(p *place, file string, revisions, _ []string) { removeAll(p, append(revisions, file)) },
		"without a revision":       func(p *place, _ string, revisions, copies []string) { removeAll(p, append(revisions, copies...)) },
		"with copies alone":        func(p *place, _ string, revisions, _ []string) { removeAll(p, revisions) },
		"another volume's, the newest is read from its copy": func(p *place, file string, revisions, copies []string) {
			p.write(file, p.read("volumes/other/volume.json"))
			p.write(revisions[len(revisions)-1], []byte("rot"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, r := nights(t, nightly(3))
			other := p.mustStore(r, "other", randomImage(3, 1)).Volume.UUID.String()
			copies := p.files("copies/")
			own := slices.DeleteFunc(copies, func(name string) bool { return strings.Contains(name, other) })
			harm(p, "volumes/db/volume.json", p.files("volumes/db/2"), own)
			r = p.open()
			volumes, err := r.Volumes()
			summaries, serr := r.Summaries(t.Context())
			if fmt.Sprint(err) != fmt.Sprint(serr) {
				t.Errorf("volumes: %v, summaries: %v", err, serr)
			}
			var got []repository.Volume
			for _, s := range summaries {
				got = append(got, s.Volume)
				all, err := r.Revisions(s.Volume)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := describe(s), describe(summaryOf(all)); got != want {
					t.Errorf("of %s: got %s, want %s", s.Volume.Name, got, want)
				}
			}
			if !slices.Equal(got, volumes) {
				t.Errorf("got  %v\nwant %v", got, volumes)
			}
		})
	}
}

func removeAll(p *place, names []string) {
	for _, name := range names {
		p.remove(name)
	}
}

// BenchmarkSummaries looks at a thousand volumes of two revisions each.
func BenchmarkSummaries(b *testing.B) {
	p := newPlace(b)
	r := p.open()
	for i := range 1000 {
		for seed := range uint64(2) {
			p.mustStore(r, revision.Name(fmt.Sprintf("vms/vm-%03d", i)), randomImage(seed, 1))
		}
	}
	r = p.open()
	for b.Loop() {
		if summaries, err := r.Summaries(b.Context()); err != nil || len(summaries) != 1000 {
			b.Fatal(len(summaries), err)
		}
	}
}
