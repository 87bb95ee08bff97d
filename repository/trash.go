package repository

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"varve/internal/durable"
	"varve/revision"
)

// Trashed is a revision that was taken away and can come back.
type Trashed struct {
	Revision
	Since time.Time // when it was taken away
	Until time.Time // from then on, gc takes it away for good; zero: its record cannot be read, and it stays
	Op    string    // what took it away: [OpRemove], [OpPrune] or [OpMerge]

	// going: it has neither copy nor record, and so was being purged, which takes the copy
	// first and the record last, when the power went.
	going bool
}

// IsDue tells whether a trashed revision's time is over.
func (t *Trashed) IsDue(now time.Time) bool { return !t.Until.IsZero() && !t.Until.After(now) }

// trashRecord is trash/<volume uuid>/<id>.trash, durable before the revision's file
// lies beside it.
type trashRecord struct {
	Volume revision.Name `json:"volume"` // what it was called then
	Since  time.Time     `json:"since"`
	Until  time.Time     `json:"until"`
	Op     string        `json:"op"`
	By     Holder        `json:"by"`
}

// Trash lists what was taken away of all volumes, by volume and number. What cannot
// be read is in the error, which comes with all that can.
func (r *Repository) Trash() ([]Trashed, error) {
	entries, err := r.fsys.ReadDir(trashDir)
	if err != nil && !notFound(err) {
		return nil, err
	}
	var all []Trashed
	var errs []error
	for _, e := range entries {
		uuid, err := revision.ParseUUID(e.Name())
		if err != nil || !e.IsDir() {
			continue
		}
		trashed, err := r.TrashOf(Volume{UUID: uuid})
		all, errs = append(all, trashed...), append(errs, err)
	}
	slices.SortStableFunc(all, func(a, b Trashed) int { return cmp.Compare(a.Volume.Name, b.Volume.Name) })
	return all, errors.Join(errs...)
}

// TrashOf lists what was taken away of one volume, by number. What has come back,
// or never quite went, is not listed.
func (r *Repository) TrashOf(v Volume) ([]Trashed, error) {
	ids, err := r.trashedIDs(v)
	if err != nil {
		return nil, fmt.Errorf("look into the trash: %w", err)
	}
	var all []Trashed
	for _, id := range ids {
		t, err := r.trashed(v.UUID, id)
		if notFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !r.isVisible(t.Volume, id) {
			all = append(all, t)
		}
	}
	slices.SortStableFunc(all, func(a, b Trashed) int { return cmp.Compare(a.number(), b.number()) })
	return all, nil
}

// TrashNamed lists, like [Repository.Trash], what was taken away of the volumes that have
// a name, or had it then.
func (r *Repository) TrashNamed(name revision.Name) ([]Trashed, error) {
	all, err := r.Trash()
	v, verr := r.Volume(name)
	return slices.DeleteFunc(all, func(t Trashed) bool {
		return t.Volume.Name != name && (verr != nil || t.Volume.UUID != v.UUID)
	}), err
}

// FindTrashed finds what was taken away of the volumes of a name, by its id or the short
// part of that. If there is none, the error is a [*NotInTrashError], joined by what
// could not be read; if there are several, a [*SeveralInTrashError].
func (r *Repository) FindTrashed(name revision.Name, id string) (Trashed, error) {
	all, err := r.TrashNamed(name)
	all = slices.DeleteFunc(all, func(t Trashed) bool { return t.ID.String() != id && t.ID.Short() != id })
	switch len(all) {
	case 0:
		return Trashed{}, errors.Join(&NotInTrashError{Volume: name, ID: id}, err)
	case 1:
		return all[0], nil
	}
	return Trashed{}, &SeveralInTrashError{ID: id, N: len(all)}
}

func (t *Trashed) number() uint64 {
	if t.Statement == nil {
		return 0
	}
	return t.Statement.Sequence
}

// trashed reads one revision in the trash.
func (r *Repository) trashed(uuid revision.UUID, id revision.ID) (Trashed, error) {
	t := Trashed{Revision: Revision{ID: id, Volume: Volume{UUID: uuid}}}
	var record trashRecord
	err := readSmall(r.fsys, trashRecordName(uuid, id), &record)
	switch {
	case err == nil:
		t.Volume.Name, t.Since, t.Until, t.Op = record.Volume, record.Since, record.Until, record.Op
	case notFound(err) && r.lacksCopy(uuid, id):
		t.going = true
	case isDamaged(err), notFound(err):
		r.opts.Log.Warn("since when a revision is in the trash cannot be read", "file", trashRecordName(uuid, id), "error", err)
	default:
		return t, err
	}
	m, err := r.openTrashed(uuid, id)
	if isDamaged(err) {
		t.Info = Info{State: Damaged, Reason: err.Error()}
		return t, nil
	}
	if err != nil {
		return t, err
	}
	t.Statement = m.Statement()
	if t.Volume.Name == "" {
		t.Volume.Name = t.Statement.Volume.Name
	}
	if err := m.Close(); err != nil {
		return t, err
	}
	t.Info, err = r.infoAt(trashInfoName(uuid, id), t.Statement)
	return t, err
}

// lacksCopy tells whether a revision has no second copy, for sure.
func (r *Repository) lacksCopy(uuid revision.UUID, id revision.ID) bool {
	_, err := r.fsys.Lstat(copyName(uuid, id))
	return notFound(err)
}

// openTrashed opens a trashed revision's map, or its copy if that is damaged.
func (r *Repository) openTrashed(uuid revision.UUID, id revision.ID) (*mapFile, error) {
	v := Volume{UUID: uuid}
	m, err := openIdentified(r.fsys, trashName(uuid, id), v, id)
	if !isDamaged(err) {
		return m, err
	}
	if second, copyErr := r.openCopy(v, id); copyErr == nil {
		return second, nil
	}
	return nil, err
}

// isVisible tells whether a revision in the trash is visible, too: a power cut may
// leave both names of what was moved.
func (r *Repository) isVisible(v Volume, id revision.ID) bool {
	v, _ = r.movedTo(v)
	if _, err := r.fsys.Lstat(revisionName(v.Name, id)); err != nil {
		return false
	}
	m, err := openIdentified(r.fsys, revisionName(v.Name, id), v, id)
	if err != nil {
		return !notFound(err)
	}
	_ = m.Close() // it was only read
	return true
}

// moveToTrash takes, inside the gate, a revision's file out of what is visible. What
// is noted of it, and since when and until when it may come back, is durable in the
// trash before. After an error the revision is as visible as it was.
func (r *Repository) moveToTrash(temps *durable.Temps, v Volume, id revision.ID, record trashRecord) error {
	dir := trashDirOf(v.UUID)
	if err := durable.MkdirAll(r.fsys, dir); err != nil {
		return err
	}
	if err := r.moveInfo(temps, infoName(v.Name, id), trashInfoName(v.UUID, id)); err != nil {
		return err
	}
	if err := replaceSmall(r.fsys, temps, trashRecordName(v.UUID, id), record); err != nil {
		return err
	}
	visible, trashed := revisionName(v.Name, id), trashName(v.UUID, id)
	// A run that lost power may have left the name there: of two names of one file, a
	// rename would leave both.
	if err := r.fsys.Remove(trashed); err != nil && !notFound(err) {
		return err
	}
	if err := r.fsys.RenameNew(visible, trashed); err != nil {
		return errors.Join(err, r.moveBackFromTrash(visible, trashed))
	}
	// Where it is must be durable before where it was is gone.
	if err := r.fsys.SyncDir(dir); err != nil {
		return errors.Join(err, r.moveBackFromTrash(visible, trashed))
	}
	if err := r.fsys.SyncDir(path.Dir(visible)); err != nil {
		return errors.Join(err, r.moveBackFromTrash(visible, trashed))
	}
	if err := r.fsys.Remove(infoName(v.Name, id)); err != nil && !notFound(err) { // without a revision it says nothing
		r.opts.Log.Warn("a file beside a revision that went stays", "error", err)
	}
	return nil
}

// moveBackFromTrash undoes a rename into the trash of which it is open whether it is durable.
func (r *Repository) moveBackFromTrash(visible, trashed string) error {
	_, err := r.fsys.Lstat(visible)
	if notFound(err) {
		err = r.fsys.RenameNew(trashed, visible)
	}
	if err != nil {
		return err
	}
	return r.fsys.SyncDir(path.Dir(visible))
}

// dropTrash removes, inside the gate, what lies in the trash of a revision that is
// visible. What is left of it is nobody's, so failing to is not worth an error.
func (r *Repository) dropTrash(uuid revision.UUID, id revision.ID) {
	var errs []error
	for _, name := range []string{trashName(uuid, id), trashInfoName(uuid, id), trashRecordName(uuid, id)} {
		if err := r.fsys.Remove(name); err != nil && !notFound(err) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, r.fsys.SyncDir(trashDirOf(uuid)))
	if err := errors.Join(errs...); err != nil {
		r.opts.Log.Warn("something of a revision that came back stays in the trash", "error", err)
	}
}

// moveInfo makes what is noted of a revision stand under another name, too.
func (r *Repository) moveInfo(temps *durable.Temps, from, to string) error {
	data, err := durable.ReadFile(r.fsys, from, maxSmallFile)
	if notFound(err) {
		if err = r.fsys.Remove(to); notFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return r.fsys.SyncDir(path.Dir(to))
	}
	if err != nil {
		return damagedFile(from, err)
	}
	return durable.Replace(r.fsys, temps, to, data)
}
