package status

import (
	"time"

	"varve/repository"
)

// drillsLately is how old a drill may be that tells of today.
const drillsLately = 7 * 24 * time.Hour

// Drills is what the last drills of all volumes came to.
type Drills struct {
	Passed            int           // volumes whose last one passed, within seven days
	Of                int           // volumes that have revisions, without those that are not applicable
	NotApplicable     int           // volumes that nothing can look into
	Shortest, Longest time.Duration // restores, of those that passed
}

// Drills counts the last drills of the volumes; ok: there was any.
func (r *Report) Drills(now time.Time) (d Drills, ok bool) {
	for i := range r.Volumes {
		v := &r.Volumes[i]
		if !v.hasRevisions() {
			continue
		}
		last := v.Summary.Drill
		ok = ok || last != nil
		switch {
		case last != nil && last.Outcome == repository.DrillNotApplicable:
			d.NotApplicable++
			continue
		case last != nil && last.Outcome == repository.DrillPassed && now.Sub(last.Time) <= drillsLately:
			takes := last.RestoreTime()
			if d.Passed == 0 || takes < d.Shortest {
				d.Shortest = takes
			}
			d.Longest = max(d.Longest, takes)
			d.Passed++
		}
		d.Of++
	}
	return d, ok
}

// drilled adds that the last drill failed.
func (v *Volume) drilled(in Input) {
	last := v.Summary.Drill
	if last == nil || last.Outcome != repository.DrillFailed {
		return
	}
	when, again := last.Time.In(in.Now.Location()).Format("Mon _2 Jan 15:04"), "varve drill "+v.typed("@"+last.Revision.Short())
	if last.Command {
		again += " --exec CMD" // which it was, nobody noted
	}
	v.add(DrillFailed, last.Revision, "drill of "+last.Revision.Short()+", "+when+": "+last.Reason, again)
}
