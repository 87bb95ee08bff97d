package status

import (
	"slices"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/schedule"
)

// Missed is one or several due times, one after the other, for which no revision was made.
type Missed struct {
	First, Last time.Time
	Times       int
	Why         string // of the last
}

// maxMissed bounds how many due times are looked at: a schedule of minutes over
// years would take long, and tell nobody anything.
const maxMissed = 10_000

// FindMissed tells which due times since a moment went by without a revision, the
// oldest first: a due time is kept by any revision begun between it and the next
// one. That which is not over yet is not missed.
func FindMissed(plan schedule.Plan, name revision.Name, begun []time.Time, events []repository.Event, since, now time.Time) []Missed {
	begun = slices.SortedFunc(slices.Values(begun), time.Time.Compare)
	var all []Missed
	var open *Missed // the last of all, while it goes on
	if gap := plan.Gap(now); gap > 0 && now.Sub(since)/gap >= maxMissed {
		since = now.Add(-maxMissed * gap) // the latest count
	}
	due := plan.Next(since)
	for range maxMissed {
		next := plan.Next(due)
		if due.IsZero() || next.IsZero() || next.After(now) {
			break
		}
		if i, _ := slices.BinarySearchFunc(begun, due, time.Time.Compare); i < len(begun) && begun[i].Before(next) {
			open = nil
		} else {
			why := whyMissed(name, events, due, next)
			if open == nil || open.Why != why {
				all = append(all, Missed{First: due})
				open = &all[len(all)-1]
			}
			open.Last, open.Why = due, why
			open.Times++
		}
		due = next
	}
	return all
}

// whyMissed says what the journal has of a volume's backups in a span of time.
func whyMissed(name revision.Name, events []repository.Event, from, to time.Time) string {
	l := new(late)
	for _, e := range events {
		if e.Op == repository.OpBackup && e.Volume == name && e.Result == repository.ResultFailed && !e.Time.Before(from) && e.Time.Before(to) {
			l.failures = append(l.failures, e)
		}
	}
	if len(l.failures) == 0 {
		return "nobody tried"
	}
	return l.say(len(l.failures))
}
