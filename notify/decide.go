package notify

import (
	"time"

	"varve/status"
)

// An entry is what one channel was told of one trouble.
type entry struct {
	Trouble Trouble   `json:"trouble"` // as it was told last
	Told    time.Time `json:"told"`    // when that was
	Over    time.Time `json:"over"`    // when it was told last that it is over; zero: never
	Open    bool      `json:"open"`    // whoever is told takes it to last
}

// A ledger is what one channel was told.
type ledger []entry

// decide holds what is wrong now against what was told, and gives what is to be told, and
// what was told once it is:
//
//   - What is wrong, and not believed to be, is told at once; so is what has become critical.
//
//   - What is critical, and lasts, is told again after so long; a warning is not.
//
//   - That something is over is told at once, but not twice within that time of one
//     trouble: what comes and goes is told to be there, rather than to be over.
//
//   - Anomalies of one night are one alarm: after one was told, those of other volumes wait
//     until there is something else to tell, or the night is over.
//
// If what is wrong is known in part only, nothing is over.
func (l ledger) decide(s Situation, again time.Duration) (m Message, then ledger) {
	m.New, m.Still, m.Over = []Trouble{}, []Trouble{}, []Trouble{}
	told := map[key]entry{}
	for _, e := range l {
		told[e.Trouble.key()] = e
	}
	seen := map[key]bool{}
	var waiting []Trouble
	for _, t := range s.Troubles {
		k := t.key()
		if seen[k] {
			continue // of several revisions, say: the first stands for all
		}
		seen[k] = true
		e, was := told[k]
		switch {
		case !e.Open && isAnomaly(t) && l.hasAlarmed(s.Now):
			if waiting = append(waiting, t); !was {
				continue
			}
		case !e.Open, t.Grade == Critical && e.Trouble.Grade != Critical:
			m.New = append(m.New, t)
			e.Trouble, e.Told, e.Open = t, s.Now, true
		case t.Grade == Critical && isLongAgo(e.Told, s.Now, again):
			m.Still = append(m.Still, t)
			e.Trouble, e.Told = t, s.Now
		}
		then = append(then, e)
	}
	for _, e := range l {
		switch {
		case seen[e.Trouble.key()]:
		case s.Partial, e.Open && !isLongAgo(e.Over, s.Now, again):
			then = append(then, e)
		case e.Open:
			m.Over = append(m.Over, e.Trouble)
			e.Open, e.Over = false, s.Now
			then = append(then, e)
		case !isLongAgo(e.Over, s.Now, again):
			then = append(then, e) // it is not to be told as over again for a while
		}
	}
	if m.isEmpty() {
		return m, then
	}
	m.New = append(m.New, waiting...)
	return m, then.with(waiting, s.Now)
}

// night is how long what one night brings may come.
const night = 12 * time.Hour

func isAnomaly(t Trouble) bool { return t.Kind == string(status.Anomaly) }

// hasAlarmed tells whether an anomaly was told in this night.
func (l ledger) hasAlarmed(now time.Time) bool {
	for _, e := range l {
		if isAnomaly(e.Trouble) && !isLongAgo(e.Told, now, night) {
			return true
		}
	}
	return false
}

// with is the ledger once some are told, too.
func (l ledger) with(some []Trouble, now time.Time) ledger {
	for _, t := range some {
		e := entry{Trouble: t, Told: now, Open: true}
		for i := range l {
			if l[i].Trouble.key() == t.key() {
				e.Over = l[i].Over
				l = append(l[:i], l[i+1:]...)
				break
			}
		}
		l = append(l, e)
	}
	return l
}

// isLongAgo tells whether something was so long ago. What never was, was; so was what a clock
// that was wrong has put into the future.
func isLongAgo(then, now time.Time, long time.Duration) bool {
	return now.Sub(then) >= long || then.After(now)
}
