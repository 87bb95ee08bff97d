package status_test

import (
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/status"
)

func TestDrills(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	with := func(name revision.Name, ago time.Duration, outcome repository.DrillOutcome, restore float64) repository.Summary {
		s := summary(name, rev(hour, repository.Good))
		s.Drill = &repository.LastDrill{Revision: "20261124T021200Z-k3f9", Drill: repository.Drill{Time: now.Add(-ago), Outcome: outcome, Restore: restore, Reason: "for a reason"}}
		return s
	}
	in := status.Input{Now: now, Volumes: []repository.Summary{summary("never", rev(hour, repository.Good))}}
	if d, ok := status.Judge(in).Drills(now); ok {
		t.Errorf("without a drill: %+v", d)
	}
	in.Volumes = append(in.Volumes,
		with("fast", 6*day, repository.DrillPassed, 60), with("slow", hour, repository.DrillPassed, 1860), with("long ago", 8*day, repository.DrillPassed, 9999),
		with("lvm", hour, repository.DrillNotApplicable, 1), with("broken", 30*day, repository.DrillFailed, 5))
	r := status.Judge(in)
	if d, ok := r.Drills(now); !ok || d != (status.Drills{Passed: 2, Of: 5, NotApplicable: 1, Shortest: time.Minute, Longest: 31 * time.Minute}) {
		t.Errorf("drills: %+v, %t", d, ok)
	}
	in.Volumes[len(in.Volumes)-1].Drill.Command = true
	if again := status.Judge(in).Cases[0].Do; again != "varve drill broken@k3f9 --exec CMD" {
		t.Errorf("where a command failed: %q", again)
	}
	if len(r.Cases) != 1 || r.Cases[0].Kind != status.DrillFailed || r.Cases[0].Volume != "broken" || r.Grade != status.Warning ||
		r.Cases[0].Why != "drill of k3f9, Sun 25 Oct 03:12: for a reason" || r.Cases[0].Do != "varve drill broken@k3f9" {
		t.Errorf("cases: %+v", r.Cases)
	}
}
