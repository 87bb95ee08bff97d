package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"varve/internal/durable"
	"varve/revision"
)

// undeletion brings a revision back.
type undeletion struct {
	folding
	id     revision.ID
	lost   map[revision.ID]bool           // visible ones whose file is gone, and whose copy stands in
	nonces map[revision.ID]revision.Nonce // of the trashed maps that were read
	number uint64                         // of the revision
}

// kindUndelete is what the lock of a volume says of an undeletion.
const kindUndelete = "undelete"

// Undelete brings a trashed revision back, under its old id and number: its map is
// written anew, on the nearest revision below that is visible, or as a full if there is
// none. When it returns nil the revision survives a power cut; if it cannot be read then,
// it is a damaged one. One that is not in the trash is [fs.ErrNotExist]; a name that another volume has got meanwhile
// [ErrVolumeExists]; the volume's lock in other hands a [*BusyError], after wait. With a revision and an error, it is back,
// and what failed came after.
func (r *Repository) Undelete(ctx context.Context, t Trashed, wait time.Duration) (_ *Revision, err error) {
	u := &undeletion{folding: r.newFolding(t.Volume), id: t.ID, nonces: map[revision.ID]revision.Nonce{}}
	defer func() { err = errors.Join(err, u.end()) }()
	rev, err := u.undelete(ctx, wait)
	if err != nil {
		err = fmt.Errorf("bring %s@%s back: %w", t.Volume.Name, t.ID.Short(), wrapReadOnly(err))
	}
	return rev, err
}

func (u *undeletion) undelete(ctx context.Context, wait time.Duration) (back *Revision, err error) {
	r := u.repo
	if u.lock, err = r.lockVolume(ctx, u.volume, kindUndelete, wait); err != nil {
		return nil, err
	}
	if err := u.findHome(ctx); err != nil {
		return nil, err
	}
	if err := u.begin(ctx, kindMerge, 0); err != nil {
		return nil, err
	}
	defer func() {
		if !u.recorded {
			return
		}
		switch ferr := u.finished(); { // it adds no packs
		case back == nil:
			err = errors.Join(err, ferr)
		case ferr != nil: // a gc that took this run for dead was faster
			r.opts.Log.Warn("the record of a run that is over stays", "error", ferr)
		}
	}()
	l, err := r.list(u.volume)
	if err != nil {
		return nil, err
	}
	u.lost, u.ofSets = l.lost, l.ofSets()
	if err := u.settled(); err != nil {
		return nil, err
	}
	if err := r.fsys.SyncDir(volumeDir(u.volume.Name)); err != nil {
		return nil, err
	}
	if u.known, err = u.all(); err != nil {
		return nil, err
	}
	if err := u.abandon(ctx, l.waiting, l.unsure); err != nil {
		return nil, err
	}
	d, below, err := u.write(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.discard()) }()
	second, err := u.writeCopy(d)
	if err != nil {
		return nil, fmt.Errorf("make the second copy of the map durable: %w", err)
	}
	if err := u.atGate(ctx, func() error { return u.makeVisible(d, second, below) }); err != nil {
		if rerr := r.fsys.Remove(second); !notFound(rerr) {
			err = errors.Join(err, rerr)
		}
		return nil, err
	}
	d.name = ""
	rev, err := r.revision(u.volume, u.id, true)
	if err != nil {
		return &Revision{Volume: u.volume, ID: u.id}, err
	}
	event := Event{
		Op: OpUndelete, Result: ResultOK, Volume: u.volume.Name, UUID: &u.volume.UUID, Revision: u.id, Sequence: u.number,
	}
	if err := r.Record(ctx, event); err != nil {
		r.opts.Log.Warn("what came back is not in the journal", "error", err)
	}
	return &rev, nil
}

// findHome finds the volume, under whatever name it has now, or makes it anew if it
// went with its last revision.
func (u *undeletion) findHome(ctx context.Context) error {
	r := u.repo
	if now, moved := r.movedTo(u.volume); moved {
		u.volume = now
	}
	v, err := r.Volume(u.volume.Name)
	switch {
	case err == nil && v.UUID == u.volume.UUID:
		return nil
	case err == nil:
		return fmt.Errorf("%w: %q is another volume now", ErrVolumeExists, u.volume.Name)
	case !errors.Is(err, ErrNoVolume):
		return err
	}
	temps := durable.NewTemps("undelete-" + randomHex())
	return r.atGate(ctx, func() error {
		if err := r.freeName(u.volume.Name); err != nil {
			return err
		}
		made := u.volume
		made.Created = r.opts.Now().UTC().Truncate(time.Second)
		return r.writeVolume(temps, made)
	})
}

// all gives the ids of the volume: true of visible ones, false of those in the trash alone.
func (u *undeletion) all() (map[revision.ID]bool, error) {
	known, err := u.repo.idSet(u.volume)
	if err != nil {
		return nil, err
	}
	trashed, err := u.repo.trashedIDs(u.volume)
	for _, id := range trashed {
		if !known[id] { // after a power cut, it may be visible too
			known[id] = false
		}
	}
	return known, err
}

// write writes the map that the revision comes back with. Below is what it builds on.
func (u *undeletion) write(ctx context.Context) (_ *draft, below revision.ID, err error) {
	r := u.repo
	if err := r.checkVisible(u.volume, u.id); !notFound(err) {
		return nil, "", errors.Join(err, errVisible)
	}
	old, err := u.openWholeTrashed(u.id)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	u.number = old.Statement().Sequence
	var between []revision.ID // trashed ones, down to what is visible
	child := old.Statement()
	for at := child.Parent; at != nil; {
		if err := r.checkVisible(u.volume, at.ID); !notFound(err) {
			if err != nil {
				return nil, "", err
			}
			below = at.ID
			break
		}
		between = append(between, at.ID)
		m, err := u.openWholeTrashed(at.ID)
		if notFound(err) {
			err = &DamagedRevisionError{Volume: u.volume.Name, ID: u.id, Cause: fmt.Errorf("%s, on which it builds, is gone: %w", at.ID, err)}
		}
		if err != nil {
			return nil, "", err
		}
		if err := revision.CheckLink(child, m.Statement()); err != nil {
			return nil, "", errors.Join(&DamagedRevisionError{Volume: u.volume.Name, ID: u.id, Cause: err}, m.Close())
		}
		child = m.Statement()
		at = child.Parent
		if err := m.Close(); err != nil {
			return nil, "", err
		}
	}
	if u.alone, err = u.isAlone(old.Statement()); err != nil {
		return nil, "", err
	}
	d, err := u.fold(ctx, old, between, u.openWholeTrashed)
	if err != nil {
		return nil, "", err
	}
	if err := u.proveOn(ctx, u.reader, d, below); err != nil {
		return nil, "", errors.Join(err, d.discard())
	}
	return d, below, nil
}

// isAlone tells whether the revision is one whose set was never complete: it comes back
// as one of no set, or it would be waited for in vain.
func (u *undeletion) isAlone(st *revision.Statement) (bool, error) {
	if st.Set == "" {
		return false, nil
	}
	stands, err := u.repo.setStands(st.Set)
	if err != nil || stands {
		return false, err
	}
	known, err := u.repo.journaledSets()
	if known.has(Revision{Volume: u.volume, ID: st.ID, Statement: st}) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look in the journal whether set %s was ever complete: %w", st.Set, err)
	}
	return true, nil
}

// openWholeTrashed opens a map in the trash, every byte of which is checked, or its copy.
func (u *undeletion) openWholeTrashed(id revision.ID) (*mapFile, error) {
	m, err := u.repo.openTrashed(u.volume.UUID, id)
	if err != nil {
		if isDamaged(err) {
			err = &DamagedRevisionError{Volume: u.volume.Name, ID: id, Cause: err}
		}
		return nil, err
	}
	u.nonces[id] = m.Statement().Nonce
	damage := m.Check()
	if damage == nil {
		return m, nil
	}
	second := u.repo.standIn(u.volume, m)
	if err := m.Close(); err != nil || second != nil {
		return second, err
	}
	return nil, &DamagedRevisionError{Volume: u.volume.Name, ID: id, Cause: damagedMap(m.name, damage)}
}

// makeVisible gives, inside the gate, the copy and then the revision their names. What
// was noted of it is there before. A name that may not last is taken back: the revision
// lies in the trash still.
func (u *undeletion) makeVisible(d *draft, second string, below revision.ID) error {
	r, fsys := u.repo, u.repo.fsys
	if err := u.stillOurs(); err != nil {
		return err
	}
	if err := r.homeStands(u.volume); err != nil {
		return err
	}
	if err := u.stillTrashed(); err != nil {
		return err
	}
	if below != "" && !u.lost[below] {
		if err := u.groundStands(below); err != nil {
			return err
		}
	}
	copied, visible := copyName(u.volume.UUID, u.id), revisionName(u.volume.Name, u.id)
	if err := r.moveInfo(u.lease.temps, trashInfoName(u.volume.UUID, u.id), infoName(u.volume.Name, u.id)); err != nil {
		return err
	}
	if err := fsys.Rename(second, copied); err != nil {
		return err
	}
	if err := fsys.SyncDir(path.Dir(copied)); err != nil {
		return err
	}
	err := fsys.RenameNew(d.name, visible) // ★
	if err == nil {
		err = fsys.SyncDir(path.Dir(visible))
	}
	if err != nil {
		return errors.Join(err, u.takeBack(visible))
	}
	r.dropTrash(u.volume.UUID, u.id)
	return nil
}

// stillTrashed makes sure, inside the gate, that the maps that were read lie in the trash.
// A collection that took one away may have condemned what it named, and nothing else
// named it then.
func (u *undeletion) stillTrashed() error {
	for _, id := range slices.Sorted(maps.Keys(u.nonces)) {
		m, err := u.repo.openTrashed(u.volume.UUID, id)
		if err != nil {
			return fmt.Errorf("%w: %s is not in the trash any more: %w", ErrLostGround, id, err)
		}
		if err := checkWriting(m, u.nonces[id]); err != nil {
			return err
		}
	}
	return nil
}
