package repository

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"varve/revision"
)

// purge is the second part of step 1: revisions whose time in the trash is over go for
// good.
func (g *collector) purge(ctx context.Context) error {
	g.opts.Step("emptying the trash")
	g.result.Kept = 0
	if entries, err := g.repo.fsys.ReadDir(trashDir); err == nil && len(entries) > 0 {
		// What is visible by the rename of somebody who died before it was durable may be in
		// the trash again after a power cut, and build on what goes now.
		if err := g.syncVisible(); err != nil {
			return err
		}
	}
	return g.eachTrash(func(v Volume) error {
		due, err := g.due(v)
		if err != nil {
			return err
		}
		for _, t := range due {
			if err := g.purgeOne(ctx, t); err != nil {
				return fmt.Errorf("take revision %s of volume %q out of the trash for good: %w", t.ID, t.Volume.Name, err)
			}
		}
		return g.sweepTrash(ctx, v)
	})
}

// listPurge is what purge is in a dry run: what would go counts as gone.
func (g *collector) listPurge(ctx context.Context) error {
	g.marker.passed = map[string]bool{}
	return g.eachTrash(func(v Volume) error {
		due, err := g.due(v)
		if err != nil {
			return err
		}
		for _, t := range due {
			g.marker.passed[trashName(v.UUID, t.ID)] = true
			if !t.visible {
				g.marker.passed[copyName(v.UUID, t.ID)] = true
				g.result.Purged = append(g.result.Purged, t.Trashed)
			}
		}
		return ctx.Err()
	})
}

// eachTrash goes through the volumes that have something in the trash.
func (g *collector) eachTrash(do func(Volume) error) error {
	entries, err := g.repo.fsys.ReadDir(trashDir)
	if err != nil && !notFound(err) {
		return err
	}
	for _, e := range entries {
		uuid, err := revision.ParseUUID(e.Name())
		if err != nil || !e.IsDir() {
			continue // nothing of ours, or for the marking to name
		}
		if err := do(Volume{UUID: uuid}); err != nil {
			return err
		}
	}
	return nil
}

// keep counts a revision that stays, and tells if that is because nothing says until when.
func (g *collector) keep(t *Trashed) {
	g.result.Kept++
	if t.Until.IsZero() {
		g.find(&DamagedFileError{
			Path: trashRecordName(t.Volume.UUID, t.ID), Cause: fmt.Errorf("%w: until when it may come back cannot be read, so it stays", errBadContent),
		})
	}
}

func (g *collector) isOver(t *Trashed) bool {
	return g.opts.EmptyTrash || t.going || t.IsDue(g.opts.Now)
}

// dueRevision is one that is to go.
type dueRevision struct {
	Trashed
	visible bool // it came back, or never quite went: only what lies in the trash goes
}

// due lists what is to go of a volume, the newest first. What a revision that stays
// builds on stays too, in the trash as well as outside of it.
func (g *collector) due(v Volume) (due []dueRevision, err error) {
	trash, err := g.repo.TrashOf(v)
	if err != nil {
		g.find(err)
		return nil, nil
	}
	needed, unread := map[revision.ID]bool{}, false
	stays := func(t *Trashed) {
		g.keep(t)
		switch {
		case t.Statement == nil: // it may build on any
			unread = true
		case t.Statement.Parent != nil:
			needed[t.Statement.Parent.ID] = true
		}
	}
	listed := map[revision.ID]bool{}
	for i := range trash {
		t := &trash[i]
		listed[t.ID] = true
		if v.Name == "" {
			v.Name = t.Volume.Name
		}
		if t.Statement == nil && !g.isOver(t) {
			stays(t)
		}
	}
	if g.needVisible(v, needed) {
		unread = true
	}
	for _, t := range slices.Backward(trash) {
		switch {
		case t.Statement == nil && !g.isOver(&t):
		case !g.isOver(&t) || needed[t.ID] || unread && t.Statement != nil:
			stays(&t)
		default:
			due = append(due, dueRevision{Trashed: t})
		}
	}
	twins, err := g.twins(v, listed)
	return append(due, twins...), err
}

// needVisible adds what visible revisions build on, and tells whether that is not known of
// all of them. No such revision is in the trash, but for somebody's mistake.
func (g *collector) needVisible(v Volume, needed map[revision.ID]bool) (unread bool) {
	l, err := g.repo.list(v)
	if err != nil && !errors.Is(err, ErrNoVolume) {
		g.find(err)
		unread = true
	}
	for _, rev := range slices.Concat(l.visible, l.waiting) {
		unread = unread || rev.Statement == nil
		if rev.Statement != nil && rev.Statement.Parent != nil {
			needed[rev.Statement.Parent.ID] = true
		}
	}
	return unread
}

// twins lists what is in the trash and visible too, after a power cut.
func (g *collector) twins(v Volume, listed map[revision.ID]bool) (twins []dueRevision, err error) {
	ids, err := g.repo.trashedIDs(v)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if listed[id] {
			continue
		}
		t, err := g.repo.trashed(v.UUID, id)
		if err != nil && !notFound(err) {
			g.find(err)
		}
		if err == nil && g.isOver(&t) && g.repo.isVisible(t.Volume, id) {
			twins = append(twins, dueRevision{t, true})
		}
	}
	return twins, nil
}

// purgeOne removes a revision from the trash. Whether it is visible is looked up before
// the gate, and holds if nobody was there since.
func (g *collector) purgeOne(ctx context.Context, t dueRevision) error {
	for range maxTries {
		if err := ctx.Err(); err != nil {
			return err
		}
		now, err := g.repo.trashed(t.Volume.UUID, t.ID)
		if notFound(err) {
			return nil
		}
		if err == nil && !g.isOver(&now) { // it came back, and went again
			g.keep(&now)
			return nil
		}
		if err != nil {
			return err
		}
		visible := g.repo.isVisible(now.Volume, t.ID)
		if !visible {
			g.noteGround(&t)
		}
		alone, err := g.passAlone(ctx, func() error { return g.takeOut(t.Volume.UUID, t.ID, visible) })
		if err != nil {
			return err
		}
		if alone {
			if !visible {
				g.result.Purged = append(g.result.Purged, t.Trashed)
			}
			return nil
		}
	}
	return errRestless
}

// takeOut removes the files of a trashed revision, inside the gate. Its copy goes first,
// durably: alone, it could pass for a revision that lost its file. A visible one's stays.
func (g *collector) takeOut(volume revision.UUID, id revision.ID, visible bool) error {
	if g.lease != nil {
		if err := g.lease.holds(); err != nil {
			return err
		}
	}
	if !visible {
		if err := g.removeDurably(copyName(volume, id)); err != nil {
			return err
		}
	}
	if err := g.removeDurably(trashName(volume, id)); err != nil {
		return err
	}
	for _, name := range []string{trashInfoName(volume, id), trashRecordName(volume, id)} {
		if err := g.repo.fsys.Remove(name); err != nil && !notFound(err) {
			return err
		}
	}
	return nil
}

func (g *collector) removeDurably(name string) error {
	err := g.repo.fsys.Remove(name)
	if notFound(err) { // by somebody, who may have died before it was durable
		if _, err = g.repo.fsys.Lstat(path.Dir(name)); notFound(err) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return g.repo.fsys.SyncDir(path.Dir(name))
}

// sweepTrash removes what was left beside revisions that went from the trash.
func (g *collector) sweepTrash(ctx context.Context, v Volume) error {
	dir := trashDirOf(v.UUID)
	left := func() (names []string, err error) {
		entries, err := g.repo.fsys.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		there := map[revision.ID]bool{}
		for _, id := range idsAmong(entries, revisionExt) {
			there[id] = true
		}
		for _, ext := range []string{infoExt, trashExt} {
			for _, id := range idsAmong(entries, ext) {
				if !there[id] {
					names = append(names, path.Join(dir, string(id)+ext))
				}
			}
		}
		return names, nil
	}
	if names, err := left(); err != nil || len(names) == 0 {
		return err
	}
	return g.pass(ctx, func() error { // who moves something there does so inside the gate
		names, err := left()
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := g.repo.fsys.Remove(name); err != nil && !notFound(err) {
				return err
			}
		}
		return nil
	})
}
