package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"varve/drill"
	"varve/job"
	"varve/repository"
	"varve/revision"
)

// drilling is one revision that is drilled.
type drilling struct {
	want  wanted
	rev   repository.Revision // empty: it was not found
	about about               // of it, for advice
	found *drill.Result       // nil: it could not be begun
	took  time.Duration
	err   error

	unrecorded bool // the repository takes no writes
}

// drillings lists what words name; nothing: all volumes that are not retired. Volumes that a pattern names, or nothing, are in the order
// of their last drills.
func (s *session) drillings(ctx context.Context, repo *repository.Repository, args []string) (all []*drilling, err error) {
	var volumes []repository.Summary
	var unread error
	known := false
	summaries := func() error {
		if !known {
			volumes, unread = repo.Summaries(ctx)
			known = true
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return nil
	}
	if len(args) == 0 {
		if err := summaries(); err != nil {
			return nil, err
		}
		_, latest, err := s.parsePattern("*")
		if err != nil {
			return nil, err
		}
		all = s.drillingsOf(volumes, unread, latest, func(v *repository.Summary) bool { return !v.Retired })
		if len(all) == 0 {
			return nil, &usageError{Text: "there is no volume that has a revision", Command: s.command}
		}
		return all, nil
	}
	for _, word := range args {
		if pattern, _, _ := strings.Cut(word, "@"); !revision.IsGlob(pattern) {
			want, err := s.parseAddress(word)
			if err != nil {
				return nil, err
			}
			all = append(all, &drilling{want: want})
			continue
		}
		glob, want, err := s.parsePattern(word)
		if err != nil {
			return nil, err
		}
		if err := summaries(); err != nil {
			return nil, err
		}
		some := s.drillingsOf(volumes, unread, want, func(v *repository.Summary) bool { return glob.Match(v.Volume.Name) })
		if len(some) == 0 {
			return nil, s.inWords(&job.NoMatchError{Pattern: glob})
		}
		all = append(all, some...)
	}
	return onceEach(all), nil
}

// drillingsOf lists volumes that are meant and have revisions, and those of which that cannot be told.
func (s *session) drillingsOf(volumes []repository.Summary, unread error, want wanted, isMeant func(*repository.Summary) bool) (all []*drilling) {
	slices.SortStableFunc(volumes, func(a, b repository.Summary) int { return lastDrill(&a).Compare(lastDrill(&b)) })
	for i := range volumes {
		if v := &volumes[i]; v.Revisions > 0 && isMeant(v) {
			want.volume = v.Volume.Name
			all = append(all, &drilling{want: want})
		}
	}
	for _, err := range split(unread) {
		of := new(repository.VolumeError)
		switch {
		case !errors.As(err, &of):
			s.warn("%v", err)
		case isMeant(&repository.Summary{Volume: repository.Volume{Name: of.Volume}}) &&
			!slices.ContainsFunc(all, func(d *drilling) bool { return d.want.volume == of.Volume }):
			want.volume = of.Volume
			all = append(all, &drilling{want: want, about: about{volume: of.Volume, repo: s.about.repo}, err: err})
		}
	}
	return all
}

// lastDrill is when a volume was last drilled; zero: never.
func lastDrill(v *repository.Summary) time.Time {
	if v.Drill == nil {
		return time.Time{}
	}
	return v.Drill.Time
}

// onceEach leaves out what is named twice.
func onceEach(all []*drilling) (once []*drilling) {
	for _, d := range all {
		if !slices.ContainsFunc(once, func(have *drilling) bool {
			return have.want.volume == d.want.volume && have.want.selector == d.want.selector
		}) {
			once = append(once, d)
		}
	}
	return once
}
