package job

import (
	"errors"
	"fmt"
	"slices"

	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// A Ledger is what a repository says of the volumes for which snapshots of images are kept.
type Ledger struct {
	repo   *repository.Repository
	id     string
	owners map[string]*snapshotOwner // by the volume's uuid
	blind  error                     // not all volumes can be read; nil: they can
}

// snapshotOwner is a volume, as far as it says what is to be kept for it.
type snapshotOwner struct {
	volume  repository.Volume
	all     []repository.Revision // the oldest first
	retired bool
	running bool  // a backup of it is under way
	blind   error // its revisions cannot be told, or the newest one cannot be read; nil: they can
}

// ReadLedger reads what there is of all volumes. Command is that by which backups say that
// they are under way. Volumes that cannot be read make others' snapshots no orphans.
func ReadLedger(repo *repository.Repository, command string) (*Ledger, error) {
	l := &Ledger{repo: repo, id: repo.ID().String(), owners: map[string]*snapshotOwner{}}
	volumes, err := repo.Volumes()
	if len(volumes) == 0 && err != nil {
		return nil, err
	}
	l.blind = err
	running, err := repo.Running()
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		is := readOwner(repo, v)
		is.running = slices.ContainsFunc(running, func(r repository.Running) bool { return r.Volume == v.Name && r.Holder.Command == command })
		l.owners[v.UUID.String()] = is
	}
	return l, nil
}

func readOwner(repo *repository.Repository, v repository.Volume) *snapshotOwner {
	is := &snapshotOwner{volume: v}
	if is.all, is.blind = repo.Revisions(v); len(is.all) > 0 && is.newest() == nil && is.blind == nil {
		is.blind = errors.New("its newest revision cannot be read")
	}
	var newest *repository.Revision
	if len(is.all) > 0 {
		newest = &is.all[len(is.all)-1]
	}
	t, err := repo.Retirement(v)
	is.retired = err == nil && t.InForce(newest)
	is.blind = errors.Join(is.blind, err)
	return is
}

// newest is what the newest revision says; nil: nothing, or there is none.
func (is *snapshotOwner) newest() *revision.Statement {
	if len(is.all) == 0 {
		return nil
	}
	return is.all[len(is.all)-1].Statement
}

// Reread reads anew what is said of one volume, whose lock is held.
func (l *Ledger) Reread(uuid string) error {
	volumes, err := l.repo.Volumes()
	if len(volumes) == 0 && err != nil {
		return err
	}
	l.blind = err
	delete(l.owners, uuid)
	if i := slices.IndexFunc(volumes, func(v repository.Volume) bool { return v.UUID.String() == uuid }); i >= 0 {
		l.owners[uuid] = readOwner(l.repo, volumes[i])
	}
	return nil
}

// Owner is the volume of the repository that a snapshot was taken for; false: there is none.
func (l *Ledger) Owner(k volume.KeptSnapshot) (repository.Volume, bool) {
	is := l.owners[k.Label.Volume]
	if is == nil || k.Label.Repository != l.id {
		return repository.Volume{}, false
	}
	return is.volume, true
}

// Histories are the revisions of each volume.
func (l *Ledger) Histories() (histories [][]repository.Revision) {
	for _, is := range l.owners {
		histories = append(histories, is.all)
	}
	return histories
}

// SnapshotUse says whether a snapshot is of use. The values are API.
type SnapshotUse string

// What a snapshot can be to the repository.
const (
	UseBase    SnapshotUse = "base"    // the next backup counts from it
	UseOrphan  SnapshotUse = "orphan"  // nothing does
	UseRunning SnapshotUse = "running" // a backup under way may read it
	UseUnclear SnapshotUse = "unclear" // what it is for cannot be read
	UseReading SnapshotUse = "reading" // a verify reads it, or one did that was killed
	UseUndo    SnapshotUse = "undo"    // it undoes a restore in place
	UseForeign SnapshotUse = "foreign" // another repository's, or it is not told whose
)

// Judge says what a snapshot is of use for, and why that is so.
func (l *Ledger) Judge(k volume.KeptSnapshot) (use SnapshotUse, why string) {
	switch {
	case k.For == volume.ForUndo:
		return UseUndo, "a restore in place can be undone by it"
	case k.Label.Repository == "":
		return UseForeign, "its name does not tell of which repository it is"
	case k.Label.Repository != l.id:
		return UseForeign, "it is of repository " + k.Label.Repository
	case k.For == volume.ForReading:
		return UseReading, "a verify reads it, or one did that was killed"
	}
	is := l.owners[k.Label.Volume]
	switch {
	case is == nil && l.blind != nil:
		return UseUnclear, "not all volumes of the repository can be read"
	case is == nil:
		return UseOrphan, "its volume is not in the repository"
	case is.blind != nil:
		return UseUnclear, is.blind.Error()
	}
	return is.judge(k)
}

// judge is that of the ledger, of a snapshot that was taken for a revision of the volume.
func (is *snapshotOwner) judge(k volume.KeptSnapshot) (use SnapshotUse, why string) {
	newest := is.newest()
	same := newest != nil && newest.Source.Identity == revision.Recorded(k.Stable)
	own := same && k.IsNamed(newest.Source.Snapshot)
	of := slices.IndexFunc(is.all, func(rev repository.Revision) bool { return string(rev.ID) == k.Label.Revision })
	switch {
	case is.running && of < 0:
		return UseRunning, "a backup of its volume is under way"
	case is.retired:
		return UseOrphan, "its volume is retired"
	case own:
		return UseBase, "the next backup counts from it"
	case newest != nil && !same:
		return UseOrphan, fmt.Sprintf("its volume is read from %s now", newest.Source.Path)
	case of < 0:
		return UseOrphan, "its revision is not in the repository"
	}
	return UseOrphan, "it is not what the newest revision recorded"
}
