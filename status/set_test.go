package status_test

import (
	"strings"
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/status"
)

// ofSet says of a revision that it is of a set.
func ofSet(set string, r repository.Revision) repository.Revision {
	r.Statement.Set = set
	return r
}

// inSet says of what is expected that it is backed up as a set.
func inSet(all []status.Expectation, set string) []status.Expectation {
	for i := range all {
		all[i].Set = set
	}
	return all
}

func shop(last time.Time) []status.ExpectedSet {
	return []status.ExpectedSet{{Name: "shop", Volumes: []revision.Name{"root", "data"}, Last: last}}
}

func TestSets(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	good := repository.Good
	for name, c := range map[string]struct {
		root, data []repository.Revision
		last       time.Time
		since      time.Duration
		kind       status.Kind // of the set's case; empty: it has none
		why        string
		lastGood   time.Time
		apart      bool
	}{
		"made together": {
			root: []repository.Revision{ofSet("s1", rev(hour, good))}, data: []repository.Revision{ofSet("s1", rev(hour, good))},
			since: 100 * hour, lastGood: now.Add(-hour),
		},
		"too old, as each of its volumes": {
			root: []repository.Revision{ofSet("s1", rev(90*hour, good))}, data: []repository.Revision{ofSet("s1", rev(90*hour, good))},
			since: 100 * hour, lastGood: now.Add(-90 * hour),
		},
		"one was backed up alone since": {
			root: []repository.Revision{ofSet("s1", rev(25*hour, good)), rev(hour, good)}, data: []repository.Revision{ofSet("s1", rev(25*hour, good))},
			since: 100 * hour, last: now.Add(-25 * hour), lastGood: now.Add(-25 * hour), apart: true,
			kind: status.SetApart, why: "the newest revisions of data and root were not made together",
		},
		"for too long": {
			root: []repository.Revision{rev(hour, good)}, data: []repository.Revision{rev(hour, good)},
			since: 100 * hour, last: now.Add(-37 * hour), lastGood: now.Add(-37 * hour), apart: true,
			kind: status.SetOverdue, why: "data and root were not made together",
		},
		"of no set, and it is configured since a moment": {
			root: []repository.Revision{rev(hour, good)}, data: []repository.Revision{rev(hour, good)},
			since: hour, apart: true, kind: status.SetApart, why: "there is no set of all of them",
		},
		"of no set, and it is configured for long": {
			root: []repository.Revision{rev(hour, good)}, data: []repository.Revision{rev(hour, good)},
			since: 100 * hour, apart: true, kind: status.SetOverdue, why: "there is no set of all of them",
		},
		"of two sets": {
			root: []repository.Revision{ofSet("s1", rev(hour, good))}, data: []repository.Revision{ofSet("s2", rev(2*hour, good))},
			since: hour, apart: true, kind: status.SetApart, why: "were not made together",
		},
		"what is newer and suspect does not count": {
			root: []repository.Revision{ofSet("s1", rev(hour, good)), rev(0, repository.Suspect)}, data: []repository.Revision{ofSet("s1", rev(hour, good))},
			since: 100 * hour, lastGood: now.Add(-hour),
		},
		"one has no revision": {data: []repository.Revision{rev(hour, good)}, since: hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := status.Input{
				Now: now, Configured: true, Expected: inSet(since(daily(t, "root", "data"), c.since), "shop"), Sets: shop(c.last),
				Volumes: []repository.Summary{summary("root", c.root...), summary("data", c.data...)},
			}
			r := status.Judge(in)
			if len(r.Sets) != 1 {
				t.Fatalf("%d sets are judged", len(r.Sets))
			}
			s := r.Sets[0]
			if s.Apart != c.apart || !s.LastGood.Equal(c.lastGood) {
				t.Errorf("apart %t, last good %v; want %t, %v", s.Apart, s.LastGood, c.apart, c.lastGood)
			}
			var found []status.Case
			for _, one := range r.Cases {
				if one.Set != "" {
					found = append(found, one)
				}
			}
			switch {
			case c.kind == "" && len(found) > 0:
				t.Errorf("it has the cases %+v", found)
			case c.kind != "" && (len(found) != 1 || found[0].Kind != c.kind || !strings.Contains(found[0].Why, c.why)):
				t.Errorf("it has the cases %+v, want %s: %s", found, c.kind, c.why)
			case c.kind != "" && (found[0].Do != "varve backup --set shop" || r.Grade != c.kind.Grade()):
				t.Errorf("what to do is %q, and the grade %d", found[0].Do, r.Grade)
			}
		})
	}
}

// What helps a volume of a set is a backup of the set: alone, it is refused.
func TestAVolumeOfASetIsBackedUpWithIt(t *testing.T) {
	t.Parallel()
	in := status.Input{
		Now: now, Configured: true, Expected: inSet(daily(t, "root", "data", "db"), "shop"), Sets: shop(time.Time{}),
		Events:  []repository.Event{failure("root", time.Hour, "no such file")},
		Volumes: []repository.Summary{summary("root", ofSet("s1", rev(50*time.Hour, repository.Good))), summary("data", ofSet("s1", rev(50*time.Hour, repository.Good)))},
	}
	in.Expected[2].Set = ""
	in.Volumes = append(in.Volumes, summary("db", rev(50*time.Hour, repository.Good)))
	for _, c := range status.Judge(in).Cases {
		if want := map[revision.Name]string{"db": "varve backup db"}[c.Volume]; want == "" && c.Do != "varve backup --set shop" || want != "" && c.Do != want {
			t.Errorf("%s of %s: what to do is %q", c.Kind, c.Volume, c.Do)
		}
	}
	for _, wanted := range []revision.Name{"root", "db"} {
		if some := status.Judge(in).Only(func(name revision.Name) bool { return name == wanted }); len(some.Sets) != map[revision.Name]int{"root": 1}[wanted] {
			t.Errorf("of %s alone, the sets are %+v", wanted, some.Sets)
		}
	}
}

// A revision that waits is told, unless somebody is at work on its volume.
func TestWaitingRevisions(t *testing.T) {
	t.Parallel()
	v := summary("root", rev(time.Hour, repository.Good))
	v.Waiting = []repository.Revision{ofSet("s9", rev(0, repository.Good))}
	in := status.Input{Now: now, Volumes: []repository.Summary{v}}
	r := status.Judge(in)
	if len(r.Cases) != 1 || r.Cases[0].Kind != status.Waiting || r.Cases[0].Revision != v.Waiting[0].ID || r.Grade != status.Warning {
		t.Errorf("the cases are %+v", r.Cases)
	}
	in.Running = []repository.Running{{Volume: "root"}}
	if r := status.Judge(in); len(r.Cases) != 0 {
		t.Errorf("while it is backed up, the cases are %+v", r.Cases)
	}
}
