package main

import (
	"context"
	"errors"

	"varve/backup"
	"varve/job"
	"varve/repository"
)

// What a command leaves in the repository about its work, when that is done: nothing
// here changes how it ended.

// record writes into the journal what was done, and how it ended. That it cannot be
// written is a warning: the work is done.
func (s *session) record(ctx context.Context, repo *repository.Repository, e repository.Event, failure error) {
	if err := repo.RecordEnd(afterSignals(ctx), e, failure, gravityOf(failure) == job.Damaged); err != nil {
		s.warn("%v", err)
	}
}

// noteDamage remembers which copies of objects are hurt, so that the next backup
// does not build on them.
func (s *session) noteDamage(ctx context.Context, repo *repository.Repository, found error) {
	damage := new(backup.DamageError)
	if !errors.As(found, &damage) {
		return
	}
	for _, hurt := range damage.Hurt {
		if err := repo.RecordDamage(afterSignals(ctx), hurt); err != nil {
			s.warnIfWritable(err)
			return
		}
	}
}

// warnIfWritable warns of what could not be written, unless nothing can.
func (s *session) warnIfWritable(err error) {
	if err != nil && !errors.Is(err, repository.ErrReadOnly) {
		s.warn("%v", err)
	}
}

// lostOf tells which bytes of a revision an error says are lost, and why; without
// a reason, none are.
func lostOf(rev repository.Revision, failure error) ([]repository.Extent, error) {
	var damage *backup.DamageError
	var unreadable *repository.DamagedRevisionError
	switch {
	case errors.As(failure, &damage):
		return damage.Lost, damage.Cause
	case errors.As(failure, &unreadable) && rev.Statement != nil:
		return []repository.Extent{{Length: int64(rev.Statement.Size)}}, unreadable.Cause
	}
	return nil, nil
}

// markLost notes which bytes of a revision are lost, and why.
func markLost(lost []repository.Extent, cause error) func(*repository.Info) {
	return func(info *repository.Info) {
		info.Damage(cause.Error(), lost)
	}
}
