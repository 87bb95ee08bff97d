package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// A Plan is the schedule of one job.
type Plan struct {
	Schedule Schedule
	Window   Window
	Zone     *time.Location // whose clock counts; nil: UTC
	Name     string         // the job's: decides when "daily" is
}

// horizon is within how many days whatever comes at all comes again: the 29th of
// February falls on a Sunday at least every 40 years.
const horizon = 50 * 366

// Next is the first due time after a moment; the zero time: there is none.
func (p Plan) Next(after time.Time) time.Time {
	p = p.settled()
	at := reached(after, p.Zone)
	for {
		r, ok := p.following(at)
		if !ok {
			return time.Time{}
		}
		if t := moment(r, p.Zone); p.Window.Contains(t) {
			return t
		}
		at = r // the clock jumped over it, out of the window
	}
}

// Prev is the last due time at a moment or before; the zero time: there is none.
func (p Plan) Prev(at time.Time) time.Time {
	p = p.settled()
	from := reached(at, p.Zone)
	for {
		r, ok := p.preceding(from)
		if !ok {
			return time.Time{}
		}
		if t := moment(r, p.Zone); p.Window.Contains(t) {
			return t
		}
		from = r - 1
	}
}

// Gap is the time between [Plan.Prev] of a moment and the next due time, which is
// what a job has to be done in; 0: it is never due.
func (p Plan) Gap(at time.Time) time.Duration {
	prev, next := p.Prev(at), p.Next(at)
	if prev.IsZero() || next.IsZero() {
		return 0
	}
	return next.Sub(prev)
}

// Ahead is how far the clocks of those who make revisions may be ahead of ours.
const Ahead = time.Hour

// IsDue tells whether a job is due now of which prev was the last due time, and that was
// last begun at a time; zero: never. However many due times went by, it is due once. A
// last time that lies in the future, by a clock that was wrong, keeps nothing from being due.
func IsDue(last, prev, now time.Time) bool {
	return last.IsZero() || last.Before(prev) || last.After(now.Add(Ahead))
}

// Validate refuses a schedule that its window can never meet.
func (p Plan) Validate() error {
	if p.Schedule.IsZero() {
		return nil
	}
	if _, ok := p.settled().following(epoch); !ok {
		return fmt.Errorf("the schedule %q never falls into the window %s", p.Schedule, p.Window)
	}
	return nil
}

// settled gives "daily" its time, and the plan a zone.
func (p Plan) settled() Plan {
	if p.Zone == nil {
		p.Zone = time.UTC
	}
	if p.Schedule.kind == spread {
		sum := sha256.Sum256([]byte(p.Name))
		offset := binary.BigEndian.Uint64(sum[:]) % uint64(p.Window.length())
		p.Schedule.kind, p.Schedule.minute = daily, (p.Window.from+int(offset))%minutesOfDay
	}
	return p
}

// following is the first reading after r that is of the schedule and in the window.
func (p Plan) following(r reading) (reading, bool) {
	switch step := reading(p.Schedule.step); p.Schedule.kind {
	case never:
		return 0, false
	case every:
		return p.stepped(lastStep(r, step)+step, step)
	}
	if !p.meets() {
		return 0, false
	}
	day, minute := r.split()
	minute++
	for range horizon {
		if p.Schedule.onDay(day) {
			for ; minute < minutesOfDay; minute++ {
				if p.Schedule.atMinute(minute) && p.Window.has(minute) {
					return join(day, minute), true
				}
			}
		}
		day, minute = day+1, 0
	}
	return 0, false
}

// preceding is the last reading up to r that is of the schedule and in the window.
func (p Plan) preceding(r reading) (reading, bool) {
	switch step := reading(p.Schedule.step); p.Schedule.kind {
	case never:
		return 0, false
	case every:
		return p.stepped(lastStep(r, step), -step)
	}
	if !p.meets() {
		return 0, false
	}
	day, minute := r.split()
	for range horizon {
		if p.Schedule.onDay(day) {
			for ; minute >= 0; minute-- {
				if p.Schedule.atMinute(minute) && p.Window.has(minute) {
					return join(day, minute), true
				}
			}
		}
		day, minute = day-1, minutesOfDay-1
	}
	return 0, false
}

// meets tells whether the job is due at some minute of the day that is in the window.
func (p Plan) meets() bool {
	for minute := range minutesOfDay {
		if p.Schedule.atMinute(minute) && p.Window.has(minute) {
			return true
		}
	}
	return false
}

// lastStep is the last reading up to r that is a whole number of steps from the epoch.
func lastStep(r, step reading) reading {
	return epoch + reading(floorDiv(int64(r-epoch), int64(step)))*step
}

// stepped goes on from r until it is in the window. Minutes of the day are all that
// can come, so that after so many steps they only come again.
func (p Plan) stepped(r, step reading) (reading, bool) {
	for range minutesOfDay {
		if _, minute := r.split(); p.Window.has(minute) {
			return r, true
		}
		r += step
	}
	return 0, false
}
