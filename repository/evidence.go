package repository

import (
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"varve/internal/durable"
)

// Evidence is a file that was found damaged and that a repair has put aside. Nothing reads
// it but another repair; it stays until a person removes it.
type Evidence struct {
	Name  string    // of the file, in the repository
	Path  string    // where it lay
	Cause string    // what is wrong with it
	Found time.Time // when it was put aside
	Size  int64     // in bytes
}

// evidenceRecord is damage/evidence/<id>.json, durable before <id>.bad is there.
type evidenceRecord struct {
	Path  string    `json:"path"`
	Cause string    `json:"cause"`
	Found time.Time `json:"found"`
	By    Holder    `json:"by"`
}

// Evidence lists what repairs have put aside, oldest first. What cannot be read is in the
// error, which comes with all that can.
func (r *Repository) Evidence() ([]Evidence, error) {
	entries, err := r.fsys.ReadDir(evidenceDir)
	if notFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Evidence
	var errs []error
	for _, e := range entries {
		id, is := strings.CutSuffix(e.Name(), evidenceExt)
		if !is || durable.IsTemp(e.Name()) {
			continue
		}
		var record evidenceRecord
		if err := readSmall(r.fsys, evidenceRecordName(id), &record); err != nil {
			errs = append(errs, err)
		}
		item := Evidence{Name: evidenceName(id), Path: record.Path, Cause: record.Cause, Found: record.Found}
		if info, err := e.Info(); err == nil {
			item.Size = info.Size()
		}
		all = append(all, item)
	}
	slices.SortStableFunc(all, func(a, b Evidence) int { return a.Found.Compare(b.Found) })
	return all, errors.Join(errs...)
}

// keepEvidence gives, inside the gate, a damaged file a second name in damage/evidence, so
// that another can take its place. What it is, is durable before.
func (r *Repository) keepEvidence(temps *durable.Temps, name string, cause error) error {
	return r.putAside(temps, name, cause, r.fsys.Link)
}

// moveToEvidence moves, inside the gate, a damaged file to damage/evidence.
func (r *Repository) moveToEvidence(temps *durable.Temps, name string, cause error) error {
	if err := r.putAside(temps, name, cause, r.fsys.RenameNew); err != nil {
		return err
	}
	return r.fsys.SyncDir(path.Dir(name))
}

func (r *Repository) putAside(temps *durable.Temps, name string, cause error, put func(from, to string) error) error {
	if err := durable.MkdirAll(r.fsys, evidenceDir); err != nil {
		return err
	}
	id := randomHex()
	record := evidenceRecord{Path: name, Cause: cause.Error(), Found: r.opts.Now().UTC().Truncate(time.Second), By: r.me}
	if err := writeNewSmall(r.fsys, temps, evidenceRecordName(id), record); err != nil {
		return err
	}
	if err := put(name, evidenceName(id)); err != nil {
		return errors.Join(err, r.fsys.Remove(evidenceRecordName(id)))
	}
	return r.fsys.SyncDir(evidenceDir)
}
