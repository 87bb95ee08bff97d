package repository

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"varve/revision"
)

// lostVolumes finds volumes of which the directory is gone. Known are those that are there, as they
// were listed before; of others, that have come since or cannot be read, nothing is said. What it looks at costs next
// to nothing, unless there are copies that nothing explains: then the journal is read, and an error
// that this gives comes with what can be told.
func (r *Repository) lostVolumes(known map[revision.UUID]bool) ([]*LostVolumeError, error) {
	entries, err := r.fsys.ReadDir(copiesDir)
	if err != nil {
		return nil, notFoundIsFine(err)
	}
	strays := map[revision.UUID]bool{}
	for _, e := range entries {
		uuid, err := revision.ParseUUID(e.Name())
		if err != nil || known[uuid] {
			continue
		}
		ids, err := r.strayCopies(uuid)
		if err != nil {
			return nil, err
		}
		if len(ids) > 0 {
			strays[uuid] = true
		}
	}
	if len(strays) == 0 {
		return nil, nil
	}
	events, err := r.Events()
	var unread []error
	if err != nil {
		unread = append(unread, fmt.Errorf("tell by the journal whether volumes are lost: %w", err))
	}
	visible, names := visibleBy(events), lastNames(events)
	var lost []*LostVolumeError
	for uuid := range strays {
		ids, err := r.strayCopies(uuid) // once more: it may just have been taken away
		if err != nil {
			return nil, err
		}
		v := Volume{Name: names[uuid], UUID: uuid}
		ids = slices.DeleteFunc(ids, func(id revision.ID) bool { return visible[revisionKey{uuid, id}] <= 0 })
		if len(ids) == 0 || v.Name == "" {
			continue // who was cut off left them
		}
		switch isThere, err := r.mayBeThere(v); {
		case err != nil:
			unread = append(unread, err)
			continue
		case isThere: // it came meanwhile, or cannot be read
			continue
		}
		v.Created = slices.Min(ids).Begun()
		lost = append(lost, &LostVolumeError{Volume: v, Revisions: ids})
	}
	slices.SortFunc(lost, func(a, b *LostVolumeError) int { return slices.Compare(a.Volume.UUID[:], b.Volume.UUID[:]) })
	return lost, errors.Join(unread...)
}

// strayCopies lists the copies of a volume's revisions that are not of what lies in the trash.
func (r *Repository) strayCopies(volume revision.UUID) ([]revision.ID, error) {
	ids, err := r.idsIn(copyDir(volume))
	if err != nil {
		return nil, notFoundIsFine(err)
	}
	trashed, err := r.trashedIDs(Volume{UUID: volume})
	return slices.DeleteFunc(ids, func(id revision.ID) bool { return slices.Contains(trashed, id) }), err
}

// lastNames gives the names that volumes had last, by what is done with a volume by its name then.
func lastNames(events []Event) map[revision.UUID]revision.Name {
	names := map[revision.UUID]revision.Name{}
	for _, e := range events {
		if e.UUID != nil && e.Volume != "" && e.Result != ResultFailed && (e.visible() > 0 || e.Op == OpRename) {
			names[*e.UUID] = e.Volume
		}
	}
	return names
}

// mayBeThere tells whether a volume is there, under whatever name, or the directory of its own name
// is damaged so that it cannot be told to be another's.
func (r *Repository) mayBeThere(v Volume) (bool, error) {
	if _, moved := r.movedTo(v); moved {
		return true, nil
	}
	_, err := r.fsys.Lstat(volumeDir(v.Name))
	switch {
	case notFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("tell whether volume %q is lost: %w", v.Name, err)
	}
	now, err := r.Volume(v.Name)
	switch {
	case errors.Is(err, ErrNoVolume):
		ids, err := r.revisionIDs(v.Name)
		return len(ids) > 0, err // without, it is one that is being made
	case isDamaged(err):
		return true, nil
	}
	return now.UUID == v.UUID, err
}

// makeLost makes, inside the gate, the directory of a lost volume anew, with what the journal knows
// of what was noted: what somebody did not trust is suspect, and what was pinned is, for ever. The
// volume's own file comes last: until then it is lost still, and this can be done once more.
func (p *repairer) makeLost(lost *LostVolumeError) error {
	r, v := p.repo, lost.Volume
	stray, err := r.strayCopies(v.UUID)
	if err != nil {
		return err
	}
	if isThere, err := r.mayBeThere(v); len(stray) == 0 || isThere || err != nil {
		return cmp.Or(err, errGone)
	}
	if _, err := r.Volumes(); err != nil {
		return fmt.Errorf("whether it has another name now cannot be told: %w", err)
	}
	if _, err := r.readVolume(v.Name); !errors.Is(err, ErrNoVolume) {
		return fmt.Errorf("another volume has the name %q: varve rename gives it another, and then this can be repaired", v.Name)
	}
	events, err := r.Events()
	if err != nil {
		return fmt.Errorf("tell by the journal what was noted: %w", err)
	}
	if err := r.makeVolumeDir(v.Name); err != nil {
		return err
	}
	for _, id := range lost.Revisions {
		info, noted := r.notedBy(events, v, id)
		if !noted {
			continue
		}
		if err := replaceSmall(r.fsys, p.lease.temps, infoName(v.Name, id), info); err != nil {
			return err
		}
	}
	return r.writeVolume(p.lease.temps, v)
}

// notedBy tells what was noted of a revision, by its copy and by events, as far as that keeps it or
// warns of it. Not noted: nothing was but what it was made with.
func (r *Repository) notedBy(events []Event, v Volume, id revision.ID) (info Info, noted bool) {
	info.State = Good
	if m, err := r.openCopy(v, id); err == nil {
		info = asMade(m.Statement())
		_ = m.Close() // it was only read
	}
	for _, e := range events {
		if e.UUID == nil || *e.UUID != v.UUID || e.Revision != id || e.Result != ResultOK {
			continue
		}
		switch e.Op {
		case OpDistrust:
			info.Distrust(e.Detail)
		case OpPin:
			info.Pin = &revision.Pin{Reason: "it was pinned when its notes were lost: " + e.Detail}
		case OpUnpin:
			info.Pin = nil
		default:
			continue
		}
		noted = true
	}
	return info, noted
}

// lostNow finds the volumes that are lost beside all that are there now.
func (r *Repository) lostNow() ([]*LostVolumeError, error) {
	volumes, _ := r.Volumes() // of those that cannot be read, the names are taken
	known := map[revision.UUID]bool{}
	for _, v := range volumes {
		known[v.UUID] = true
	}
	return r.lostVolumes(known)
}

// warnOfLost warns of what a new volume of that name is not.
func (r *Repository) warnOfLost(name revision.Name) {
	lost, err := r.lostNow()
	if err != nil {
		r.opts.Log.Warn("whether a volume of that name was lost cannot be told", "error", err)
	}
	for _, l := range lost {
		if l.Volume.Name == name {
			r.opts.Log.Warn("a new volume is made, for the one that had its name is lost", "error", l)
		}
	}
}
