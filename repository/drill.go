package repository

import (
	"time"

	"varve/revision"
)

// A Drill is how the last use of a revision went, by which it was to be proven that it is a good backup.
type Drill struct {
	Time      time.Time    `json:"time"` // when it had ended
	Outcome   DrillOutcome `json:"outcome"`
	Reason    string       `json:"reason"`     // why it did not pass
	Command   bool         `json:"command"`    // a command was run on it, too
	FirstByte float64      `json:"first_byte"` // seconds until the first byte of the image was there
	Rate      int64        `json:"rate"`       // bytes a second that are read of it; 0: it was not measured
	Restore   float64      `json:"restore"`    // seconds that a restore takes to read all of it
}

// A DrillOutcome says what a drill came to.
type DrillOutcome string

// The outcomes of a drill that are noted. One that could not be done is none.
const (
	DrillPassed        DrillOutcome = "passed"
	DrillFailed        DrillOutcome = "failed"
	DrillNotApplicable DrillOutcome = "not-applicable" // nothing can look into what it holds
)

// RestoreTime is how long a restore takes to read all of it.
func (d *Drill) RestoreTime() time.Duration { return time.Duration(d.Restore * float64(time.Second)) }

// A LastDrill is the last drill of a volume, of those of its revisions that are there.
type LastDrill struct {
	Revision revision.ID
	Drill
}

// noteDrill takes the drill of a revision for the last one, if it is later.
func (s *Summary) noteDrill(id revision.ID, d *Drill) {
	if d != nil && (s.Drill == nil || d.Time.After(s.Drill.Time)) {
		s.Drill = &LastDrill{Revision: id, Drill: *d}
	}
}
