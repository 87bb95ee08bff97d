package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"varve/revision"
)

// Run runs what is due until ctx ends, and then ends what runs. It returns nil after an
// ordered end.
func (s *Scheduler) Run(ctx context.Context) error {
	s.begin()
	defer close(s.gone)
	for {
		s.decide()
		if s.opts.Once && !s.looking && len(s.running) == 0 {
			if s.world == nil {
				return errors.New(s.blind)
			}
			return s.end()
		}
		s.save()
		s.opts.Watched()
		if ctx.Err() != nil || !s.await(ctx.Done(), s.pauseUntilNext()) {
			return s.end()
		}
	}
}

// await waits until something happens, and takes it up. It returns false when done is closed.
func (s *Scheduler) await(done <-chan struct{}, longest time.Duration) bool {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
	case a := <-s.requests:
		s.hear(a)
	case e := <-s.ended:
		s.finish(e)
	case l := <-s.looked:
		s.learn(l)
		early := s.early
		s.early = nil
		for _, a := range early {
			s.hear(a)
		}
	}
	return true
}

// begin takes over from whoever was there before.
func (s *Scheduler) begin() {
	if before := s.state.Process; before != nil {
		s.tell(Event{Kind: Died, Text: fmt.Sprintf("the scheduler before this one (pid %d) ended without a word, after %s",
			before.PID, s.state.Heartbeat.Local().Format("Mon _2 Jan 15:04:05"))})
	}
	if !s.opts.Once { // which may end as it likes
		s.me.Since = time.Now().UTC().Truncate(time.Second)
		s.state.Process, s.state.Stopped = &s.me, time.Time{}
		s.tell(Event{Kind: Started, Text: fmt.Sprintf("the scheduler runs (pid %d)", s.me.PID)})
	}
	s.dirty, s.began = true, time.Now()
	s.look()
}

// pauseUntilNext is how long nothing happens by itself.
func (s *Scheduler) pauseUntilNext() time.Duration {
	d := s.opts.Tick
	if !s.wake.IsZero() {
		d = min(d, max(time.Until(s.wake), 0))
	}
	return d
}

// decide starts what is to be started now.
func (s *Scheduler) decide() {
	if s.world == nil {
		return
	}
	now := time.Now()
	s.judge(now)
	d := Decide(s.situation(now))
	s.waiting, s.wake = d.Waiting, d.Wake
	age := now.Sub(s.lookedAt)
	isStale := age > freshEnough+s.lookTook || age < 0
	if age > oldest || age < 0 || isStale && len(d.Start)+len(d.Waiting) > 0 {
		s.look()
	}
	if isStale && s.looking && now.Sub(s.lookBegun) < longestLook {
		return // what is not due any more is not begun
	}
	for _, k := range d.Start {
		s.start(k, now)
	}
}

func (s *Scheduler) situation(now time.Time) Situation {
	tasks := s.world.Tasks
	if s.opts.Once {
		tasks = slices.DeleteFunc(slices.Clone(tasks), func(t Task) bool { return s.tried[t.Key] })
	}
	running := make([]Run, 0, len(s.running))
	for _, r := range s.running {
		running = append(running, r.Run)
	}
	return Situation{
		Now: now, From: s.began, Tasks: tasks, Records: s.state.Records, Running: running, Others: s.world.Others,
		Asked: s.asked, Pause: s.state.Pause, Slots: s.world.Slots, Calendar: &s.calendar,
	}
}

// judge tells of what is overdue, and of what is not any more. What was noted before the
// world was looked at last would be no reason.
func (s *Scheduler) judge(now time.Time) {
	if !s.judged.Before(s.world.At) {
		return
	}
	s.judged = s.world.At
	for i := range s.world.Tasks {
		t := &s.world.Tasks[i]
		r := s.state.Records[t.Key]
		if !t.Kind.IsBackup() || r == nil {
			continue
		}
		switch is := s.calendar.overdue(t, r, now); {
		case is && !r.Late:
			r.Late, s.dirty = true, true
			s.tell(Event{Kind: Overdue, Task: t.Key, Volumes: t.Volumes, Attempts: r.Failures, Good: r.Good, Text: overdueText(r)})
		case !is && r.Late:
			r.Late, s.dirty = false, true
			s.tell(Event{Kind: Recovered, Task: t.Key, Volumes: t.Volumes, Good: r.Good, Text: "there is a good revision again"})
		}
	}
}

func overdueText(r *Record) string {
	switch {
	case r.Failures > 0:
		return r.Error
	case r.Good.IsZero():
		return "there is no good revision yet"
	}
	return "there is no good revision since " + r.Good.Local().Format("Mon _2 Jan 15:04")
}

// look has the world looked at, unless that goes on already.
func (s *Scheduler) look() {
	if s.looking {
		s.lookAgain = true
		return
	}
	s.looking, s.lookAgain, s.lookBegun = true, false, time.Now()
	go func() {
		world, err := s.opts.Look(s.runs)
		select {
		case s.looked <- lookedAt{world, err}:
		case <-s.gone:
		}
	}()
}

// learn takes up what was seen.
func (s *Scheduler) learn(l lookedAt) {
	s.looking, s.lookedAt, s.lookTook = false, s.lookBegun, time.Since(s.lookBegun)
	if s.lookAgain {
		s.look()
	}
	if l.err != nil {
		if text := l.err.Error(); text != s.blind {
			s.blind = text
			s.opts.Log.Warn("what there is cannot be told", "error", l.err)
		}
		return
	}
	s.blind, s.world = "", l.world
	if len(l.world.Unread) > 0 {
		s.blind = l.world.Unread[0]
	}
	known := len(s.state.Records)
	s.state.learn(l.world)
	s.dirty = s.dirty || len(s.state.Records) != known // the rest is learnt again
	s.asked = slices.DeleteFunc(s.asked, func(k Key) bool { return s.task(k) == nil })
}

func (s *Scheduler) task(k Key) *Task {
	if s.world == nil {
		return nil
	}
	if i := slices.IndexFunc(s.world.Tasks, func(t Task) bool { return t.Key == k }); i >= 0 {
		return &s.world.Tasks[i]
	}
	return nil
}

// start begins a run.
func (s *Scheduler) start(k Key, now time.Time) {
	t, r := s.task(k), s.state.Records[k]
	given := t.about(r)
	words := slices.Clone(t.Words)
	for _, v := range given {
		words = append(words, v.String())
	}
	volumes := t.Volumes
	if !k.Kind.IsBackup() {
		volumes = given
	}
	one := &run{Run: Run{Key: k, Volumes: volumes, Begun: now}, given: given}
	ctx, cancel := context.WithCancelCause(s.runs)
	one.cancel = cancel
	s.running[k] = one
	s.asked = slices.DeleteFunc(s.asked, func(a Key) bool { return a == k })
	s.tried[k] = true
	s.tell(Event{Kind: Began, Task: k, Volumes: volumes, Attempts: r.Failures, Good: r.Good, Text: "begun"})
	go func() {
		res := s.opts.Runner.Run(ctx, words)
		res.Begun, res.Ended = now, time.Now()
		if cause := context.Cause(ctx); cause != nil && !res.Outcome.Done() {
			res.Outcome = Cut
			if cause == errCalledOff {
				res.Outcome = Interrupt
			}
		}
		cancel(nil)
		select {
		case s.ended <- endedRun{one, res}:
		case <-s.gone:
		}
	}()
}

// finish takes up how a run ended.
func (s *Scheduler) finish(e endedRun) {
	k, res := e.run.Key, e.res
	if s.ending && res.Outcome == Failure && (res.Exit < 0 || res.Exit > 128) { // whoever ended us ended it, too
		res.Outcome = Cut
	}
	delete(s.running, k)
	s.dirty = true
	if s.opts.Once {
		s.results = append(s.results, Ended{k, res})
	}
	r := s.state.Records[k]
	if r == nil { // the configuration does not name it any more
		r = new(Record)
	}
	failures, late := r.Failures, r.Late
	r.note(k, res)
	if t := s.task(k); t != nil {
		r.tookTurns(t, e.run.given, res)
		if t.About.Changed && res.Outcome.Done() {
			r.NotBefore = res.Ended.Add(between)
		}
	}
	if k.Kind.IsBackup() && res.Outcome.Done() {
		r.Late = false
		s.changed(e.run.Volumes)
	}
	event := Event{Task: k, Volumes: e.run.Volumes, Result: &res, Attempts: r.Failures, Good: r.Good, Text: res.Error}
	switch res.Outcome {
	case OK:
		event.Kind, event.Text = Succeeded, "done"
	case Findings:
		event.Kind = Found
	case Failure:
		event.Kind = Failed
	case Interrupt:
		event.Kind, event.Text = Cancelled, errCalledOff.Error()
	case Busy, Cut:
		s.opts.Log.Info("not done, and tried again", "task", k, "why", res.Error)
		return
	}
	s.tell(event)
	if res.Outcome.Done() && (failures > 0 || late) {
		event.Kind, event.Text = Recovered, "done again, after "+timesText(failures)
		if failures == 0 {
			event.Text = "done again, after it was overdue"
		}
		s.tell(event)
	}
}

func timesText(failures int) string {
	if failures == 1 {
		return "it had failed once"
	}
	return fmt.Sprintf("it had failed %d times", failures)
}

// changed notes for those whom it concerns that volumes were backed up.
func (s *Scheduler) changed(volumes []revision.Name) {
	for i := range s.world.Tasks {
		t := &s.world.Tasks[i]
		if r := s.state.Records[t.Key]; r != nil {
			r.changedBy(t, volumes, time.Now().Round(0))
		}
	}
}

// end lets what runs go on for a while, then calls it off, and waits until it has ended.
func (s *Scheduler) end() error {
	s.ending = true
	if !s.opts.Once {
		s.tell(Event{Kind: Stopping, Text: "the scheduler ends"})
	}
	limit := time.AfterFunc(s.opts.Finish, func() { s.cancel(errEnding) })
	defer limit.Stop()
	for len(s.running) > 0 {
		s.opts.Watched()
		s.await(nil, s.opts.Tick)
	}
	s.cancel(errEnding)
	if !s.opts.Once { // which leaves it to be told that another one died
		s.state.Process, s.state.Stopped = nil, time.Now()
	}
	s.dirty, s.written = true, time.Time{}
	s.save()
	return nil
}

// save writes the state, if there is something new, and not too often.
func (s *Scheduler) save() {
	now := time.Now()
	since := now.Sub(s.written)
	if !s.dirty && since < heartbeat && since >= 0 {
		return
	}
	if since < time.Second && since >= 0 {
		if soon := s.written.Add(time.Second); s.wake.IsZero() || soon.Before(s.wake) {
			s.wake = soon
		}
		return
	}
	s.dirty, s.written, s.state.Heartbeat = false, now, now.UTC().Truncate(time.Second)
	err := s.state.write(s.tree, s.temps)
	if text := fmt.Sprint(err); err != nil && text != s.unwritten {
		s.opts.Log.Warn("what the scheduler knows is not kept", "error", err)
		s.unwritten = text
	} else if err == nil {
		s.unwritten = ""
	}
}

func (s *Scheduler) tell(e Event) {
	e.Time = time.Now()
	s.opts.Tell(e)
}
