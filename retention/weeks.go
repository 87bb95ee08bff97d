package retention

import (
	"cmp"
	"slices"
	"time"
)

// A Mark says what becomes of the revisions of a day.
type Mark uint8

// The marks of days.
const (
	Outside Mark = iota // no revision, before the first one or not over yet
	None                // no revision
	Goes                // all that were begun on it go
	Keeps               // at least one stays
)

// A Week is a row of a plan's calendar. Dates are those of the plan's zone, each
// written as the time at which it begins in UTC.
type Week struct {
	Monday  time.Time // its first date
	Days    [7]Day    // from Monday on
	Skipped int       // so many weeks before it, after the row above, hold no revision, and are no rows
	Because []Because // why revisions of this week stay
}

// A Day is one of a week.
type Day struct {
	Date      time.Time
	Mark      Mark
	Decisions []Decision // of the revisions begun on it, by number
}

// Because is a reason for which revisions of one week stay.
type Because struct {
	Reason Reason      // of the first of them: those that differ in the period alone are one here
	Dates  []time.Time // on which they were begun
}

// dated is a decision with the date of its revision, numbered.
type dated struct {
	Decision
	date int64
}

// Weeks lays the plan out as a calendar: the weeks that hold a revision, the first
// ones first. Revisions are where their clock says that they were begun.
func (p Plan) Weeks() []Week {
	list := make([]dated, len(p.Decisions))
	for i, d := range p.Decisions {
		list[i] = dated{d, p.date(d.Begun)}
	}
	slices.SortStableFunc(list, func(a, b dated) int { return cmp.Compare(a.date, b.date) })
	today := p.date(p.Now)
	var weeks []Week
	last := int64(0)
	for len(list) > 0 {
		number, n := weekOf(list[0].date), 1
		for n < len(list) && weekOf(list[n].date) == number {
			n++
		}
		w := newWeek(number, list[:n], len(weeks) == 0, today)
		if len(weeks) > 0 {
			w.Skipped = int(number-last) - 1
		}
		weeks, list, last = append(weeks, w), list[n:], number
	}
	return weeks
}

// newWeek is the row of a week with its revisions, by date.
func newWeek(number int64, list []dated, isFirst bool, today int64) Week {
	monday := number*7 - 3
	w := Week{Monday: dateOf(monday)}
	started := !isFirst
	for i := range w.Days {
		date, of := monday+int64(i), &w.Days[i]
		of.Date = dateOf(date)
		for len(list) > 0 && list[0].date == date {
			of.Decisions, list = append(of.Decisions, list[0].Decision), list[1:]
		}
		switch started = started || len(of.Decisions) > 0; {
		case slices.ContainsFunc(of.Decisions, Decision.Stays):
			of.Mark = Keeps
		case len(of.Decisions) > 0:
			of.Mark = Goes
		case started && date < today:
			of.Mark = None
		}
		for _, d := range of.Decisions {
			for _, r := range d.Reasons {
				w.add(r, of.Date)
			}
		}
	}
	slices.SortStableFunc(w.Because, func(a, b Because) int { return cmp.Compare(a.Reason.Cause, b.Reason.Cause) })
	return w
}

// add says that there is a reason on a date.
func (w *Week) add(r Reason, date time.Time) {
	i := slices.IndexFunc(w.Because, func(b Because) bool {
		return b.Reason.Cause == r.Cause && b.Reason.Trusted == r.Trusted && b.Reason.Text == r.Text &&
			(r.Cause != Pinned || b.Reason.Time.Equal(r.Time))
	})
	if i < 0 {
		i = len(w.Because)
		w.Because = append(w.Because, Because{Reason: r})
	}
	if b := &w.Because[i]; len(b.Dates) == 0 || !b.Dates[len(b.Dates)-1].Equal(date) {
		b.Dates = append(b.Dates, date)
	}
}

// date numbers the date of a time, by the clock of the plan.
func (p Plan) date(t time.Time) int64 {
	return period(Daily, t.Unix(), offsetAt(t, p.Now.Location()))
}

// dateOf is where a date begins in UTC.
func dateOf(date int64) time.Time { return time.Unix(date*day, 0).UTC() }

// weekOf numbers the week of a date: 1970-01-01, date 0, was a Thursday.
func weekOf(date int64) int64 { return floorDiv(date+3, 7) }
