package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"varve/backup"
	"varve/config"
	"varve/hook"
	"varve/hostlimit"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// job is one volume to back up.
type job struct {
	volume revision.Name
	source string         // as typed or configured; empty: what the newest revision was read from
	stdin  io.Reader      // of a source that is a stream
	wanted *config.Volume // nil: the configuration does not name it
	ifDue  bool           // only if wanted is due still when a slot is free
	opts   backup.CreateOptions
}

// jobDone is how a job ended.
type jobDone struct {
	volume  revision.Name
	created *backup.Result        // nil: there is no revision
	history []repository.Revision // what there was before
	good    string                // what is still good
	err     error
}

// attempt is a job under way.
type attempt struct {
	job
	s      *session
	repo   *repository.Repository
	begun  time.Time
	began  func(src volume.Source, newest *revision.Statement) // told when the source is open; may be nil
	done   jobDone
	host   *hostlimit.Host // nil: nothing is limited
	waited bool            // for a slot
	slot   *hostlimit.Slot
	runner hook.Runner
}

// errNotDue reports a volume that somebody else has backed up since it was due.
var errNotDue = errors.New("it is not due any more")

// perform does a job, with all that is to happen around the backup. What keeps it
// from beginning is in the journal, too, unless somebody is only busy.
func (s *session) perform(ctx context.Context, repo *repository.Repository, j job, began func(volume.Source, *revision.Statement)) jobDone {
	a := &attempt{job: j, s: s, repo: repo, begun: time.Now(), began: began, done: jobDone{volume: j.volume}}
	created, journaled, err := a.run(ctx)
	a.done.created, a.done.err = created, err
	if err == nil {
		a.done.good = address(j.volume, created.Statement.ID) + " is safe: it relies on nothing that is hurt"
		return a.done
	}
	if !journaled && !isBusy(err) && !isMisuse(err) && !errors.Is(err, errNotDue) {
		s.record(ctx, repo, repository.Event{
			Op: repository.OpBackup, Volume: j.volume, Seconds: time.Since(a.begun).Seconds(),
		}, err)
	}
	switch {
	case errors.Is(err, repository.ErrUndecided):
		a.done.good = "the revisions there were are as they were; varve log " + j.volume.String() + " tells whether there is a new one, which is whole then"
	case !isBusy(err):
		a.done.good = "all revisions are as they were; packs that were finished are used by the next run"
	}
	return a.done
}

// run does the job. Journaled tells whether the journal has it.
func (a *attempt) run(ctx context.Context) (created *backup.Result, journaled bool, err error) {
	newest, history, err := newestKnown(a.repo, a.volume)
	if err != nil {
		return nil, false, err
	}
	a.done.history = history
	if a.source == "" && a.stdin == nil {
		if newest == nil || newest.Source.Kind != "file" && newest.Source.Kind != "device" {
			return nil, false, a.s.needSource(a.repo, a.volume)
		}
		a.source = "file:" + newest.Source.Path
	}
	if err := a.takeSlot(ctx); err != nil {
		return nil, false, err
	}
	defer a.giveSlot()
	if a.waited { // others may have backed it up meanwhile
		if newest, a.done.history, err = newestKnown(a.repo, a.volume); err != nil {
			return nil, false, err
		}
		if a.ifDue && !isDue(a.wanted, newest, time.Now().In(a.s.zone)) {
			return nil, false, errNotDue
		}
	}
	if err := a.arm(); err != nil {
		return nil, false, err
	}
	opts := a.options()
	if h := a.runner.Hooks; h.Before != "" || h.After != "" {
		opts.Open = func(ctx context.Context) (volume.Source, func(*revision.Statement), error) {
			done := func(made *revision.Statement) { a.after(ctx, made) }
			if err := a.runner.Before(ctx); err != nil {
				return nil, done, err // done, for what was half made is to be cleared away
			}
			src, err := a.open(newest)
			return src, done, err
		}
		created, err = backup.Create(ctx, a.repo, nil, opts)
		return created, true, err
	}
	src, err := a.open(newest)
	if err != nil {
		return nil, false, err // before a volume is made for nothing
	}
	created, err = backup.Create(ctx, a.repo, src, opts)
	return created, true, err
}

// open opens the source of a volume whose newest revision this is, and tells of it.
func (a *attempt) open(newest *revision.Statement) (src volume.Source, err error) {
	if a.stdin != nil {
		src = volume.NewStream(a.stdin, "standard input")
	} else if src, err = a.s.openBackupSource(a.source); err != nil {
		return nil, err
	}
	if a.began != nil {
		a.began(src, newest)
	}
	return src, nil
}

// options are those of the flags, and what is configured besides.
func (a *attempt) options() backup.CreateOptions {
	opts := a.opts
	if a.wanted != nil {
		opts.CompareAll, opts.StallTimeout = a.wanted.CompareAll, a.wanted.StallTimeout
		for _, tag := range a.wanted.Tags {
			if !slices.Contains(opts.Tags, tag) {
				opts.Tags = append(slices.Clip(opts.Tags), tag)
			}
		}
	}
	if a.runner.Hooks.Freezes() {
		opts.Freeze = a.runner.Freeze
	}
	if a.slot != nil {
		opts.Admit = a.slot.Read
	}
	if least := a.s.minFree(); least != (hostlimit.MinFree{}) {
		opts.MinFree = func(available, total int64) error { return hostlimit.FreeEnough(available, total, least) }
	}
	return opts
}

// takeSlot waits for one of the slots of this host, if their number is limited.
func (a *attempt) takeSlot(ctx context.Context) error {
	var err error
	if a.host, err = a.s.host(); err != nil || a.host == nil {
		return err
	}
	wait := time.Duration(a.s.globals.wait)
	if wait == 0 {
		wait = longestWait // others wait
	}
	holder := hostlimit.Holder{Command: a.s.command, Volume: a.volume.String()}
	a.slot, err = a.host.Acquire(ctx, holder, wait, func(holders []hostlimit.Holder) {
		a.waited = true
		a.s.say("%s waits for a slot of this host: %s", a.volume, hostlimit.JoinHolders(holders))
	})
	if err != nil {
		return errors.Join(err, a.host.Close())
	}
	return nil
}

// longestWait is for a slot, unless --wait says otherwise.
const longestWait = 7 * 24 * time.Hour

func (a *attempt) giveSlot() {
	if a.slot == nil {
		return
	}
	if err := errors.Join(a.slot.Close(), a.host.Close()); err != nil {
		a.s.warn("give a slot of this host back: %v", err)
	}
}

// arm settles which hooks there are.
func (a *attempt) arm() error {
	a.runner = hook.Runner{
		Subject: hook.Subject{Volume: a.volume.String(), Source: a.source, Repository: a.s.about.repo}, Log: a.s.log,
		Guardian: hook.Guardian{Stderr: os.Stderr},
	}
	if a.wanted != nil {
		a.runner.Hooks = hook.Hooks(a.wanted.Hooks)
	}
	if h := a.s.hooks; h.Before != "" || h.After != "" {
		a.runner.Hooks.Before, a.runner.Hooks.After = h.Before, h.After
	}
	if err := a.runner.Hooks.Validate(); err != nil {
		return &usageError{Text: fmt.Sprintf("hooks of volume %q: %v", a.volume, err), Command: a.s.command}
	}
	return nil
}

// after runs the hook after the backup, whatever came of that.
func (a *attempt) after(ctx context.Context, made *revision.Statement) {
	o := hook.Outcome{OK: made != nil}
	if made != nil {
		o.Revision = made.ID.String()
	}
	if err := a.runner.After(afterSignals(ctx), o); err != nil {
		a.s.warn("%s: %v", a.volume, err)
	}
}
