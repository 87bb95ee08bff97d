package main

import (
	"context"
	"errors"
	"os"
	"time"

	"varve/config"
	"varve/notify"
	"varve/scheduler"
)

// How often a scheduler tells what is wrong: so often if nothing happens, which is for the
// heartbeat; and never twice within so long, so that a night of a hundred volumes is a few looks.
const (
	tellEvery = 5 * time.Minute
	tellPause = time.Minute
)

// A teller does something soon after it was asked to, and every few minutes.
type teller struct {
	asked chan struct{}
	tell  func(ctx context.Context)
}

func newTeller(tell func(ctx context.Context)) *teller {
	return &teller{asked: make(chan struct{}, 1), tell: tell}
}

// soon asks it to.
func (t *teller) soon() {
	select {
	case t.asked <- struct{}{}:
	default: // it was already
	}
}

// run does it until ctx ends.
func (t *teller) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.asked:
		case <-time.After(tellEvery):
		}
		t.tell(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(tellPause):
		}
	}
}

// noteForOthers has those who are to be told hear of an event before long.
func (d *daemon) noteForOthers(e scheduler.Event) {
	switch e.Kind {
	case scheduler.Started, scheduler.Died, scheduler.Began, scheduler.Stopping:
		return // nothing is known of it yet, or any more
	}
	d.teller.soon()
}

// tellOthers tells those whom the configuration names what is wrong now. What hangs while it
// looks is looked for by others: see list.
func (d *daemon) tellOthers(ctx context.Context) {
	conf := d.conf.Load()
	s := d.s.beside(conf, d.repo)
	o, wanted := s.notifying()
	if !wanted {
		return
	}
	what, err := d.situation(ctx, s, conf)
	if err == nil {
		_, err = notify.Tell(ctx, o, what)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		d.s.log.Warn("not everybody was told what is wrong", "error", err)
	}
}

// situation is what is wrong, by what the scheduler has seen of the sources.
func (d *daemon) situation(ctx context.Context, s *session, conf *config.Config) (what notify.Situation, err error) {
	listed, isListed := d.listed(conf)
	s.listed = listed
	repo, err := s.openRepository(toList)
	if err != nil {
		what = unreachable(s, err)
	} else {
		what, err = s.situation(ctx, repo)
		s.close("close the repository", repo)
		if err != nil {
			return what, err
		}
	}
	what.Partial = what.Partial || !isListed
	return what, nil
}

// listed gives the volumes of a configuration without a look for sources, which may hang: those
// that another process has found. Unless all of them were, those that need not be looked for.
func (d *daemon) listed(conf *config.Config) (list func() ([]config.Volume, []error), all bool) {
	if seen := d.seen.Load(); seen != nil && seen.of == conf {
		return func() ([]config.Volume, []error) { return seen.volumes, seen.problems }, true
	}
	return func() ([]config.Volume, []error) {
		volumes, _ := volumesWithoutALook(conf)
		return volumes, nil
	}, false
}

// toldByScheduler is set for what a scheduler runs: it tells others itself.
const toldByScheduler = "VARVE_SCHEDULER"

// isToldByScheduler tells whether somebody else tells what comes of this run.
func isToldByScheduler() bool { return os.Getenv(toldByScheduler) != "" }
