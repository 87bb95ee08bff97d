package repository

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"varve/internal/durable"
)

// CommitSet makes the revisions of a set visible, all at once: they were begun with its id
// and are prepared. When it returns no error, the set survives a power cut; when it does not,
// none of its revisions is visible, unless the error wraps [ErrUndecided], and then all are
// or none. An error that wraps [ErrLostGround] is healed by the next run.
func (r *Repository) CommitSet(ctx context.Context, set Set, backups []*Backup) (Set, error) {
	set.Members = nil
	for _, b := range backups {
		if b.prepared == nil || b.prepared.Set != set.ID {
			return set, fmt.Errorf("commit set %q: volume %q is not prepared for it", set.Name, b.volume.Name)
		}
		if slices.ContainsFunc(set.Members, func(m Member) bool { return m.Volume == b.volume.UUID }) {
			return set, fmt.Errorf("commit set %q: volume %q is in it twice", set.Name, b.volume.Name)
		}
		set.Members = append(set.Members, Member{b.volume.UUID, b.volume.Name, b.id, b.sequence, b.prepared.Digest})
	}
	if len(backups) == 0 {
		return set, fmt.Errorf("commit set %q: it has no volumes", set.Name)
	}
	temps := backups[0].lease.temps
	second, err := r.prepareSet(temps, set)
	if err != nil {
		return set, fmt.Errorf("commit set %q: %w", set.Name, wrapReadOnly(err))
	}
	err = r.passGate(ctx, gateWait, func(passage uint64) error {
		for _, b := range backups {
			b.arrive(passage)
			if err := b.standsFirm(); err != nil {
				return fmt.Errorf("volume %q: %w", b.volume.Name, err)
			}
		}
		return r.setVisible(temps, set, second, backups)
	})
	if err != nil {
		if rerr := r.fsys.Remove(second); !notFound(rerr) {
			err = errors.Join(err, rerr)
		}
	}
	for _, b := range backups {
		if err != nil {
			err = errors.Join(err, b.notCommitted(err))
			continue
		}
		b.nowVisible()
	}
	if err != nil {
		return set, fmt.Errorf("commit set %q: %w", set.Name, wrapReadOnly(err))
	}
	return set, nil
}

// prepareSet writes the second copy of a set under a temporary name, which it returns.
func (r *Repository) prepareSet(temps *durable.Temps, set Set) (second string, err error) {
	if err := durable.MkdirAll(r.fsys, setsDir); err != nil {
		return "", err
	}
	return writeTempSmall(r.fsys, temps, setsDir, set)
}

// setVisible gives, inside the gate, all revisions of a set their names, and then the set
// its own. That is ★: until then they wait, and are none. Second is what [Repository.prepareSet]
// wrote.
func (r *Repository) setVisible(temps *durable.Temps, set Set, second string, backups []*Backup) error {
	switch stands, err := r.setStands(set.ID); {
	case err != nil:
		return fmt.Errorf("look whether another set has the id %s: %w", set.ID, err)
	case stands:
		return fmt.Errorf("%w: another set has the id %s", ErrLostGround, set.ID)
	}
	for i, b := range backups {
		if err := b.makeVisible(); err != nil {
			return errors.Join(fmt.Errorf("volume %q: %w", b.volume.Name, err), takeBackAll(backups[:i]))
		}
	}
	for _, b := range backups { // all this took a while
		if err := b.stillNamed(); err != nil {
			return errors.Join(fmt.Errorf("volume %q: %w", b.volume.Name, err), takeBackAll(backups))
		}
	}
	if err := writeNewSmall(r.fsys, temps, setName(set.ID), set); err != nil { // ★
		if back := r.takeBackSet(set.ID); back != nil {
			return errors.Join(err, back) // its revisions stay: all are there, or none
		}
		return errors.Join(err, takeBackAll(backups))
	}
	for _, b := range backups {
		b.unretire()
	}
	if err := r.nameSecond(second, setCopyName(set.ID)); err != nil { // the next collection makes it
		r.opts.Log.Warn("a set has no second copy", "set", set.ID, "error", err)
	}
	return nil
}

// stillNamed makes sure that nobody took the revision, which waits for its set, for one of a dead run.
func (b *Backup) stillNamed() error {
	if err := b.lease.holds(); err != nil {
		return err
	}
	_, err := b.repo.fsys.Lstat(revisionName(b.volume.Name, b.id))
	if notFound(err) {
		return fmt.Errorf("%w: its revision was put into the trash meanwhile", ErrLostGround)
	}
	return err
}

// nameSecond gives the second copy of a set its name.
func (r *Repository) nameSecond(second, name string) error {
	if err := r.fsys.RenameNew(second, name); err != nil {
		return errors.Join(err, r.fsys.Remove(second))
	}
	return r.fsys.SyncDir(setsDir)
}

// takeBackSet removes the name of a set that may not last.
func (r *Repository) takeBackSet(id string) error {
	err := r.fsys.Remove(setName(id))
	if err == nil || notFound(err) {
		err = r.fsys.SyncDir(setsDir)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUndecided, err)
	}
	return nil
}

// takeBackAll removes the names of revisions that wait for a set that does not come.
func takeBackAll(backups []*Backup) error {
	var errs []error
	for _, b := range slices.Backward(backups) {
		errs = append(errs, b.takeBack(revisionName(b.volume.Name, b.id), copyName(b.volume.UUID, b.id)))
	}
	return errors.Join(errs...)
}

// abandonedStay is how long a revision stays in the trash whose set was never complete.
const abandonedStay = 7 * 24 * time.Hour

// abandon puts revisions into the trash that wait for a set that nobody is making: who
// was had the lock of the volume, which is ours now. What they name stays for as long, and
// is found again by the run that comes.
func (w *work) abandon(ctx context.Context, waiting []Revision, unsure error) error {
	if len(waiting) == 0 {
		return nil
	}
	if unsure != nil { // it may know that they were visible
		return fmt.Errorf("look in the journal whether a set was ever complete: %w", unsure)
	}
	// A set of which the file was taken back may be there again after a power cut.
	if err := w.repo.fsys.SyncDir(setsDir); err != nil && !notFound(err) {
		return fmt.Errorf("make it durable that a set never came: %w", err)
	}
	for _, rev := range slices.Backward(waiting) {
		now := w.repo.opts.Now().UTC().Truncate(time.Second)
		record := trashRecord{Volume: w.volume.Name, Since: now, Until: now.Add(abandonedStay), Op: OpSet, By: w.repo.me}
		err := w.atGate(ctx, func() error {
			if err := w.stillOurs(); err != nil {
				return err
			}
			switch stands, err := w.repo.setStands(rev.Statement.Set); {
			case err != nil:
				return err
			case stands:
				return fmt.Errorf("%w: set %s came while the volume was locked", ErrLostGround, rev.Statement.Set)
			}
			return w.repo.moveToTrash(w.lease.temps, w.volume, rev.ID, record)
		})
		if err != nil {
			return fmt.Errorf("put %s@%s, whose set was never complete, into the trash: %w", w.volume.Name, rev.ID.Short(), err)
		}
		w.known[rev.ID] = false
		w.repo.opts.Log.Warn("a revision whose set was never complete is in the trash now", "file", path.Base(revisionName(w.volume.Name, rev.ID)))
	}
	return nil
}
