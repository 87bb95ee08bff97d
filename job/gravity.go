package job

import (
	"errors"

	"varve/backup"
	"varve/hostlimit"
	"varve/repository"
	"varve/volume"
)

// Gravity says how badly something ended. The graver is the larger.
type Gravity int

// How something can end.
const (
	Well    Gravity = iota
	Busy            // somebody else is at work: nothing was begun, and it can be tried again
	Misuse          // what was asked for cannot be meant, or is of something that there is not
	Failed          // everything else
	Damaged         // stored data or a source is not as it should be, though there may be a revision
)

// GravityOf judges an error of this package and of those below it; nil is [Well].
func GravityOf(err error) Gravity {
	switch {
	case err == nil:
		return Well
	case isBusy(err):
		return Busy
	case isMisuse(err):
		return Misuse
	case backup.IsDamage(err):
		return Damaged
	}
	return Failed
}

func isBusy(err error) bool {
	var busy *repository.BusyError
	var full *hostlimit.BusyError
	return errors.As(err, &busy) || errors.As(err, &full) || errors.Is(err, volume.ErrBusy)
}

func isMisuse(err error) bool {
	var (
		source      *NoSourceError
		hooks       *HooksError
		match       *NoMatchError
		set         *NoSetError
		loose       *backup.LooseSetError
		location    *volume.LocationError
		unsupported *volume.UnsupportedError
		order       *repository.OrderError
		wrong       *backup.WrongSourceError
	)
	return errors.As(err, &source) || errors.As(err, &hooks) || errors.As(err, &match) || errors.As(err, &set) || errors.As(err, &loose) ||
		errors.As(err, &location) || errors.As(err, &unsupported) || errors.As(err, &order) || errors.As(err, &wrong) ||
		errors.Is(err, repository.ErrNoRepository) || errors.Is(err, repository.ErrNoVolume) || errors.Is(err, volume.ErrOwnSource)
}

// Gravity judges a job. One that is not due any more ended well.
func (r Result) Gravity() Gravity {
	switch {
	case errors.Is(r.Err, ErrNotDue):
		return Well
	case r.Err == nil && len(r.Created.Findings) > 0:
		return Damaged
	}
	return GravityOf(r.Err)
}

// Gravest judges several jobs, and the entries of the configuration of which none, or not
// all that was meant, could come: each of those is a failure among the others. So is a
// job that was meant wrongly, where another made a revision: [Misuse] is that nothing was done.
func Gravest(results []Result, problems []error) Gravity {
	var all []Gravity
	made := false
	if len(problems) > 0 {
		all = append(all, Failed)
	}
	for _, r := range results {
		all, made = append(all, r.Gravity()), made || r.Created != nil
	}
	return Worst(all, made)
}

// Worst judges several things of which each was tried whatever came of the others. One that was meant wrongly is [Misuse]
// only where nothing was done.
func Worst(all []Gravity, done bool) Gravity {
	worst := Well
	for _, g := range all {
		worst = max(worst, g)
	}
	if worst == Misuse && done {
		return Failed
	}
	return worst
}
