package main

import (
	"time"

	"varve/repository"
	"varve/revision"
	"varve/status"
)

// missed is due times that went by without a revision. Its fields are API.
type missed struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Times int       `json:"times"`
	Why   string    `json:"why"`
}

// missedBy finds the due times since a moment that went by without one of the
// revisions. Where the configuration has no schedule for the volume, there are none.
func (s *session) missedBy(repo *repository.Repository, name revision.Name, all []entry, since time.Time) []missed {
	out := []missed{}
	conf, err := s.configuration()
	if err != nil || conf == nil {
		return out
	}
	wanted, configured := conf.Volume(name)
	if !configured || wanted.Plan.Schedule.IsZero() {
		return out
	}
	var begun []time.Time
	for i := range all {
		begun = append(begun, all[i].Begun)
	}
	now := s.begun.In(s.zone)
	if len(status.FindMissed(wanted.Plan, name, begun, nil, since, now)) == 0 {
		return out // so the journal need not be read
	}
	events, err := repo.EventsSince(since)
	if err != nil {
		s.warn("a part of the journal cannot be read: %v", err)
	}
	for _, m := range status.FindMissed(wanted.Plan, name, begun, events, since, now) {
		m.First, m.Last = m.First.UTC(), m.Last.UTC()
		out = append(out, missed(m))
	}
	return out
}

// line says what was missed, on which day or days.
func (m *missed) line(p *page) markup {
	dash := "-"
	if p.unicode {
		dash = "–"
	}
	when := formatDay(m.First, p.now)
	if last := formatDay(m.Last, p.now); last != when {
		when += " to " + last
	}
	times := ""
	if m.Times > 1 {
		times = " " + formatCount(m.Times, "time")
	}
	return p.yellow("  " + dash + "   " + when + "   missed" + times + ": " + m.Why)
}
