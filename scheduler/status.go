package scheduler

import (
	"maps"
	"slices"
	"time"
)

// status is how things are.
func (s *Scheduler) status(now time.Time) *Status {
	st := &Status{
		Process: s.me, Heartbeat: now.UTC().Truncate(time.Second), Broken: s.broken, Blind: s.blind, Waiting: slices.Clone(s.waiting),
		Running: []RunStatus{},
	}
	if st.Waiting == nil {
		st.Waiting = []Key{}
	}
	if s.state.Pause.Holds(now) {
		st.Paused = s.state.Pause.Until
	}
	if s.world != nil {
		st.Slots, st.Tasks = max(1, s.world.Slots), len(s.world.Tasks)
		for _, t := range s.world.Tasks {
			for _, p := range t.Plans {
				if until := p.Window.Until(in(now, p.Zone)); until.After(st.Window) && !p.Schedule.IsZero() {
					st.Window = until
				}
			}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(s.running), compareKeys) {
		r := s.running[k]
		one := RunStatus{Key: k, Volumes: r.Volumes, Begun: r.Begun.UTC()}
		if rec := s.state.Records[k]; rec != nil {
			usual, _ := rec.Usual()
			one.Usual = usual.Seconds()
		}
		st.Running = append(st.Running, one)
		if k.Kind.IsBackup() {
			st.Busy++
		}
	}
	st.Failing = s.state.failing(now)
	return st
}

// failing lists the tasks whose last try failed.
func (s *state) failing(now time.Time) []Failing {
	all := []Failing{}
	for _, k := range slices.SortedFunc(maps.Keys(s.Records), compareKeys) {
		r := s.Records[k]
		if r.Failures == 0 {
			continue
		}
		one := Failing{Key: k, Failures: r.Failures, Tried: r.Begun.UTC(), Error: r.Error}
		if r.NotBefore.After(now) {
			one.Again = r.NotBefore.UTC()
		}
		all = append(all, one)
	}
	return all
}
