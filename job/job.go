package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"varve/backup"
	"varve/config"
	"varve/hook"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// A Job is one volume to back up.
type Job struct {
	Volume revision.Name
	Source string         // for [Options.Open]; empty: what the newest revision was read from
	Stream volume.Source  // in the place of Source; nil: there is none
	Wanted *config.Volume // what is configured of it; nil: nothing
	Set    *config.Set    // that it is of: it is done together with those beside it that are, too; nil: none
	Gone   bool           // its source was named by a pattern once, which does not find it any more
	IfDue  bool           // only if Wanted, or another of its set, is due still when a slot is free
	Hooks  hook.Hooks     // if there is a Before or an After, these two are in the place of the configured ones

	// Create is what is asked for besides what is configured. Its Wait is for a slot,
	// too; zero: as long as others need. Volume and what is a function are filled in.
	Create backup.CreateOptions
}

// Options is what all jobs of a run share. Open has to be given.
type Options struct {
	Open       func(ctx context.Context, source string) (volume.Source, error)
	Command    string         // what this process does: "backup"
	Repository string         // where it is, as hooks are told
	Limits     config.Limits  // of this host
	Anomaly    config.Anomaly // when a new revision is told as unlike those before it; the zero value: never
	StateDir   string         // where the runs of this host know of each other, if it has limits
	Guardian   hook.Guardian
	Log        *slog.Logger // nil discards

	// Tell is told what happens, before the work goes on: by one goroutine at a time,
	// and not for long. Nil: nobody is told.
	Tell func(Event)
}

func (o Options) tell(e Event) {
	if o.Tell != nil {
		o.Tell(e)
	}
}

// A Result is how a job ended.
type Result struct {
	Volume  revision.Name
	Created *backup.Result        // nil: there is no revision
	History []repository.Revision // what there was before
	Err     error                 // nil if and only if Created is not
}

// attempt is a job under way.
type attempt struct {
	Job
	repo    *repository.Repository
	opts    Options
	newest  *revision.Statement // of the volume; nil: there is none
	history []repository.Revision
	slot    slot
	runner  hook.Runner

	leftOver error // why the hook after failed; nil: it did not
}

// Do does a job. What keeps it from beginning is in the journal, too, unless somebody
// is only busy, or what was asked for cannot be meant.
func Do(ctx context.Context, repo *repository.Repository, j Job, opts Options) Result {
	a := &attempt{Job: j, repo: repo, opts: opts}
	begun := time.Now()
	created, journaled, err := a.run(ctx)
	if !journaled && err != nil {
		a.journal(ctx, begun, err)
	}
	if created != nil {
		a.judge(ctx, created)
	}
	return Result{Volume: j.Volume, Created: created, History: a.history, Err: err}
}

// run does the job. Journaled tells whether the journal has it.
func (a *attempt) run(ctx context.Context) (created *backup.Result, journaled bool, err error) {
	if err := a.look(); err != nil {
		return nil, false, err
	}
	if err := a.settleSource(); err != nil {
		return nil, false, err
	}
	waited, err := a.takeSlot(ctx)
	if err != nil {
		return nil, false, err
	}
	defer a.giveSlot()
	if waited { // others may have backed it up meanwhile
		if err := a.look(); err != nil {
			return nil, false, err
		}
		if a.IfDue && !isDue(a.Wanted.Plan, a.newest, time.Now()) {
			return nil, false, ErrNotDue
		}
	}
	if err := a.arm(); err != nil {
		return nil, false, err
	}
	create := a.create()
	if h := a.runner.Hooks; h.Before != "" || h.After != "" {
		create.Open = a.openBetweenHooks
		created, err = backup.Create(ctx, a.repo, nil, create)
		if created == nil && a.leftOver != nil { // else it is among what the revision warns of
			a.warn(fmt.Errorf("%s: %w", a.Volume, a.leftOver))
		}
		return created, true, err
	}
	src, err := a.open(ctx)
	if err != nil {
		return nil, false, err // before a volume is made for nothing
	}
	created, err = backup.Create(ctx, a.repo, src, create)
	return created, true, err
}

// look sees what there is of the volume.
func (a *attempt) look() (err error) {
	a.newest, a.history, err = newestKnown(a.repo, a.Volume)
	return err
}

// settleSource takes the source of last time if there is no other.
func (a *attempt) settleSource() error {
	if a.Source != "" || a.Stream != nil {
		return nil
	}
	if a.newest != nil {
		a.Source = locationOf(a.newest.Source)
	}
	if a.Source == "" {
		_, err := a.repo.Volume(a.Volume)
		return &NoSourceError{Volume: a.Volume, New: errors.Is(err, repository.ErrNoVolume)}
	}
	return nil
}

// locationOf is what to open to read a source again; empty: that cannot be.
func locationOf(was revision.Source) string {
	switch was.Kind {
	case "file", "device":
		return "file:" + was.Path
	case string(volume.SchemeRBD):
		return string(volume.SchemeRBD) + ":" + was.Path
	}
	return ""
}

// open opens the source, and tells of it.
func (a *attempt) open(ctx context.Context) (src volume.Source, err error) {
	if src = a.Stream; src == nil {
		if src, err = a.opts.Open(ctx, a.Source); err != nil {
			return nil, a.saidGone(err)
		}
	}
	a.opts.tell(Event{Kind: Opened, Volume: a.Volume, Source: src.Describe(), Newest: a.newest})
	return src, nil
}

// create is what is asked for, and what is configured besides.
func (a *attempt) create() backup.CreateOptions {
	create := a.Create
	create.Volume = a.Volume
	if a.Wanted != nil {
		create.CompareAll, create.StallTimeout = a.Wanted.CompareAll, a.Wanted.StallTimeout
		for _, tag := range a.Wanted.Tags {
			if !slices.Contains(create.Tags, tag) {
				create.Tags = append(slices.Clip(create.Tags), tag)
			}
		}
	}
	if a.runner.Hooks.Freezes() {
		create.Freeze = a.runner.Freeze
	}
	create.Former = func(ctx context.Context, was revision.Source) (volume.Source, error) {
		return a.opts.Open(ctx, locationOf(was))
	}
	create.Admit, create.MinFree = a.slot.admit(), roomFor(a.opts.Limits)
	return create
}

// journal writes down what kept the job from beginning. Whatever that was, damage too, it failed: there is no revision.
func (a *attempt) journal(ctx context.Context, begun time.Time, failure error) {
	g := GravityOf(failure)
	if g == Busy || g == Misuse || errors.Is(failure, ErrNotDue) {
		return
	}
	e := repository.Event{Op: repository.OpBackup, Volume: a.Volume, Seconds: time.Since(begun).Seconds()}
	if err := a.repo.RecordEnd(context.WithoutCancel(ctx), e, failure, false); err != nil {
		a.warn(err)
	}
}

func (a *attempt) warn(err error) { a.opts.tell(Event{Kind: Trouble, Volume: a.Volume, Err: err}) }

// newestKnown is the newest revision whose statement can be read, nil if there is
// none; and all that there are.
func newestKnown(repo *repository.Repository, name revision.Name) (*revision.Statement, []repository.Revision, error) {
	v, err := repo.Volume(name)
	if errors.Is(err, repository.ErrNoVolume) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	all, err := repo.Revisions(v)
	for _, rev := range slices.Backward(all) {
		if rev.Statement != nil {
			return rev.Statement, all, err
		}
	}
	return nil, all, err
}
