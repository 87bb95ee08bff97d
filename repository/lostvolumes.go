package repository

import (
	"errors"
	"fmt"
	"slices"

	"varve/revision"
)

// A LostVolumeError reports a volume of which the directory is gone, with all that was noted of
// its revisions, and copies of revisions are there that were committed and not removed. A repair
// brings them back.
type LostVolumeError struct {
	Volume    Volume        // its name is the last one that the journal knows
	Revisions []revision.ID // of which there are copies
}

func (e *LostVolumeError) Error() string {
	return fmt.Sprintf("%s is gone, and copies of its revisions are there still: %d", volumeDir(e.Volume.Name), len(e.Revisions))
}

// lostVolumes finds volumes of which the directory is gone. Known are those that are there, as they
// were listed before; of others that have come since, or that cannot be read, nothing is said. What
// it looks at costs next to nothing, unless there are copies that nothing explains.
func (r *Repository) lostVolumes(known map[revision.UUID]bool) ([]LostVolumeError, error) {
	entries, err := r.fsys.ReadDir(copiesDir)
	if err != nil {
		if notFound(err) {
			err = nil
		}
		return nil, err
	}
	strays := map[revision.UUID][]revision.ID{}
	for _, e := range entries {
		uuid, err := revision.ParseUUID(e.Name())
		if err != nil || known[uuid] {
			continue
		}
		ids, err := r.idsIn(copyDir(uuid))
		if err != nil && !notFound(err) {
			return nil, err
		}
		trashed, err := r.trashedIDs(Volume{UUID: uuid})
		if err != nil {
			return nil, err
		}
		ids = slices.DeleteFunc(ids, func(id revision.ID) bool { return slices.Contains(trashed, id) })
		if len(ids) > 0 {
			strays[uuid] = ids
		}
	}
	if len(strays) == 0 {
		return nil, nil
	}
	events, err := r.Events()
	if err != nil {
		r.opts.Log.Warn("the journal cannot be read", "error", err)
	}
	visible, names := visibleBy(events), map[revision.UUID]revision.Name{}
	for _, e := range events {
		if e.UUID != nil && e.Volume != "" {
			names[*e.UUID] = e.Volume
		}
	}
	var lost []LostVolumeError
	for uuid, ids := range strays {
		v := Volume{Name: names[uuid], UUID: uuid}
		ids = slices.DeleteFunc(ids, func(id revision.ID) bool { return visible[revisionKey{uuid, id}] <= 0 })
		if len(ids) == 0 || v.Name == "" || r.mayBeThere(v) {
			continue // who was cut off left them, or it came meanwhile
		}
		v.Created = slices.Min(ids).Begun()
		lost = append(lost, LostVolumeError{Volume: v, Revisions: ids})
	}
	slices.SortFunc(lost, func(a, b LostVolumeError) int { return slices.Compare(a.Volume.UUID[:], b.Volume.UUID[:]) })
	return lost, nil
}

// mayBeThere tells whether a volume is there, under whatever name, or the directory of its own name
// cannot be told to be another's.
func (r *Repository) mayBeThere(v Volume) bool {
	if _, moved := r.movedTo(v); moved {
		return true
	}
	if _, err := r.fsys.Lstat(volumeDir(v.Name)); notFound(err) {
		return false
	}
	now, err := r.Volume(v.Name)
	if errors.Is(err, ErrNoVolume) {
		return false // an empty directory, such as one that is being made
	}
	return err != nil || now.UUID == v.UUID
}

// warnOfLost warns of what a new volume of that name is not.
func (r *Repository) warnOfLost(name revision.Name) {
	known := map[revision.UUID]bool{}
	volumes, err := r.Volumes()
	if err != nil {
		return // whether it is lost cannot be told
	}
	for _, v := range volumes {
		known[v.UUID] = true
	}
	lost, err := r.lostVolumes(known)
	if err != nil {
		r.opts.Log.Warn("whether a volume of that name was lost cannot be told", "error", err)
	}
	for i := range lost {
		if lost[i].Volume.Name == name {
			r.opts.Log.Warn("a new volume is made, for the one that had its name is lost", "error", &lost[i])
		}
	}
}
