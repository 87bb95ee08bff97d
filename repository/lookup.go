package repository

import (
	"fmt"
	"io/fs"
	"slices"

	"varve/revision"
)

// RevisionNames lists the visible revisions of a volume by id, ascending, and reads no more
// than a few of them. It is not sure where names do not tell: of a file that may be gone, and
// of a revision that waits for its set. Then only [Repository.Revisions] knows. One that
// waits is looked for among the last ids, where it is, but for clocks that go wrong.
func (r *Repository) RevisionNames(v Volume) (ids []revision.ID, sure bool, err error) {
	err = r.underItsName(v, func(v Volume) (err error) {
		ids, sure, err = r.namesAs(v)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return ids, sure, nil
}

func (r *Repository) namesAs(v Volume) (ids []revision.ID, sure bool, err error) {
	ids, err = r.revisionIDs(v.Name)
	if notFound(err) {
		return nil, false, fmt.Errorf("%w: %q", ErrNoVolume, v.Name)
	}
	if err != nil {
		return nil, false, err
	}
	slices.Sort(ids)
	explained := map[revision.ID]bool{} // copies of these say nothing of files that are gone
	trashed, err := r.trashedIDs(v)
	if err != nil {
		return nil, false, err
	}
	for _, id := range slices.Concat(ids, trashed) {
		explained[id] = true
	}
	copies, err := r.idsIn(copyDir(v.UUID))
	if err != nil && !notFound(err) {
		return nil, false, err
	}
	if slices.ContainsFunc(copies, func(id revision.ID) bool { return !explained[id] }) {
		return nil, false, nil
	}
	last, err := r.readRevisions(v, ids[max(0, len(ids)-lookedAt):], nil)
	if slices.ContainsFunc(last, func(rev Revision) bool { return rev.waits }) {
		return nil, false, nil
	}
	return ids, true, err
}

// lookedAt is how many revisions are read to see whether one waits.
const lookedAt = 8

// Revision finds one visible revision, as [Repository.Revisions] lists it, and reads no
// others than those that it builds on, unless something is wrong with one of them. Without
// one, the error wraps fs.ErrNotExist.
func (r *Repository) Revision(v Volume, id revision.ID) (Revision, error) {
	if rev, isWell := r.wellRevision(v, id); isWell {
		return rev, nil
	}
	all, err := r.Revisions(v)
	if err != nil {
		return Revision{}, err
	}
	i := slices.IndexFunc(all, func(rev Revision) bool { return rev.ID == id })
	if i < 0 {
		return Revision{}, fmt.Errorf("revision %s@%s: %w", v.Name, id, fs.ErrNotExist)
	}
	return all[i], nil
}

// wellRevision finds a revision that is visible, and that can be read with all that it
// builds on. What becomes of any other, those beside it tell.
func (r *Repository) wellRevision(v Volume, id revision.ID) (rev Revision, isWell bool) {
	if _, err := r.fsys.Lstat(revisionName(v.Name, id)); err != nil { // a copy alone is no proof
		return rev, false
	}
	rev, err := r.revision(v, id, true)
	if err != nil || rev.Statement == nil || rev.waits {
		return rev, false
	}
	for parent := rev.Statement.Parent; parent != nil; {
		m, err := r.openRevision(v, parent.ID)
		if err != nil {
			return rev, false
		}
		parent = m.Statement().Parent
		if m.Close() != nil {
			return rev, false
		}
	}
	_, moved := r.movedTo(v) // then what was noted of it may have been passed by
	return rev, !moved
}
