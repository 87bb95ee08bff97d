package retention

import "time"

// longGap is a time without a revision after which the clock may have leapt ahead: a
// volume that is backed up once a week has none.
const longGap = 8 * 24 * time.Hour

// A leap is what the clock may have done ahead of the newest revision, or of now.
type leap struct {
	clock  time.Time // what it would show without the leap; without one, now
	found  bool      // the newest revision lies behind one
	before time.Time // what the clock would show now without that
}

// findLeap looks for long gaps right before the newest of some revisions, and right
// before now. One that is older was confirmed by a backup since.
func (b *builder) findLeap(of []int) leap {
	l := leap{clock: b.now}
	if latest, found := b.latest(of, b.now); found && b.now.Sub(latest) >= longGap {
		l.clock = latest
	}
	if len(of) == 0 {
		return l
	}
	last := len(of) - 1
	newest := b.decisions[of[last]].Begun
	latest, found := b.latest(of[:last], newest)
	if !found || newest.After(b.now) || newest.Sub(latest) < longGap {
		return l
	}
	l.found, l.before = true, latest
	if since := b.now.Sub(newest); since < longGap {
		l.before = latest.Add(since)
	}
	if l.before.Before(l.clock) {
		l.clock = l.before
	}
	return l
}

// latest is the latest time at which one was begun, of those that are not after a time.
func (b *builder) latest(of []int, until time.Time) (latest time.Time, found bool) {
	for _, i := range of {
		if begun := b.decisions[i].Begun; !begun.After(until) && (!found || begun.After(latest)) {
			latest, found = begun, true
		}
	}
	return latest, found
}
