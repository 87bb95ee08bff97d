package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"varve/internal/durable"
	"varve/revision"
)

// Revision is a revision as listed.
type Revision struct {
	Volume    Volume
	ID        revision.ID
	Statement *revision.Statement // nil if no copy of it can be read
	Info      Info

	waits bool // it names a set of which there is no file
}

// listing is what there is of a volume.
type listing struct {
	visible []Revision           // oldest first
	lost    map[revision.ID]bool // of these, the ones whose file is gone
	waiting []Revision           // that are not visible, for their set is not; oldest first
	unsure  error                // of the journal: one that waits may have been visible
}

// revisionIDs lists by id the revisions that are visible or wait for their set.
func (r *Repository) revisionIDs(name revision.Name) ([]revision.ID, error) {
	return r.idsIn(volumeDir(name))
}

func (r *Repository) idsIn(dir string) ([]revision.ID, error) {
	entries, err := r.fsys.ReadDir(dir)
	return idsAmong(entries, revisionExt), err
}

// idsAmong picks the revisions' ids out of file names that end so.
func idsAmong(entries []fs.DirEntry, ext string) (ids []revision.ID) {
	for _, e := range entries {
		base, has := strings.CutSuffix(e.Name(), ext)
		if !has {
			continue
		}
		if id, err := revision.ParseID(base); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// Revisions lists the visible revisions of a volume, oldest first, by their
// sequence numbers. One whose statement is unreadable is listed as damaged, in
// the place that its id suggests.
func (r *Repository) Revisions(v Volume) ([]Revision, error) {
	l, err := r.list(v)
	return l.visible, err
}

// ofSets tells whether any of them names a set.
func (l listing) ofSets() bool {
	return slices.ContainsFunc(slices.Concat(l.visible, l.waiting), func(rev Revision) bool {
		return rev.Statement != nil && rev.Statement.Set != ""
	})
}

// list lists the revisions of a volume.
func (r *Repository) list(v Volume) (l listing, err error) {
	err = r.underItsName(v, func(v Volume) (err error) {
		l, err = r.listAs(v)
		return err
	})
	if err != nil {
		return listing{}, err
	}
	return l, nil
}

// underItsName looks at what there is of a volume. What was found of one that was renamed
// meanwhile may be a part, or another's: it is looked at again.
func (r *Repository) underItsName(v Volume, look func(Volume) error) (err error) {
	for range 3 {
		err = look(v)
		now, moved := r.movedTo(v)
		if !moved {
			break
		}
		v = now
	}
	if err == nil && r.isAnothers(v) {
		return fmt.Errorf("%w: another volume has the name %q now", ErrNoVolume, v.Name)
	}
	return err
}

// listAs lists the revisions below the name that the volume had when it was looked up.
func (r *Repository) listAs(v Volume) (l listing, err error) {
	entries, err := r.fsys.ReadDir(volumeDir(v.Name))
	if notFound(err) {
		return l, fmt.Errorf("%w: %q", ErrNoVolume, v.Name)
	}
	if err != nil {
		return l, err
	}
	ids := idsAmong(entries, revisionExt)
	changed := map[revision.ID]bool{} // those that have a file beside theirs
	for _, id := range idsAmong(entries, infoExt) {
		changed[id] = true
	}
	revisions, err := r.readRevisions(v, ids, changed)
	if err != nil {
		return l, err
	}
	if l.lost, err = r.lostRevisions(v, ids, revisions); err != nil {
		return l, err
	}
	for _, id := range slices.Sorted(maps.Keys(l.lost)) {
		_, err := r.fsys.Lstat(revisionName(v.Name, id))
		isNew := err == nil // it was committed after the directory was listed
		rev, err := r.revision(v, id, changed[id] || isNew)
		switch {
		case notFound(err) && isNew: // and removed since
			delete(l.lost, id)
			continue
		case notFound(err):
			rev.Info = Info{State: Damaged, Reason: "its file and the copy of that are gone"}
		case err != nil:
			return l, err
		}
		if isNew {
			delete(l.lost, id)
		} else {
			rev.waits = false // somebody was told of it, or builds on it
			r.opts.Log.Warn("a revision's file is gone", "error", &DamagedFileError{Path: revisionName(v.Name, id), Cause: errFileGone})
		}
		revisions = append(revisions, rev)
	}
	l.visible, l.waiting, l.unsure = r.partWaiting(sortRevisions(revisions))
	spreadDamage(l.visible)
	return l, nil
}

// spreadDamage marks, oldest first, the revisions that build on one that cannot be
// read. A parent that is not listed was removed meanwhile, and says nothing.
func spreadDamage(revisions []Revision) {
	unreadable := map[revision.ID]bool{}
	for i := range revisions {
		rev := &revisions[i]
		switch {
		case rev.Statement == nil:
			unreadable[rev.ID] = true
		case rev.Statement.Parent != nil && unreadable[rev.Statement.Parent.ID]:
			unreadable[rev.ID] = true
			rev.Info.State = Damaged
			rev.Info.Reason = fmt.Sprintf("it builds on %s, which cannot be read", rev.Statement.Parent.ID.Short())
		}
	}
}

// readRevisions reads the revisions of these ids, but for those that were removed
// since the directory was read.
func (r *Repository) readRevisions(v Volume, ids []revision.ID, changed map[revision.ID]bool) ([]Revision, error) {
	revisions := make([]Revision, len(ids))
	var g errgroup.Group
	g.SetLimit(r.opts.Listers)
	for i, id := range ids {
		g.Go(func() error {
			rev, err := r.revision(v, id, changed[id])
			if notFound(err) {
				return nil
			}
			revisions[i] = rev
			return err
		})
	}
	err := g.Wait()
	return slices.DeleteFunc(revisions, func(rev Revision) bool { return rev.ID == "" }), err
}

// sortRevisions orders by sequence number. What has none that can be read stands
// before its child or the first that was begun after it.
func sortRevisions(revisions []Revision) []Revision {
	sorted := make([]Revision, 0, len(revisions))
	var unread []Revision
	for _, rev := range revisions {
		if rev.Statement == nil {
			unread = append(unread, rev)
		} else {
			sorted = append(sorted, rev)
		}
	}
	slices.SortFunc(sorted, func(a, b Revision) int { return cmp.Compare(a.Statement.Sequence, b.Statement.Sequence) })
	for _, rev := range unread {
		begun := rev.ID.Begun()
		i := slices.IndexFunc(sorted, func(other Revision) bool { return other.ID.Begun().After(begun) || other.isChildOf(rev.ID) })
		if i < 0 {
			i = len(sorted)
		}
		sorted = slices.Insert(sorted, i, rev)
	}
	return sorted
}

func (rev *Revision) isChildOf(id revision.ID) bool {
	return rev.Statement != nil && rev.Statement.Parent != nil && rev.Statement.Parent.ID == id
}

// revision reads one revision's statement and, if it was changed since, its info.
func (r *Repository) revision(v Volume, id revision.ID, changed bool) (Revision, error) {
	rev := Revision{Volume: v, ID: id}
	m, err := r.openRevision(v, id)
	switch {
	case isDamaged(err):
		rev.Info = r.infoOfDamaged(v, id, changed)
		rev.Info.State, rev.Info.Reason = Damaged, err.Error()
		return rev, nil
	case err != nil:
		return rev, err
	}
	rev.Statement = m.Statement()
	if err := m.Close(); err != nil {
		return rev, err
	}
	if changed {
		rev.Info, err = r.info(v, rev.Statement)
	} else {
		rev.Info = asMade(rev.Statement)
	}
	if set := rev.Statement.Set; set != "" && err == nil {
		var stands bool
		stands, err = r.setStands(set)
		rev.waits = !stands
	}
	return rev, err
}

// openRevision opens the revision's file or, where that is unreadable or missing,
// its copy. What comes is the revision that was asked for; that it is visible, the
// caller knows.
func (r *Repository) openRevision(v Volume, id revision.ID) (*mapFile, error) {
	m, err := openIdentified(r.fsys, revisionName(v.Name, id), v, id)
	if !isDamaged(err) && !notFound(err) {
		return m, err
	}
	second, copyErr := r.openCopy(v, id)
	if copyErr != nil {
		return nil, err
	}
	if isDamaged(err) {
		r.opts.Log.Warn("a revision's map is damaged; its copy is used", "file", second.name, "error", err)
	}
	return second, nil
}

// openVisible opens a revision that was named from outside. Its copy does for it
// only if the revision ever was visible, and was not removed. One that waits for its set
// is fs.ErrNotExist.
func (r *Repository) openVisible(v Volume, id revision.ID) (*mapFile, error) {
	if err := r.checkVisible(v, id); err != nil {
		return nil, err
	}
	m, err := r.openRevision(v, id)
	if err != nil {
		return nil, err
	}
	if err := r.checkSet(v, m.Statement()); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// checkVisible fails with fs.ErrNotExist if there is no such revision. One that
// only lost its file is there.
func (r *Repository) checkVisible(v Volume, id revision.ID) error {
	_, err := r.fsys.Lstat(revisionName(v.Name, id))
	if !notFound(err) {
		return nil // of trouble, opening it will tell
	}
	l, listErr := r.list(v)
	if listErr != nil {
		return listErr
	}
	if !l.lost[id] {
		return err
	}
	return nil
}

// openCopy opens the second copy of a revision's file.
func (r *Repository) openCopy(v Volume, id revision.ID) (*mapFile, error) {
	return openIdentified(r.fsys, copyName(v.UUID, id), v, id)
}

// openIdentified opens a map that must be that revision's.
func openIdentified(fsys durable.FS, name string, v Volume, id revision.ID) (*mapFile, error) {
	m, err := openMap(fsys, name)
	if err != nil {
		return nil, err
	}
	if err := checkIdentity(m, v, id); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// checkIdentity refuses a file that lies under another revision's name.
func checkIdentity(m *mapFile, v Volume, id revision.ID) error {
	st := m.Statement()
	if st.ID == id && (st.Volume.UUID == v.UUID || v.UUID.IsZero()) {
		return nil
	}
	return &DamagedFileError{Path: m.name, Cause: fmt.Errorf("it holds revision %s of volume %s", st.ID, st.Volume.UUID)}
}

// info reads what may have changed about a revision; without a file of its own,
// that is what the backup was told.
func (r *Repository) info(v Volume, st *revision.Statement) (Info, error) {
	return r.infoAt(infoName(v.Name, st.ID), st)
}

func (r *Repository) infoAt(name string, st *revision.Statement) (Info, error) {
	var info Info
	err := readSmall(r.fsys, name, &info)
	return notedOf(st, info, err)
}

// notedOf is the info of a revision of whose file came what readSmall returned.
func notedOf(st *revision.Statement, info Info, err error) (Info, error) {
	if notFound(err) {
		return asMade(st), nil
	}
	if isDamaged(err) {
		info = asMade(st)
		info.State, info.Reason = Suspect, err.Error()
		info.Pin = unreadPin()
		return info, nil
	}
	return info, err
}

// infoOfDamaged is what was noted of a revision that cannot be read itself.
func (r *Repository) infoOfDamaged(v Volume, id revision.ID, changed bool) (info Info) {
	if !changed {
		return info
	}
	if err := readSmall(r.fsys, infoName(v.Name, id), &info); err != nil && !notFound(err) {
		info = Info{Pin: unreadPin()}
	}
	return info
}

// unreadPin protects a revision of which nobody can tell whether it is pinned.
func unreadPin() *revision.Pin { return &revision.Pin{Reason: "whether it is pinned cannot be read"} }

// asMade is the info of a revision that nothing was changed about.
func asMade(st *revision.Statement) Info {
	return Info{Tags: st.Tags, Note: st.Note, Pin: st.Pin, State: Good}
}

// Candidate gives what a selector needs to know.
func (rev *Revision) Candidate() revision.Candidate {
	c := revision.Candidate{ID: rev.ID, Tags: rev.Info.Tags, Begun: rev.ID.Begun()}
	if rev.Statement != nil {
		c.Sequence, c.Begun = rev.Statement.Sequence, rev.Statement.Begun
	}
	c.Trusted = rev.Statement != nil && (rev.Info.State == Good || rev.Info.State == Proven)
	return c
}

// Mark changes what may change about a revision: durably, inside the gate. The
// change is given what is there and alters it. What the disk fails to read is not
// replaced; what it reads and is damaged is.
func (r *Repository) Mark(ctx context.Context, rev Revision, change func(*Info)) error {
	if rev.Statement == nil {
		return &DamagedRevisionError{Volume: rev.Volume.Name, ID: rev.ID, Cause: errors.New(rev.Info.Reason)}
	}
	temps := durable.NewTemps("mark-" + randomHex())
	err := r.atGate(ctx, func() error {
		v, _ := r.movedTo(rev.Volume)
		var info Info
		err := readSmall(r.fsys, infoName(v.Name, rev.ID), &info)
		if errors.Is(err, syscall.EIO) {
			return err // what was noted may be there at the next try, and is not overwritten
		}
		if info, err = notedOf(rev.Statement, info, err); err != nil {
			return err
		}
		change(&info)
		if err := r.checkVisible(v, rev.ID); err != nil {
			return err // removed meanwhile
		}
		return replaceSmall(r.fsys, temps, infoName(v.Name, rev.ID), info)
	})
	if err != nil {
		return fmt.Errorf("mark revision %s@%s: %w", rev.Volume.Name, rev.ID.Short(), wrapReadOnly(err))
	}
	return nil
}

// trashedIDs lists the trashed revisions of a volume.
func (r *Repository) trashedIDs(v Volume) ([]revision.ID, error) {
	ids, err := r.idsIn(trashDirOf(v.UUID))
	if notFound(err) {
		return nil, nil
	}
	return ids, err
}
