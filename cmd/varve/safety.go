package main

import (
	"context"
	"errors"
	"time"

	"varve/repository"
	"varve/status"
)

// lately is how far back the journal is read for what was tried.
const lately = 50 * time.Hour

// judge reads what there is to know about all volumes, and says how safe they are.
// It takes no lock and writes nothing, so that it can run beside anything.
func (s *session) judge(ctx context.Context, repo *repository.Repository) (*status.Report, status.Input, error) {
	in := status.Input{Now: s.begun.In(s.zone)}
	var err error
	if in.Expected, in.Configured, err = s.expected(); err != nil {
		return nil, in, err
	}
	var unread error
	in.Volumes, unread = repo.Summaries(ctx)
	if err := ctx.Err(); err != nil {
		return nil, in, err
	}
	in.Unread = unreadOf(unread)
	if in.Events, err = repo.EventsSince(in.Now.Add(-lately)); err != nil {
		s.warn("a part of the journal cannot be read: %v", err)
	}
	if in.Running, err = repo.Running(); err != nil {
		s.warn("what is running cannot be told: %v", err)
	}
	if in.Available, in.Total, err = repo.Free(); err != nil {
		s.warn("how much room is left cannot be told: %v", err)
	}
	return status.Judge(in), in, nil
}

// unreadOf takes apart what was joined of several volumes.
func unreadOf(err error) []status.Unread {
	var several interface{ Unwrap() []error }
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &several):
		return []status.Unread{{Err: err}}
	}
	var all []status.Unread
	for _, one := range several.Unwrap() {
		all = append(all, unreadOf(one)...)
	}
	return all
}
