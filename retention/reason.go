package retention

import (
	"fmt"
	"time"
)

// A Cause is what makes a revision stay.
type Cause uint8

// The causes, in the order in which they are listed. From Last on, they are rules.
const (
	Newest        Cause = iota // of all
	NewestTrusted              // of those that are neither suspect nor damaged
	Pinned
	Tagged
	Last
	Hourly
	Daily
	Weekly
	Monthly
	Yearly
	Within
)

// kinds are the rules about periods.
var kinds = [...]Cause{Hourly, Daily, Weekly, Monthly, Yearly}

var causeNames = [...]string{
	"newest", "newest trusted", "pinned", "tag", "last", "hourly", "daily", "weekly", "monthly", "yearly", "within",
}

func (c Cause) String() string { return causeNames[c] }

// A Reason is one of those for which a revision stays.
type Reason struct {
	Cause   Cause
	Trusted bool      // the rule keeps it among the trusted revisions, and not among all
	Time    time.Time // of a period: when the revision was begun, in the zone of the plan. Of a pin: its end, if it has one
	Text    string    // the tag; how long Within is
}

// Period names the period of the calendar, by the clock of the plan's zone:
// "2026-11-24 02:00 +01:00" for the hour, "2026-11-24", "2026-W48", "2026-11" or
// "2026". It is empty where the cause is none of a period.
func (r Reason) Period() string {
	switch r.Cause {
	case Hourly:
		return r.Time.Format("2006-01-02 15:00 -07:00")
	case Daily:
		return r.Time.Format(time.DateOnly)
	case Weekly:
		year, week := r.Time.ISOWeek()
		return fmt.Sprintf("%d-W%02d", year, week)
	case Monthly:
		return r.Time.Format("2006-01")
	case Yearly:
		return r.Time.Format("2006")
	}
	return ""
}

// String is such as "newest", "pinned until 2026-12-24 00:00", "tag release",
// "trusted daily 2026-11-24" or "within 2d".
func (r Reason) String() string {
	text := r.Cause.String()
	if r.Trusted {
		text = "trusted " + text
	}
	switch {
	case r.Cause == Pinned && !r.Time.IsZero():
		return text + " until " + r.Time.Format("2006-01-02 15:04")
	case r.Text != "":
		return text + " " + r.Text
	case r.Period() != "":
		return text + " " + r.Period()
	}
	return text
}
