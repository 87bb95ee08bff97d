package retention

import (
	"math"
	"time"
)

// keepPeriods keeps the newest of each of the newest periods that hold a revision.
//
// What is newest is told in two ways, by the calendar and by the numbers, and what
// either keeps stays: where all clocks were right, both keep the same. By the
// calendar alone, what a clock that was set back has dated would go at once; by the
// numbers alone, it would take the place of a good period.
func (b *builder) keepPeriods(kind Cause) {
	n := b.rules.of(kind)
	periods := make([]int64, len(b.decisions))
	for i, d := range b.decisions {
		periods[i] = period(kind, d.Begun.Unix(), b.offsets[i])
	}
	b.rule(kind, func(s *set) {
		newestVisits(s.of, periods, n, s.kept)
		b.newestPeriods(s.of, b.now, periods, n, s.kept)
		if s.leap.found {
			b.newestPeriods(s.of[:len(s.of)-1], s.leap.before, periods, n, s.kept)
		}
	})
}

// newestVisits keeps the newest of the last n visits: a visit is of revisions one after
// the other, by number, that are of one period.
func newestVisits(of []int, periods []int64, n int, kept []bool) {
	for at := len(of) - 1; at >= 0 && n > 0; at-- {
		if at == len(of)-1 || periods[of[at]] != periods[of[at+1]] {
			kept[of[at]] = true
			n--
		}
	}
}

// newestPeriods keeps the newest of each of the n latest periods of the calendar up to
// now, and of each of the n latest after now. Of what was begun after now, either its
// clock is wrong or that of now: so neither takes the other's place, not even in the
// same period.
//
// A period counts if the clock was going forward when it came to it, not if a clock
// that was set back led to it: those that do not count stay beside the n. Where a
// clock comes back to a period that it had left, what was its newest before stays too;
// so do both neighbours where a clock goes back within a period.
func (b *builder) newestPeriods(of []int, now time.Time, periods []int64, n int, kept []bool) {
	var past, future arrivals
	for _, i := range of {
		if b.decisions[i].Begun.After(now) {
			future.add(periods[i])
		} else {
			past.add(periods[i])
		}
	}
	sincePast, sinceFuture := past.latest(n), future.latest(n)
	last, lastAhead := -1, false // of those that are in one of these periods
	for at, i := range of {
		ahead := b.decisions[i].Begun.After(now)
		if p := periods[i]; ahead && p < sinceFuture || !ahead && p < sincePast {
			continue
		}
		if last >= 0 && (periods[last] != periods[i] || lastAhead != ahead) {
			kept[last] = true
		}
		if at > 0 && periods[of[at-1]] == periods[i] && b.decisions[i].Begun.Before(b.decisions[of[at-1]].Begun) {
			kept[of[at-1]], kept[i] = true, true
		}
		last, lastAhead = i, ahead
	}
	if last >= 0 {
		kept[last] = true
	}
}

// arrivals are the periods at which a clock arrived while it was going forward, ascending.
type arrivals []int64

func (a *arrivals) add(period int64) {
	if n := len(*a); n == 0 || period > (*a)[n-1] {
		*a = append(*a, period)
	}
}

// latest is the earliest of the n latest; if they are fewer, the earliest there can be.
func (a arrivals) latest(n int) int64 {
	if len(a) < n {
		return math.MinInt64
	}
	return a[len(a)-n]
}
