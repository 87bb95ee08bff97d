package main

import (
	"fmt"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/status"
)

// notedDrill is the last drill as it is noted. Its fields are API.
type notedDrill struct {
	Revision  revision.ID             `json:"revision"`
	Ended     time.Time               `json:"ended"`
	Outcome   repository.DrillOutcome `json:"outcome"`
	Reason    string                  `json:"reason"`
	Command   bool                    `json:"command"` // one was run
	FirstByte float64                 `json:"first_byte"`
	Rate      known[int64]            `json:"rate"`
	Restore   float64                 `json:"restore"`
}

// newNotedDrill describes the drill of a revision; nil: there was none.
func newNotedDrill(id revision.ID, d *repository.Drill) *notedDrill {
	if d == nil {
		return nil
	}
	return &notedDrill{id, d.Time.UTC(), d.Outcome, d.Reason, d.Command, d.FirstByte, known[int64]{d.Rate}, d.Restore}
}

// words says how it went: "passed, 3 h ago, restore would take 4 min".
func (d *notedDrill) words(now time.Time) string {
	if d == nil {
		return ""
	}
	ago := formatLong(now.Sub(d.Ended)) + " ago"
	switch d.Outcome {
	case repository.DrillPassed:
		return "passed, " + ago + ", restore would take " + formatRestore(seconds(d.Restore))
	case repository.DrillNotApplicable:
		return "not applicable, " + ago + prefixed(": ", d.Reason)
	}
	return "FAILED, " + ago + prefixed(": ", d.Reason)
}

// judgedDrills is what the last drills of all volumes came to. Its fields are API.
type judgedDrills struct {
	Passed        int            `json:"passed"` // within seven days
	Of            int            `json:"of"`
	NotApplicable int            `json:"not_applicable"`
	Shortest      known[float64] `json:"shortest_restore"` // seconds, of those that passed
	Longest       known[float64] `json:"longest_restore"`
}

// newJudgedDrills sums up; nil: nothing was ever drilled.
func newJudgedDrills(r *status.Report, now time.Time) *judgedDrills {
	d, ok := r.Drills(now)
	if !ok {
		return nil
	}
	return &judgedDrills{d.Passed, d.Of, d.NotApplicable, known[float64]{d.Shortest.Seconds()}, known[float64]{d.Longest.Seconds()}}
}

// words is a line of status.
func (d *judgedDrills) words() string {
	text := fmt.Sprintf("%d of %d passed within 7 days", d.Passed, d.Of)
	if d.NotApplicable > 0 {
		text += fmt.Sprintf(", %d not applicable", d.NotApplicable)
	}
	if d.Passed == 0 {
		return text
	}
	shortest, longest := formatRestore(seconds(d.Shortest.is)), formatRestore(seconds(d.Longest.is))
	if shortest == longest {
		return text + "; restores would take " + longest
	}
	return text + "; restores would take " + shortest + " to " + longest
}
