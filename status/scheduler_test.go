package status_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"varve/revision"
	"varve/status"
)

// How the scheduler is, is told before all else where nothing is backed up by itself any more.
func TestScheduler(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		is    status.Scheduler
		grade status.Grade
		kinds []status.Kind
		why   string
	}{
		{"there never was one, or it is up", status.Scheduler{}, status.Safe, nil, ""},
		{"dead", status.Scheduler{Kind: status.Dead, PID: 812, Heard: now.Add(-time.Hour)}, status.Critical, []status.Kind{status.Dead},
			"the scheduler (pid 812) is dead since Tue 24 Nov 2026 02:12 or soon after"},
		{"silent", status.Scheduler{Kind: status.Silent, PID: 812, Heard: now}, status.Critical, []status.Kind{status.Silent}, "does not answer"},
		{"stopped", status.Scheduler{Kind: status.Stopped, Heard: now}, status.Warning, []status.Kind{status.Stopped}, "was told to end, at Tue 24 Nov 2026 03:12"},
		{"with a configuration that is wrong", status.Scheduler{PID: 812, Broken: "line 3"}, status.Warning, []status.Kind{status.Broken}, "wrong now: line 3"},
		{"blind", status.Scheduler{PID: 812, Blind: "no disk"}, status.Warning, []status.Kind{status.Blind}, "no disk"},
	} {
		r := status.Judge(status.Input{Now: now, Scheduler: c.is, NotFound: []error{}})
		if r.Grade != c.grade || len(r.Cases) != len(c.kinds) {
			t.Errorf("%s: %+v", c.name, r)
			continue
		}
		for i, k := range c.kinds {
			if r.Cases[i].Kind != k || !strings.Contains(r.Cases[i].Why, c.why) {
				t.Errorf("%s: %+v", c.name, r.Cases[i])
			}
		}
	}
	in := status.Input{Now: now, Scheduler: status.Scheduler{Kind: status.Dead}, Unread: []status.Unread{{Volume: "a", Err: errUnread}}}
	if r := status.Judge(in); len(r.Cases) != 2 || r.Cases[0].Kind != status.Dead {
		t.Errorf("a dead scheduler is not told first: %+v", r.Cases)
	}
	if r := status.Judge(in).Only(func(name revision.Name) bool { return name == "a" }); len(r.Cases) != 1 {
		t.Errorf("of one volume, %+v is told", r.Cases)
	}
}

var errUnread = errors.New("no")
