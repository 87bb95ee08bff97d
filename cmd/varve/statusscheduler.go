package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"varve/revision"
	"varve/scheduler"
	"varve/status"
)

// heardScheduler is what could be learnt of the scheduler of this host.
type heardScheduler struct {
	state  status.Scheduler
	answer *scheduler.Status // nil: it did not answer
	left   *scheduler.Left   // what it left; nil: nothing, or it answered
	beat   time.Time         // when it last showed that it lives; zero: never
}

// hearScheduler asks the scheduler of a repository, and where none answers, looks for what
// it left.
func (s *session) hearScheduler(ctx context.Context, id revision.UUID, now time.Time) (h heardScheduler) {
	if s.ownStatus != nil {
		return hearAnswer(s.ownStatus)
	}
	ctx, cancel := context.WithTimeout(ctx, askShort)
	defer cancel()
	for _, dir := range schedulerDirs(id) {
		a, err := scheduler.Ask(ctx, dir, scheduler.Request{Do: scheduler.AskStatus})
		if err == nil && a.Status != nil {
			return hearAnswer(a.Status)
		}
		if errors.Is(err, fs.ErrPermission) {
			continue // we are not let in
		}
		left, lerr := scheduler.ReadLeft(dir, now)
		if lerr != nil || left == nil {
			continue // it says nothing, and a scheduler makes it anew
		}
		h.left, h.beat = left, left.Heartbeat
		switch {
		case errors.Is(err, scheduler.ErrSilent):
			h.state = status.Scheduler{Kind: status.Silent, Heard: left.Heartbeat}
		case left.Process != nil:
			h.state = status.Scheduler{Kind: status.Dead, Heard: left.Heartbeat}
		default:
			h.state = status.Scheduler{Kind: status.Stopped, Heard: left.Stopped}
		}
		if left.Process != nil {
			h.state.PID = left.Process.PID
		}
		return h
	}
	return h
}

// hearAnswer is what can be learnt from one that answers.
func hearAnswer(a *scheduler.Status) heardScheduler {
	return heardScheduler{
		state:  status.Scheduler{PID: a.Process.PID, Heard: a.Heartbeat, Broken: a.Broken, Blind: a.Blind},
		answer: a, beat: a.Heartbeat,
	}
}

// judgedDaemon is how the scheduler is. Its fields are API.
type judgedDaemon struct {
	State     string          `json:"state"` // "up", "silent", "stopped" or "dead"
	PID       known[int]      `json:"pid"`
	Since     *time.Time      `json:"since"` // when it began, or was stopped
	Heartbeat *time.Time      `json:"heartbeat"`
	Slots     known[int]      `json:"slots"`
	Busy      int             `json:"busy"`
	Waiting   int             `json:"waiting"`
	Running   []scheduledTask `json:"running"`
	Window    *time.Time      `json:"window_until"`
	Paused    *time.Time      `json:"paused_until"`
	Failing   []failingTask   `json:"failing"`
}

// scheduledTask is a run of the scheduler under way. Its fields are API.
type scheduledTask struct {
	Kind  scheduler.Kind `json:"kind"`
	Name  string         `json:"name"` // of the volume or the set; empty: maintenance
	Begun time.Time      `json:"begun"`
	Usual known[float64] `json:"usually_seconds"`
}

// failingTask is one whose last try failed. Its fields are API.
type failingTask struct {
	Kind     scheduler.Kind `json:"kind"`
	Name     string         `json:"name"`
	Failures int            `json:"failures"`
	Tried    *time.Time     `json:"tried"`
	Again    *time.Time     `json:"again"` // null: when it is due
	Error    string         `json:"error"`
}

// judged is nil where there never was a scheduler, or nobody can tell.
func (h *heardScheduler) judged() *judgedDaemon {
	d := &judgedDaemon{State: "up", PID: known[int]{h.state.PID}, Heartbeat: timeOrNil(h.beat), Running: []scheduledTask{}, Failing: []failingTask{}}
	var failing []scheduler.Failing
	switch {
	case h.answer != nil:
		a := h.answer
		d.Since, d.Slots, d.Busy, d.Waiting = timeOrNil(a.Process.Since), known[int]{a.Slots}, a.Busy, len(a.Waiting)
		d.Window, d.Paused, failing = timeOrNil(a.Window), timeOrNil(a.Paused), a.Failing
		for _, r := range a.Running {
			d.Running = append(d.Running, scheduledTask{r.Key.Kind, r.Key.Name, r.Begun.UTC(), known[float64]{r.Usual}})
		}
	case h.left != nil:
		d.State = strings.TrimPrefix(string(h.state.Kind), "scheduler-")
		d.Since, d.Paused, failing = timeOrNil(h.left.Stopped), timeOrNil(h.left.Paused), h.left.Failing
	default:
		return nil
	}
	for _, f := range failing {
		d.Failing = append(d.Failing, failingTask{f.Key.Kind, f.Key.Name, f.Failures, timeOrNil(f.Tried), timeOrNil(f.Again), f.Error})
	}
	return d
}

// inWords is "up 12 days (pid 812), 2 of 2 slots busy, window until 06:00, heartbeat 03:00".
func (d *judgedDaemon) inWords(p *page) string {
	beat := ""
	if d.Heartbeat != nil {
		beat = "heartbeat " + formatMinute(*d.Heartbeat, p.now)
	}
	if d.State != "up" {
		text := d.State
		if d.Since != nil {
			text += " since " + formatMinute(*d.Since, p.now)
		}
		if d.Paused != nil {
			text += ", PAUSED until " + formatMinute(*d.Paused, p.now)
		}
		return text + prefixed(", ", beat)
	}
	facts := []string{fmt.Sprintf("up %s (pid %d)", formatLong(p.now.Sub(*d.Since)), d.PID.is)}
	if d.Slots.is > 0 {
		facts = append(facts, fmt.Sprintf("%d of %s busy", d.Busy, formatCount(d.Slots.is, "slot")))
	} else {
		facts = append(facts, "looks for what there is")
	}
	if d.Waiting > 0 {
		facts = append(facts, fmt.Sprintf("%d waiting", d.Waiting))
	}
	for _, r := range d.Running {
		if !r.Kind.IsBackup() {
			facts = append(facts, fmt.Sprintf("%s for %s", r.Kind, formatDuration(p.now.Sub(r.Begun))))
		}
	}
	if d.Paused != nil {
		facts = append(facts, "PAUSED until "+formatMinute(*d.Paused, p.now))
	}
	if d.Window != nil {
		facts = append(facts, "window until "+d.Window.In(p.now.Location()).Format("15:04"))
	}
	if n := len(d.Failing); n > 0 {
		facts = append(facts, fmt.Sprintf("%d failing", n))
	}
	return strings.Join(append(facts, beat), ", ")
}
