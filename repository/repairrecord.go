package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"varve/revision"
)

// heldAgainst holds a revision that another repository gives against what this one has of it still:
// the statements of its damaged files, those of its children, the sets that it is of, and the
// journal. All of a lineage can make whatever they like of its keys: that a map is whole, and
// comes to the digest that it says, tells nothing of whether it is what was lost here.
func (p *repairer) heldAgainst(l listing, v Volume, st *revision.Statement) error {
	for _, name := range []string{revisionName(v.Name, st.ID), copyName(v.UUID, st.ID)} {
		m, err := openIdentified(p.repo.fsys, name, v, st.ID)
		if err != nil {
			continue // it says nothing any more
		}
		digest := m.Statement().Digest
		if err := errors.Join(sameImage(st, digest, name), m.Close()); err != nil {
			return err
		}
	}
	for _, rev := range l.visible {
		if rev.isChildOf(st.ID) {
			if err := revision.CheckLink(rev.Statement, st); err != nil {
				return err
			}
		}
	}
	ids, err := p.repo.setIDs()
	if err != nil {
		return err
	}
	for _, id := range ids {
		set, err := p.repo.Set(id)
		if err != nil {
			continue // likewise
		}
		for _, m := range set.Members {
			if m.Volume == v.UUID && m.Revision == st.ID {
				if err := sameImage(st, m.Digest, setName(id)); err != nil {
					return err
				}
			}
		}
	}
	if digest, is := p.journaled().digests[revisionKey{v.UUID, st.ID}]; is {
		return sameImage(st, digest, "the journal")
	}
	return nil
}

func sameImage(st *revision.Statement, want revision.Digest, by string) error {
	if st.Digest != want {
		return fmt.Errorf("what it has as %s is of digest %s, and %s says %s", st.ID.Short(), st.Digest, by, want)
	}
	return nil
}

// journaledRevisions is what the journal has of revisions.
type journaledRevisions struct {
	digests   map[revisionKey]revision.Digest // of images that backups made
	committed map[revisionKey]int             // how often they became visible, less how often they went
}

// journaled reads the journal, once.
func (p *repairer) journaled() *journaledRevisions {
	if p.journal != nil {
		return p.journal
	}
	events, err := p.repo.Events()
	if err != nil {
		p.repo.opts.Log.Warn("the journal cannot be read", "error", err)
	}
	j := &journaledRevisions{digests: map[revisionKey]revision.Digest{}, committed: visibleBy(events)}
	for _, e := range events {
		if e.UUID != nil && e.Op == OpBackup && e.Result != ResultFailed && e.Digest != nil {
			j.digests[revisionKey{*e.UUID, e.Revision}] = *e.Digest
		}
	}
	p.journal = j
	return j
}

// vanished lists the revisions of a volume that were committed, that nobody removed, and of which
// nothing is there.
func (p *repairer) vanished(v Volume, l listing) (ids []revision.ID) {
	for key, n := range p.journaled().committed {
		is := func(rev Revision) bool { return rev.ID == key.id }
		if key.volume == v.UUID && n > 0 && !slices.ContainsFunc(l.visible, is) && !slices.ContainsFunc(l.waiting, is) {
			ids = append(ids, key.id)
		}
	}
	slices.Sort(ids)
	return slices.DeleteFunc(ids, func(id revision.ID) bool { return !p.isNowhere(v, id) })
}

// isNowhere tells whether nothing of a revision is there, and nothing says that it was taken away.
func (p *repairer) isNowhere(v Volume, id revision.ID) bool {
	_, err := p.repo.fsys.Lstat(trashRecordName(v.UUID, id))
	return notFound(err) && !p.repo.isSomewhere(v, id)
}

// lookForVanished brings a revision back of which nothing is there, if another repository has it.
func (p *repairer) lookForVanished(v Volume, id revision.ID) hurtFile {
	name := revisionName(v.Name, id)
	cause := &DamagedFileError{Path: name, Cause: errors.New("it is gone, and so is its copy, though the journal knows it")}
	return hurtFile{name, cause, func(ctx context.Context) (Origin, error) {
		return p.underLock(ctx, v, func(w *work) (Origin, error) {
			if !p.isNowhere(v, id) || !p.repo.committed(v)[id] {
				return Origin{}, errGone // it is there, or was taken away: who does that holds the lock until the journal has it
			}
			return p.putOthers(ctx, w, id, fs.ErrNotExist, fs.ErrNotExist)
		})
	}}
}
