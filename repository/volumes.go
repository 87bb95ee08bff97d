package repository

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"varve/internal/durable"
	"varve/revision"
)

// Volume is a volume of the repository. The uuid tells it from another that had
// the name before.
type Volume struct {
	Name    revision.Name
	UUID    revision.UUID
	Created time.Time
	// Retired is when it was said that the volume is not expected to be backed up any
	// more; zero: it is. Whether a later revision ended that, [Retirement.InForce] tells.
	Retired time.Time
}

// volumeRecord is volumes/<volume>/volume.json. The name is the directory's.
type volumeRecord struct {
	UUID    revision.UUID `json:"uuid"`
	Created time.Time     `json:"created"`
}

// newUUID makes a random UUID (RFC 9562, version 4).
func newUUID() (u revision.UUID) {
	rand.Read(u[:])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// Volumes lists the volumes, by name. Those that cannot be read are in the
// error, each as a [*VolumeError], which comes with all that can.
func (r *Repository) Volumes() ([]Volume, error) {
	entries, err := r.fsys.ReadDir(volumesDir)
	if err != nil {
		return nil, err
	}
	volumes, errs := make([]Volume, len(entries)), make([]error, len(entries))
	var g errgroup.Group
	g.SetLimit(r.opts.Listers)
	for i, e := range entries {
		g.Go(func() error {
			volumes[i], errs[i] = r.volumeAt(e.Name())
			return nil
		})
	}
	_ = g.Wait() // what went wrong is in errs
	volumes = slices.DeleteFunc(volumes, func(v Volume) bool { return v.UUID.IsZero() })
	slices.SortFunc(volumes, func(a, b Volume) int { return cmp.Compare(a.Name, b.Name) })
	return volumes, errors.Join(errs...)
}

// volumeAt finds the volume whose directory has that name; none, without an error,
// if it is no volume's.
func (r *Repository) volumeAt(base string) (Volume, error) {
	name, err := revision.DecodeName(base)
	switch {
	case err != nil && durable.IsTemp(base):
		return Volume{}, nil
	case err != nil:
		return Volume{}, &DamagedFileError{Path: path.Join(volumesDir, base), Cause: err}
	}
	v, err := r.Volume(name)
	switch {
	case errors.Is(err, ErrNoVolume): // a directory alone is one that is being made
		return Volume{}, nil
	case err != nil:
		return Volume{}, &VolumeError{Volume: name, Err: err}
	}
	return v, nil
}

// Volume finds a volume by its name. Without one, the error wraps ErrNoVolume.
func (r *Repository) Volume(name revision.Name) (Volume, error) {
	v, err := r.readVolume(name)
	if err == nil {
		v.Retired, err = r.retiredAt(v)
	}
	if !isDamaged(err) && !errors.Is(err, ErrNoVolume) {
		return v, err
	}
	if uuid, ok := r.uuidFromRevisions(name, revision.UUID{}); ok { // every revision repeats it
		if !isDamaged(err) {
			err = &DamagedFileError{Path: volumeRecordName(name), Cause: errFileGone}
		}
		r.opts.Log.Warn("a volume's own file is damaged or gone; its revisions tell what it is", "error", err)
		v = Volume{Name: name, UUID: uuid}
		v.Retired, err = r.retiredAt(v)
		return v, err
	}
	return v, err
}

// readVolume reads a volume's own file. One that all revisions contradict is
// another volume's, and counts as damaged.
func (r *Repository) readVolume(name revision.Name) (Volume, error) {
	file := volumeRecordName(name)
	var record volumeRecord
	err := readSmall(r.fsys, file, &record)
	switch {
	case notFound(err):
		return Volume{}, fmt.Errorf("%w: %q", ErrNoVolume, name)
	case err != nil:
		return Volume{}, err
	case record.UUID.IsZero():
		return Volume{}, &DamagedFileError{Path: file, Cause: fmt.Errorf("%w: it holds no uuid", errBadContent)}
	}
	if uuid, ok := r.uuidFromRevisions(name, record.UUID); ok && uuid != record.UUID {
		return Volume{}, &DamagedFileError{Path: file, Cause: fmt.Errorf("%w: it holds uuid %s, all revisions are of %s", errBadContent, record.UUID, uuid)}
	}
	return Volume{Name: name, UUID: record.UUID, Created: record.Created}, nil
}

// uuidFromRevisions reads the volume's uuid off its revisions, which must agree.
// One that says what is believed already is enough.
func (r *Repository) uuidFromRevisions(name revision.Name, believed revision.UUID) (uuid revision.UUID, ok bool) {
	ids, err := r.revisionIDs(name)
	if err != nil {
		return uuid, false
	}
	for _, id := range ids {
		m, err := openIdentified(r.fsys, revisionName(name, id), Volume{}, id)
		if err != nil {
			continue
		}
		found := m.Statement().Volume.UUID
		if m.Close() != nil || ok && found != uuid {
			return uuid, false
		}
		if uuid, ok = found, true; found == believed {
			break
		}
	}
	return uuid, ok
}

// makeVolume finds the volume, or makes it, or makes its file anew if that is
// damaged or gone.
func (r *Repository) makeVolume(ctx context.Context, name revision.Name) (Volume, error) {
	v, err := r.readVolume(name)
	if err == nil {
		return v, nil
	}
	if errors.Is(err, ErrNoVolume) {
		r.warnOfLost(name)
	}
	temps := durable.NewTemps("new-" + randomHex())
	err = r.atGate(ctx, func() (err error) {
		if v, err = r.readVolume(name); err == nil {
			return nil // another process was faster
		}
		now := r.opts.Now().UTC().Truncate(time.Second)
		if v, err = r.Volume(name); errors.Is(err, ErrNoVolume) {
			v = Volume{Name: name, UUID: newUUID()}
		} else if err != nil {
			return err
		}
		v.Created = now // or found again
		return r.writeVolume(temps, v)
	})
	if err != nil {
		return Volume{}, fmt.Errorf("make volume %q: %w", name, wrapReadOnly(err))
	}
	return v, nil
}

// writeVolume makes, inside the gate, a volume's directory with its file in it, or the
// file anew.
func (r *Repository) writeVolume(temps *durable.Temps, v Volume) error {
	if err := r.makeVolumeDir(v.Name); err != nil {
		return err
	}
	return replaceSmall(r.fsys, temps, volumeRecordName(v.Name), volumeRecord{UUID: v.UUID, Created: v.Created})
}

// makeVolumeDir makes, inside the gate, a volume's directory, if there is none.
func (r *Repository) makeVolumeDir(name revision.Name) error {
	// The name may be free because a volume was renamed by somebody who died before
	// that was durable: it is to stay free.
	if err := r.fsys.SyncDir(volumesDir); err != nil {
		return err
	}
	return durable.MkdirAll(r.fsys, volumeDir(name))
}
