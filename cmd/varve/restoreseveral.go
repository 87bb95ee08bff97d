package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve/backup"
	"varve/job"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// errNotAll reports a volume that was not restored because of the targets of others.
var errNotAll = errors.New("not begun: not every target can be written")

// errAway reports a volume that was not restored because a cluster was lost before.
var errAway = errors.New("not begun: the cluster did not answer any more")

// restoring is one of several volumes that are restored.
type restoring struct {
	restoration
	name    revision.Name
	chosen  *repository.Revision // nil: what was typed says which
	about   about                // of it, for advice
	done    *restored
	err     error
	refused bool   // err is about its target
	bad     string // what is not to be used
}

// restoreSeveral restores the volumes that a pattern fits, one after the other, whatever came of
// the others; but nothing is written before all that can be checked of every target was.
func (s *session) restoreSeveral(ctx context.Context, f restoreFlags, text, targetText string) (result, error) {
	glob, want, err := s.parsePattern(text)
	if err != nil {
		return nil, err
	}
	if f.part.given || f.lostMap != "" {
		return nil, &usageError{Text: "--range and --lost-map are for one volume", Command: s.command}
	}
	to, err := s.templateOf(f, targetText)
	if err != nil {
		return nil, err
	}
	repo, err := s.openRepository(toRead)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	all, err := s.restoringOf(repo, f, glob, to)
	if err != nil {
		return nil, err
	}
	return s.restoreChecked(ctx, f, repo, all, want)
}

// restoreChecked checks all that are to be restored, and then restores them.
func (s *session) restoreChecked(ctx context.Context, f restoreFlags, repo *repository.Repository, all []*restoring, want wanted) (*restoredSeveral, error) {
	rd, err := s.openReader(ctx, repo)
	if err != nil {
		return nil, err
	}
	defer s.close("end the lease", rd)
	away := false
	for _, r := range all {
		if r.err == nil && away { // each would wait as long for an answer
			r.err = errNotAll
		} else if r.err == nil {
			r.err = r.prepare(ctx, rd, want)
		}
		away = away || errors.As(r.err, new(*volume.NoClusterError))
	}
	s.restoreAll(ctx, rd, all, f.dryRun)
	s.doing = "restore of " + formatCount(len(all), "volume")
	return s.newRestored(all, f.dryRun)
}

// restoringOf lists what is to be restored to where. A volume that cannot be read is among
// it, with its error.
func (s *session) restoringOf(repo *repository.Repository, f restoreFlags, glob revision.Glob, to template) ([]*restoring, error) {
	bad := func(format string, args ...any) ([]*restoring, error) {
		return nil, &usageError{Text: fmt.Sprintf(format, args...), Command: s.command}
	}
	dir, err := s.repositoryDir()
	if err != nil {
		return nil, err
	}
	var all []*restoring
	add := func(name revision.Name, err error) {
		if glob.Match(name) {
			all = append(all, &restoring{restoration: restoration{s: s, f: f, repo: repo, dir: dir}, name: name, err: err})
		}
	}
	volumes, unread := repo.Volumes() // unread comes with all that can be read
	for _, v := range volumes {
		add(v.Name, nil)
	}
	for _, err := range split(unread) {
		if of := new(repository.VolumeError); errors.As(err, &of) {
			add(of.Volume, err)
		} else {
			s.warn("%v", err)
		}
	}
	if len(all) == 0 {
		return nil, s.inWords(&job.NoMatchError{Pattern: glob})
	}
	if len(all) > 1 && !to.star {
		return bad("%s are restored to one TARGET each: it needs a *, for what %q leaves open", formatCount(len(all), "volume"), glob)
	}
	return all, s.aim(all, to, func(name revision.Name) (string, error) {
		part, open := glob.Open(name)
		if to.star && !open {
			return "", &usageError{Text: fmt.Sprintf("the pattern %q leaves nothing open that the * of TARGET could stand for", glob), Command: s.command}
		}
		return part, nil
	})
}

// aim gives each its target, of which * is its part. No two have the same one.
func (s *session) aim(all []*restoring, to template, part func(revision.Name) (string, error)) error {
	taken := map[string]revision.Name{}
	for _, r := range all {
		is, err := part(r.name)
		if err != nil {
			return err
		}
		if r.target, err = to.target(r.name, is); err != nil {
			return err
		}
		same := sameTarget(r.target)
		if other, twice := taken[same]; twice {
			return &usageError{Text: fmt.Sprintf("the volumes %q and %q would both be restored to %s", other, r.name, targetName(r.target)), Command: s.command}
		}
		taken[same] = r.name
	}
	return nil
}

// split gives the errors of which one is made.
func split(err error) []error {
	if joined, is := err.(interface{ Unwrap() []error }); is {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// prepare chooses the revision, and makes all checks that can be made before the first write.
func (r *restoring) prepare(ctx context.Context, rd *repository.Reader, want wanted) error {
	s := r.s
	s.about = about{volume: r.name, repo: s.about.repo, keepGoing: r.f.keepGoing}
	defer func() { r.about = s.about }()
	if ctx.Err() != nil {
		return job.ErrNotBegun
	}
	want.volume = r.name
	var err error
	if r.chosen != nil {
		r.rev = *r.chosen
	} else if r.rev, err = s.find(r.repo, want, revision.Nearest); err != nil {
		return err
	}
	if err := r.open(ctx, rd); err != nil {
		return err
	}
	defer s.close("close the image", r.image)
	done, to, err := r.begin(ctx)
	if err != nil {
		return err
	}
	surplus, err := to.check(ctx)
	if err != nil {
		r.refused = ctx.Err() == nil
		return err
	}
	done.noteSurplus(surplus)
	r.done = done
	return nil
}

// restoreAll restores what was prepared, unless a target is refused or nothing is to be written.
func (s *session) restoreAll(ctx context.Context, rd *repository.Reader, all []*restoring, dryRun bool) {
	checkRoom(ctx, rd, all)
	refused := false
	for _, r := range all {
		refused = refused || r.refused
	}
	for _, r := range all {
		if r.err != nil {
			s.tellRestored(r)
		}
	}
	away := false
	for _, r := range all {
		switch {
		case r.err != nil || dryRun && !refused:
			continue
		case refused:
			r.done, r.err = nil, errNotAll
			continue
		case ctx.Err() != nil:
			r.done, r.err = nil, job.ErrNotBegun
		case away: // what was given up may be written as long as this process lives
			r.done, r.err = nil, errAway
		default:
			r.write(ctx, rd)
			away = errors.As(r.err, new(*volume.NoClusterError))
		}
		s.tellRestored(r)
	}
}

// write restores one of several.
func (r *restoring) write(ctx context.Context, rd *repository.Reader) {
	s := r.s
	s.about, s.doing, s.good, s.bad = r.about, r.doing(), "", ""
	r.meter, r.begun = new(backup.Meter), time.Now()
	if r.err = r.open(ctx, rd); r.err != nil {
		r.done = nil
		return
	}
	defer s.close("close the image", r.image)
	r.done, r.err = r.toTarget(ctx)
	r.remember(ctx, r.err)
	r.bad, s.good, s.bad = s.bad, "", ""
}

// checkRoom refuses new files that in sum have no room, in the order in which they are made.
// How much of an image is zeros is read only where it matters.
func checkRoom(ctx context.Context, rd *repository.Reader, all []*restoring) {
	files := map[uint64][]*restoring{} // by their file system
	for _, r := range all {
		if system, makes := r.makesFile(); r.err == nil && makes {
			files[system] = append(files[system], r)
		}
	}
	for _, there := range files {
		free := freeIn(dirOf(there[0].target.Path))
		whole := fit(there, free, func(r *restoring) (int64, error) { return r.done.Size, nil })
		if free < 0 || errors.Join(whole...) == nil {
			continue
		}
		for i, err := range fit(there, free, func(r *restoring) (int64, error) { return r.stored(ctx, rd) }) {
			if err != nil {
				there[i].done, there[i].err, there[i].refused = nil, err, errors.As(err, new(*volume.SpaceError))
			}
		}
	}
}

// fit looks for room for files one after the other, where so much is free. Each for which
// there is none, or of which that cannot be told, gets an error.
func fit(files []*restoring, free int64, needs func(*restoring) (int64, error)) []error {
	errs := make([]error, len(files))
	for i, r := range files {
		n, err := needs(r)
		if err == nil && n > free {
			err = &volume.SpaceError{Target: r.target.Path, Available: max(free, 0), Need: n, Before: i}
		}
		if errs[i] = err; err == nil || errors.As(err, new(*volume.SpaceError)) {
			free += r.replaces() - n
		}
	}
	return errs
}

// stored is how many bytes of the image are no zeros.
func (r *restoring) stored(ctx context.Context, rd *repository.Reader) (int64, error) {
	if err := r.open(ctx, rd); err != nil {
		return 0, err
	}
	n, err := r.data(ctx)
	return n, errors.Join(err, r.image.Close())
}
