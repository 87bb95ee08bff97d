package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// tidySets is the part of step 7 that is about sets: those that no revision names any more,
// visible or trashed, go, and of the others, a file that is damaged or gone is made anew of
// its copy, or the other way round.
func (g *collector) tidySets(ctx context.Context) error {
	ids, err := g.repo.setIDs()
	if err != nil {
		return err
	}
	idle := g.idleSets(ids)
	for _, id := range ids {
		if slices.Contains(idle, id) {
			continue
		}
		if err := g.mendSet(ctx, id); err != nil {
			return fmt.Errorf("mend set %s: %w", id, err)
		}
	}
	if len(idle) == 0 {
		return nil
	}
	// A revision may have come back since the marking: it is looked for again, as in step 5.
	for range maxTries {
		if err := g.pass(ctx, func() error { return nil }); err != nil {
			return err
		}
		if err := g.marker.markAll(ctx); err != nil || len(g.marker.hidden) > 0 {
			return err
		}
		idle = g.idleSets(idle)
		alone, err := g.passAlone(ctx, func() error { return g.removeSets(idle) })
		if err != nil || alone {
			return err
		}
	}
	return nil // the next collection comes
}

// idleSets lists those of the sets that no revision names. While anything could not be
// read, that is not known of any.
func (g *collector) idleSets(ids []string) (idle []string) {
	if g.result.Incomplete {
		return nil
	}
	for _, id := range ids {
		if !g.marker.sets[id] {
			idle = append(idle, id)
		}
	}
	return idle
}

// removeSets removes the files of sets, inside the gate.
func (g *collector) removeSets(ids []string) error {
	if err := g.lease.holds(); err != nil {
		return err
	}
	for _, id := range ids {
		for _, name := range []string{setCopyName(id), setName(id)} {
			if err := g.repo.fsys.Remove(name); err != nil && !notFound(err) {
				return err
			}
		}
	}
	return g.repo.fsys.SyncDir(setsDir)
}

// mendSet makes sure that a set has both its files. Of what cannot be read in either, the
// revisions stay what they are: only which others are of their set is not known.
func (g *collector) mendSet(ctx context.Context, id string) error {
	name, second := setName(id), setCopyName(id)
	set, err := g.repo.readSet(name, id)
	other, otherErr := g.repo.readSet(second, id)
	switch {
	case err == nil && otherErr == nil:
		return nil
	case err == nil:
		name, err = second, otherErr
	case otherErr == nil:
		set = other
	case isDamaged(err) || notFound(err):
		g.find(errors.Join(err, otherErr))
		return nil
	}
	if !isDamaged(err) && !notFound(err) {
		g.find(err) // the disk could not read it, and what is there may be right
		return nil
	}
	g.repo.opts.Log.Warn("the file of a set is made anew", "file", name, "error", err)
	return g.pass(ctx, func() error {
		if err := g.lease.holds(); err != nil {
			return err
		}
		return replaceSmall(g.repo.fsys, g.lease.temps, name, set)
	})
}
