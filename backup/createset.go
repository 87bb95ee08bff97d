package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// A SetMember is one volume of a set, and what is asked for of it. Its source may be left
// to CreateOptions.Open.
type SetMember struct {
	Source volume.Source
	CreateOptions
}

// SetOptions tunes [CreateSet].
type SetOptions struct {
	Name string // of the set; it obeys the rules of tags
	// Consistent asks for all volumes as they were at one moment. They have to be frozen for
	// that, and what is seen to change all the same fails the backup. Otherwise each is read
	// as it is, one after the other.
	Consistent bool
	// Freeze freezes all volumes at once, in the place of what freezes each of them. What it
	// returns thaws them. Nil: each is frozen as its own options say.
	Freeze func(ctx context.Context) (thaw func() error, err error)
}

// A SetResult is a set that was made.
type SetResult struct {
	Set     repository.Set
	Results []*Result // as the members were given
}

// setCreation is one run of CreateSet.
type setCreation struct {
	repo    *repository.Repository
	opts    SetOptions
	set     repository.Set
	members []*creation // as given
	locked  []*creation // by name, which is the order of their locks
}

// CreateSet makes a revision of each of some volumes, which become visible all at once:
// when it returns a result and no error, they are in the repository and survive a power
// cut. With an error there is none of them, unless it wraps [repository.ErrUndecided].
//
// All volumes are frozen, then all snapshots are taken, then all is thawed: a source whose
// snapshot is not independent of it only once it was read, and so it is read first. A
// source that is not thawed fails the set, whose snapshots are given up then.
func CreateSet(ctx context.Context, repo *repository.Repository, members []SetMember, opts SetOptions) (*SetResult, error) {
	s := &setCreation{repo: repo, opts: opts, set: repo.NewSet(opts.Name)}
	for _, m := range members {
		c := newCreation(repo, m.Source, m.CreateOptions)
		c.set = s.set.ID
		s.members = append(s.members, c)
	}
	s.locked = slices.SortedFunc(slices.Values(s.members), func(a, b *creation) int {
		return strings.Compare(a.opts.Volume.String(), b.opts.Volume.String())
	})
	err := s.run(ctx)
	if err != nil {
		err = fmt.Errorf("back up set %q: %w", opts.Name, err)
	}
	for _, c := range s.members {
		c.journal(interruptedBy(ctx, err))
	}
	if err != nil {
		return nil, err
	}
	result := &SetResult{Set: s.set}
	for _, c := range s.members {
		result.Results = append(result.Results, &c.result)
	}
	return result, nil
}

func (s *setCreation) run(ctx context.Context) (err error) {
	defer func() {
		err = s.thawAll(err) // first of all: snapshots that are given up and hooks may take long
		for _, c := range slices.Backward(s.locked) {
			err = c.end(err)
		}
	}()
	if err := s.checkFreezes(); err != nil {
		return err
	}
	for _, c := range s.locked { // 1 locks, leases, run records, parents
		if err := c.begin(ctx); err != nil {
			return c.ofMember(err)
		}
	}
	if err := s.takeSnapshots(ctx); err != nil { // 2 freeze
		return err
	}
	if err := s.each(s.locked, func(c *creation) error {
		c.measure()
		return c.guardSource(ctx)
	}); err != nil {
		return err
	}
	if err := s.each(s.heldFirst(), func(c *creation) error { return s.prepare(ctx, c) }); err != nil { // 3 plan, 4 fill, 5 barrier
		return err
	}
	return s.commit(ctx) // 6 commit ★, 7 release
}

// each does something with each member, in that order, until it fails with one.
func (s *setCreation) each(members []*creation, do func(*creation) error) error {
	for _, c := range members {
		if err := do(c); err != nil {
			return c.ofMember(err)
		}
	}
	return nil
}

// thawAll thaws what is frozen still, last first, whatever came of the set, which is err.
func (s *setCreation) thawAll(err error) error {
	for _, c := range slices.Backward(s.locked) {
		if terr := c.thaw(); terr != nil && !errors.Is(err, terr) {
			err = errors.Join(err, terr)
		}
	}
	return err
}

func (c *creation) ofMember(err error) error { return fmt.Errorf("volume %q: %w", c.opts.Volume, err) }

// checkFreezes makes sure that what is to be consistent is frozen.
func (s *setCreation) checkFreezes() error {
	if !s.opts.Consistent || s.opts.Freeze != nil {
		return nil
	}
	var loose []revision.Name
	for _, c := range s.members {
		if c.opts.Freeze == nil {
			loose = append(loose, c.opts.Volume)
		}
	}
	if len(loose) == 0 {
		return nil
	}
	return &LooseSetError{Set: s.opts.Name, Volumes: loose}
}

// takeSnapshots freezes all, takes all snapshots, and thaws all that reading can do without.
func (s *setCreation) takeSnapshots(ctx context.Context) error {
	for _, c := range s.locked {
		c.source = c.src.Describe().String()
		c.tidyLeftovers(ctx) // which may take long, and so is done before
	}
	if err := s.freeze(ctx); err != nil {
		return err
	}
	if err := s.each(s.locked, func(c *creation) (err error) {
		if c.snap, err = c.snapshot(ctx); err != nil {
			c.snap = nil
		}
		return err
	}); err != nil {
		return err
	}
	var errs []error
	for _, c := range s.locked {
		if !c.heldByReading() {
			errs = append(errs, c.thaw())
		}
	}
	return errors.Join(errs...)
}

func (s *setCreation) freeze(ctx context.Context) error {
	if s.opts.Freeze != nil {
		thaw, err := s.opts.Freeze(ctx)
		if err != nil {
			return fmt.Errorf("freeze the sources: %w", err)
		}
		left := len(s.locked)
		for _, c := range s.locked {
			c.hold.was = true
			c.hold.thaw = func() error { // the last one does
				if left--; left > 0 {
					return nil
				}
				return thaw()
			}
		}
		return nil
	}
	return s.each(s.locked, func(c *creation) (err error) {
		if c.opts.Freeze == nil {
			return nil
		}
		if c.hold.thaw, err = c.opts.Freeze(ctx); err != nil {
			return fmt.Errorf("freeze the source: %w", err)
		}
		c.hold.was = true
		return nil
	})
}

// heldByReading tells whether the source has to stay frozen until it was read.
func (c *creation) heldByReading() bool {
	s, can := c.snap.(volume.Independent)
	return !can || !s.Independent()
}

// heldFirst lists the members in the order in which they are read: what is frozen
// meanwhile first.
func (s *setCreation) heldFirst() []*creation {
	order := slices.Clone(s.locked)
	slices.SortStableFunc(order, func(a, b *creation) int {
		switch {
		case a.heldByReading() == b.heldByReading():
			return 0
		case a.heldByReading():
			return -1
		}
		return 1
	})
	return order
}

// prepare reads one volume, and makes all durable that its revision names.
func (s *setCreation) prepare(ctx context.Context, c *creation) error {
	regions, st, err := c.readAll(ctx)
	if err != nil {
		return err
	}
	if c.hold.err != nil {
		return c.hold.err
	}
	if s.opts.Consistent && st.Consistency == revision.Live {
		return &MovedError{Reason: st.Reason}
	}
	c.prepared, err = c.backup.Prepare(ctx, regions, st)
	return err
}

// commit makes all revisions visible.
func (s *setCreation) commit(ctx context.Context) error {
	backups := make([]*repository.Backup, len(s.locked))
	for i, c := range s.locked {
		backups[i] = c.backup
	}
	set, err := s.repo.CommitSet(ctx, s.set, backups)
	if s.set = set; err == nil || errors.Is(err, repository.ErrUndecided) {
		for _, c := range s.locked {
			c.keepSnapshot()
		}
	}
	if err != nil {
		return err
	}
	for _, c := range s.locked {
		c.result.Statement = c.prepared
		c.release(ctx)
	}
	return nil
}
