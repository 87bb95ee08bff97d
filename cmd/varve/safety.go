package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/status"
)

// lately is how far back the journal is read for what was tried.
const lately = 50 * time.Hour

// judge says how safe all volumes are, as of when this run began.
func (s *session) judge(ctx context.Context, repo *repository.Repository) (*status.Report, status.Input, error) {
	return s.judgeAt(ctx, repo, s.begun.In(s.zone))
}

// judgeAt reads what there is to know about all volumes, and says how safe they are now.
// It takes no lock and writes nothing, so that it can run beside anything.
func (s *session) judgeAt(ctx context.Context, repo *repository.Repository, now time.Time) (*status.Report, status.Input, error) {
	in := status.Input{Now: now}
	var heard heardScheduler
	var eventsErr, runningErr error
	var aside sync.WaitGroup
	aside.Go(func() { heard = s.hearScheduler(ctx, repo.ID(), in.Now) })
	aside.Go(func() {
		in.Events, eventsErr = repo.EventsSince(in.Now.Add(-lately))
		in.Running, runningErr = repo.Running()
	})
	volumes, unread := repo.Summaries(ctx)
	aside.Wait()
	if err := ctx.Err(); err != nil {
		return nil, in, err
	}
	s.scheduler = heard
	in.Volumes, in.Unread = volumes, unreadOf(unread)
	if heard.answer != nil && heard.state.Broken == "" && s.wrongNow != nil { // which the scheduler has not tried to read
		heard.state.Broken = s.wrongNow.Error()
	}
	in.Scheduler = heard.state
	promised, err := s.expected(ctx, in.Volumes)
	if err != nil {
		return nil, in, err
	}
	in.Expected, in.Sets, in.NotFound, in.Configured = promised.all, promised.sets, promised.notFound, promised.configured
	if eventsErr != nil {
		in.Unread = append(in.Unread, unreadJournal(eventsErr))
	}
	if runningErr != nil {
		s.warn("what is running cannot be told: %v", runningErr)
	}
	if in.Available, in.Total, err = repo.Free(); err != nil {
		s.warn("how much room is left cannot be told: %v", err)
	}
	in.Proofs = s.proofs(repo, in.Volumes)
	report := status.Judge(in)
	awaited := slices.ContainsFunc(report.Volumes, func(v status.Volume) bool { return v.IsAwaited() })
	apart := slices.ContainsFunc(report.Sets, func(set status.Set) bool { return set.Apart })
	if !awaited && !apart {
		return report, in, nil
	}
	if awaited { // what was ever tried of those, or made, is of interest
		if in.Journal, err = repo.EventsWithout(uuidsOf(in.Volumes)); err != nil && !slices.ContainsFunc(in.Unread, isOfJournal) {
			in.Unread = append(in.Unread, unreadJournal(err))
		}
	}
	if apart {
		s.findLastSets(repo, &in, report.Sets)
	}
	return status.Judge(in), in, nil
}

// proofs tells how far what is stored of volumes was read again.
func (s *session) proofs(repo *repository.Repository, summaries []repository.Summary) map[revision.Name]status.Proof {
	volumes := make([]repository.Volume, len(summaries))
	for i := range summaries {
		volumes[i] = summaries[i].Volume
	}
	unproven, err := repo.Unproven(volumes)
	for _, u := range unreadOf(err) {
		s.warn("how far what is stored was read again cannot be told: %s%v", suffixed(u.Volume.String(), ": "), u.Err)
	}
	proofs := map[revision.Name]status.Proof{}
	for _, v := range volumes {
		if u := unproven[v.UUID]; !u.Since.IsZero() {
			proofs[v.Name] = status.Proof{Oldest: u.Since, Scrubbed: u.Scrubbed}
		}
	}
	return proofs
}

func uuidsOf(summaries []repository.Summary) map[revision.UUID]bool {
	uuids := map[revision.UUID]bool{}
	for i := range summaries {
		uuids[summaries[i].Volume.UUID] = true
	}
	return uuids
}

// A journalError reports that a part of the journal cannot be read.
type journalError struct{ err error }

func (e *journalError) Error() string {
	return "a part of the journal cannot be read: " + strings.ReplaceAll(e.err.Error(), "\n", "; ")
}

func (e *journalError) Unwrap() error { return e.err }

func unreadJournal(err error) status.Unread { return status.Unread{Err: &journalError{err}} }

func isOfJournal(u status.Unread) bool { return errors.As(u.Err, new(*journalError)) }

// unreadOf takes apart what was joined of several volumes.
func unreadOf(err error) []status.Unread {
	switch one := err.(type) { // not errors.As: of what was joined, each part by itself
	case nil:
		return nil
	case *repository.VolumeError:
		return []status.Unread{{Volume: one.Volume, Err: one.Err}}
	case interface{ Unwrap() []error }:
		var all []status.Unread
		for _, part := range one.Unwrap() {
			all = append(all, unreadOf(part)...)
		}
		return all
	}
	return []status.Unread{{Err: err}}
}

// withoutLost leaves out volumes that are lost, of which status tells: all that there is can be read.
func withoutLost(err error) error {
	var rest []error
	for _, u := range unreadOf(err) {
		switch {
		case errors.As(u.Err, new(*repository.LostVolumeError)):
		case u.Volume != "":
			rest = append(rest, &repository.VolumeError{Volume: u.Volume, Err: u.Err})
		default:
			rest = append(rest, u.Err)
		}
	}
	return errors.Join(rest...)
}
