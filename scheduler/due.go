package scheduler

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"time"

	"varve/schedule"
)

// What is tried again, and when. A quarter more at most, by a hash, so that what failed
// together is not tried together again.
const (
	firstRetry   = 5 * time.Minute
	longestRetry = 4 * time.Hour
	busyRetry    = time.Minute
	between      = 10 * time.Minute // two runs of a task that is about what changed
)

// retryDelay is how long to wait after so many failures in a row.
func retryDelay(k Key, failures int) time.Duration {
	d := longestRetry
	if doublings := failures - 1; doublings < 10 {
		d = min(d, firstRetry<<doublings)
	}
	return d + time.Duration(fraction(k, strconv.Itoa(failures))*float64(d)/4)
}

// busyDelay is how long to wait after somebody else was at it.
func busyDelay(k Key, at time.Time) time.Duration {
	return busyRetry + time.Duration(fraction(k, at.UTC().String())*float64(busyRetry))
}

// fraction is a number between 0 and 1 that depends on a task and something else alone.
func fraction(k Key, salt string) float64 {
	sum := sha256.Sum256([]byte(string(k.Kind) + "\x00" + k.Name + "\x00" + salt))
	return float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)
}

// A Pause is a span in which nothing is begun. The zero value is none.
type Pause struct {
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// Holds tells whether it is on. One that lies in the future is none: the clock was set back.
func (p Pause) Holds(now time.Time) bool {
	return now.Before(p.Until) && !now.Before(p.From.Add(-schedule.Ahead))
}

// A Calendar knows the due times around a moment, so that each is looked for once. The
// zero value is ready to use; it is not safe for concurrent use.
type Calendar struct{ spans map[schedule.Plan]span }

type span struct{ prev, next time.Time } // next zero: never

// Around gives the last due time at a moment or before, and the first one after; zero:
// there is none.
func (c *Calendar) Around(p schedule.Plan, now time.Time) (prev, next time.Time) {
	s, known := c.spans[p]
	if !known || now.Before(s.prev) || !s.next.IsZero() && !now.Before(s.next) {
		s = span{p.Prev(now), p.Next(now)}
		if c.spans == nil {
			c.spans = map[schedule.Plan]span{}
		}
		c.spans[p] = s
	}
	return s.prev, s.next
}

// forget makes room for the plans of another configuration.
func (c *Calendar) forget() { c.spans = nil }

// next is when a task is due next; zero: never.
func (c *Calendar) next(t *Task, now time.Time) (next time.Time) {
	for _, p := range t.Plans {
		if _, n := c.Around(p, now); !n.IsZero() && (next.IsZero() || n.Before(next)) {
			next = n
		}
	}
	return next
}

// gap is what a task has to be done in; 0: it is never due.
func (c *Calendar) gap(t *Task, now time.Time) (gap time.Duration) {
	for _, p := range t.Plans {
		prev, next := c.Around(p, now)
		if d := next.Sub(prev); !prev.IsZero() && !next.IsZero() && (gap == 0 || d < gap) {
			gap = d
		}
	}
	return gap
}

// due tells whether a task is to be run now by its plans, and since when it is.
func (c *Calendar) due(t *Task, r *Record, now time.Time) (since time.Time, is bool) {
	for _, p := range t.Plans {
		if p.Schedule.IsZero() || !p.Window.Contains(in(now, p.Zone)) {
			continue
		}
		prev, _ := c.Around(p, now)
		if !schedule.IsDue(r.Success, prev, now) || isOff(r, prev, now) || holdsBack(r, prev, now) {
			continue
		}
		if !is || prev.Before(since) {
			since, is = prev, true
		}
	}
	return since, is
}

func in(now time.Time, zone *time.Location) time.Time {
	if zone == nil {
		return now.UTC()
	}
	return now.In(zone)
}

// isOff tells whether somebody called off what was due at prev.
func isOff(r *Record, prev, now time.Time) bool {
	return !r.Off.IsZero() && !r.Off.Before(prev) && !r.Off.After(now.Add(schedule.Ahead))
}

// holdsBack tells whether a task has to wait before it is tried again: until then, or
// until another due time. What would be longer than anything waits was noted by a clock
// that was ahead.
func holdsBack(r *Record, prev, now time.Time) bool {
	if r.NotBefore.IsZero() || !now.Before(r.NotBefore) || r.NotBefore.Sub(now) > 2*longestRetry {
		return false
	}
	return !r.Begun.Before(prev)
}

// overdue tells whether the newest good revision of what a task backs up is older than was
// promised. What never had one has it from when it became a task.
func (c *Calendar) overdue(t *Task, r *Record, now time.Time) bool {
	promise := time.Duration(t.Overdue * float64(c.gap(t, now)))
	from := r.Good
	if from.IsZero() {
		from = r.Seen
	}
	return promise > 0 && !from.IsZero() && now.Sub(from) > promise
}
