package scheduler

import (
	"testing"
	"time"

	"varve/revision"
	"varve/schedule"
)

// What is kept of a run is what the clock on the wall showed: else a clock that was ahead, and
// is set right while the scheduler runs, would have nothing due until it is as late again.
func TestRecordKeepsTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	for _, outcome := range []Outcome{OK, Failure, Busy, Interrupt} {
		r := new(Record)
		r.note(Key{Backup, "a"}, Result{Outcome: outcome, Begun: begun, Ended: begun.Add(time.Minute)})
		for what, at := range map[string]time.Time{"success": r.Success, "good": r.Good, "begun": r.Begun, "ended": r.Ended, "not before": r.NotBefore, "off": r.Off} {
			if at != at.Round(0) {
				t.Errorf("%s: %s is %v", outcome, what, at)
			}
		}
		if outcome == OK && (len(r.Took) != 1 || r.Took[0] != 60) {
			t.Errorf("it took %v", r.Took)
		}
	}
	r := &Record{Success: begun.Add(10 * 24 * time.Hour).Round(0)}
	if !schedule.IsDue(r.Success, begun.Round(0).Add(-time.Hour), begun) {
		t.Error("a success of the future keeps it from being due")
	}
}

// What only seems to be gone, for something cannot be read, is not forgotten.
func TestLearnWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	at, drill := time.Now(), Key{Drill, ""}
	known := func() *state {
		return &state{Records: map[Key]*Record{
			{Backup, "a"}: {Failures: 3},
			drill:         {Turns: map[revision.Name]time.Time{"a": at}, Changed: []revision.Name{"a"}},
		}}
	}
	w := &World{At: at, Tasks: []Task{{Key: drill, About: About{Most: 1}}}, Unread: []string{"the disk is gone"}}
	s := known()
	s.learn(w)
	if len(s.Records) != 2 || s.Records[Key{Backup, "a"}].Failures != 3 || len(s.Records[drill].Turns) != 1 || len(s.Records[drill].Changed) != 1 {
		t.Errorf("where something cannot be read, it knows %+v", s.Records)
	}
	w.Unread = nil
	s.learn(w)
	if len(s.Records) != 1 || len(s.Records[drill].Turns)+len(s.Records[drill].Changed) != 0 {
		t.Errorf("once it can be, it knows %+v", s.Records)
	}
}
