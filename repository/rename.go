package repository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve/revision"
)

// kindRename is what a volume's lock says of a rename that holds it.
const kindRename = "rename"

// Rename gives a volume another name. It is still the same one: its uuid, its
// revisions and what is noted of them stay, and revisions go on to say what it was
// called when they were made. Who reads it meanwhile goes on reading.
//
// A backup of the volume that is under way is a [*BusyError], after wait. A name
// that another volume has is refused with [ErrVolumeExists]. When Rename returns nil,
// the new name survives a power cut; otherwise the volume has its old one, unless
// the error wraps [ErrNameUndecided].
func (r *Repository) Rename(ctx context.Context, from, to revision.Name, wait time.Duration) (Volume, error) {
	v, err := r.Volume(from)
	if err != nil {
		return Volume{}, err
	}
	lock, err := r.lockVolume(ctx, v, kindRename, wait)
	if err != nil {
		return Volume{}, err
	}
	defer func() {
		if cerr := lock.Close(); cerr != nil { // what was done is done, and the lock has ended
			r.opts.Log.Warn("the lock of a volume did not close well", "error", cerr)
		}
	}()
	err = r.atGate(ctx, func() error {
		now, err := r.Volume(from)
		if err != nil {
			return err
		}
		if now.UUID != v.UUID {
			return fmt.Errorf("%w: another volume has the name now", ErrNoVolume)
		}
		// What is free may be so because somebody renamed a volume, and died before
		// that was durable: it is to stay free.
		if err := r.fsys.SyncDir(volumesDir); err != nil {
			return err
		}
		if err := r.freeName(to); err != nil {
			return err
		}
		return r.moveVolume(from, to)
	})
	if err != nil {
		return Volume{}, fmt.Errorf("rename volume %q to %q: %w", from, to, wrapReadOnly(err))
	}
	v.Name = to
	return v, nil
}

// freeName makes sure, inside the gate, that no volume has a name. A volume of which
// all revisions are in the trash has its name: they may come back.
func (r *Repository) freeName(name revision.Name) error {
	dir := volumeDir(name)
	_, err := r.fsys.Lstat(dir)
	if notFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := r.Volume(name); !errors.Is(err, ErrNoVolume) {
		return fmt.Errorf("%w: %q", ErrVolumeExists, name)
	}
	if err := r.fsys.Remove(dir); err != nil { // of one that was being made, empty
		return fmt.Errorf("%w: %s is there and not empty: %w", ErrVolumeExists, dir, err)
	}
	return nil
}

// moveVolume gives, inside the gate, the volume's directory its new name: one rename
// within one directory. Whether a rename or a sync that failed took effect is open,
// so it is undone.
func (r *Repository) moveVolume(from, to revision.Name) error {
	err := r.fsys.Rename(volumeDir(from), volumeDir(to))
	if err == nil {
		err = r.fsys.SyncDir(volumesDir)
	}
	if err == nil {
		return nil
	}
	if back := r.moveBack(from, to); back != nil {
		return errors.Join(err, fmt.Errorf("%w: %w", ErrNameUndecided, back))
	}
	return err
}

func (r *Repository) moveBack(from, to revision.Name) error {
	_, err := r.fsys.Lstat(volumeDir(from))
	if notFound(err) {
		err = r.fsys.Rename(volumeDir(to), volumeDir(from))
	}
	if err != nil {
		return err
	}
	return r.fsys.SyncDir(volumesDir)
}

// movedTo finds a volume that has been renamed since it was looked up. It is not
// found where the volume still has the name it is known by, or none at all. Its
// revisions go with it: where they are, it is.
func (r *Repository) movedTo(v Volume) (now Volume, moved bool) {
	if v.UUID.IsZero() {
		return v, false
	}
	var record volumeRecord
	err := readSmall(r.fsys, volumeRecordName(v.Name), &record)
	if err == nil && record.UUID == v.UUID || err != nil && !notFound(err) {
		return v, false
	}
	if uuid, ok := r.uuidFromRevisions(v.Name, v.UUID); ok && uuid == v.UUID {
		return v, false // only its own file has gone astray
	}
	entries, err := r.fsys.ReadDir(volumesDir)
	if err != nil {
		return v, false
	}
	for _, e := range entries {
		name, err := revision.DecodeName(e.Name())
		if err != nil || name == v.Name {
			continue
		}
		if now, err := r.Volume(name); err == nil && now.UUID == v.UUID {
			return now, true
		}
	}
	return v, false
}

// isAnothers tells whether the name of a volume is another's now, by that one's own file
// and its revisions.
func (r *Repository) isAnothers(v Volume) bool {
	var record volumeRecord
	if v.UUID.IsZero() || readSmall(r.fsys, volumeRecordName(v.Name), &record) != nil || record.UUID == v.UUID {
		return false
	}
	uuid, ok := r.uuidFromRevisions(v.Name, v.UUID)
	return ok && uuid != v.UUID
}

// stillNamed finds a volume under the name that it has now, and makes sure that the name
// is its own: another may have got it since the volume was looked up and went.
func (r *Repository) stillNamed(v Volume) (Volume, error) {
	v, _ = r.movedTo(v)
	now, err := r.Volume(v.Name)
	if err == nil && now.UUID != v.UUID {
		err = fmt.Errorf("%w: another volume has the name %q now", ErrNoVolume, v.Name)
	}
	return v, err
}
