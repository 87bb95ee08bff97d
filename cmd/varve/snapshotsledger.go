package main

import (
	"errors"
	"fmt"
	"slices"

	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// ledger is what the repository says of those for whom snapshots are kept.
type ledger struct {
	repo  *repository.Repository
	id    string
	known map[string]*keptFor // by the volume's uuid
	blind error               // not all volumes can be read; nil: they can
}

// keptFor is a volume, as far as it says what is to be kept for it.
type keptFor struct {
	volume  repository.Volume
	all     []repository.Revision
	retired bool
	running bool  // a backup of it is under way
	blind   error // its revisions cannot be told, or the newest one cannot be read; nil: they can
}

func readLedger(repo *repository.Repository) (*ledger, error) {
	l := &ledger{repo: repo, id: repo.ID().String(), known: map[string]*keptFor{}}
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
		is := readKeptFor(repo, v)
		is.running = slices.ContainsFunc(running, func(r repository.Running) bool { return r.Volume == v.Name && r.Holder.Command == backupName })
		l.known[v.UUID.String()] = is
	}
	return l, nil
}

func readKeptFor(repo *repository.Repository, v repository.Volume) *keptFor {
	is := &keptFor{volume: v}
	if is.all, is.blind = repo.Revisions(v); len(is.all) > 0 && is.newest() == nil && is.blind == nil {
		is.blind = errors.New("its newest revision cannot be read")
	}
	since, err := retiredSince(repo, v, append([]repository.Revision{}, is.all...))
	is.retired = since != nil
	is.blind = errors.Join(is.blind, err)
	return is
}

// newest is what the newest revision says; nil: nothing, or there is none.
func (is *keptFor) newest() *revision.Statement {
	if len(is.all) == 0 {
		return nil
	}
	return is.all[len(is.all)-1].Statement
}

// again reads anew what is said of one volume, whose lock is held.
func (l *ledger) again(uuid string) error {
	volumes, err := l.repo.Volumes()
	if len(volumes) == 0 && err != nil {
		return err
	}
	l.blind = err
	delete(l.known, uuid)
	if i := slices.IndexFunc(volumes, func(v repository.Volume) bool { return v.UUID.String() == uuid }); i >= 0 {
		l.known[uuid] = readKeptFor(l.repo, volumes[i])
	}
	return nil
}

// keptUse says whether a snapshot is of use. The values are API.
type keptUse string

// What a snapshot can be to the repository.
const (
	useBase    keptUse = "base"    // the next backup counts from it
	useOrphan  keptUse = "orphan"  // nothing does
	useRunning keptUse = "running" // a backup under way may read it
	useUnclear keptUse = "unclear" // what it is for cannot be read
	useReading keptUse = "reading" // a verify reads it, or one did that was killed
	useUndo    keptUse = "undo"    // it undoes a restore in place
	useForeign keptUse = "foreign" // another repository's, or it is not told whose
)

// judge says what a snapshot is of use for, and why that is so.
func (l *ledger) judge(k volume.Kept) (use keptUse, why string) {
	switch {
	case k.For == volume.KeptForUndo:
		return useUndo, "a restore in place can be undone by it"
	case k.Label.Repository == "":
		return useForeign, "its name does not tell of which repository it is"
	case k.Label.Repository != l.id:
		return useForeign, "it is of repository " + k.Label.Repository
	case k.For == volume.KeptForReading:
		return useReading, "a verify reads it, or one did that was killed"
	}
	is := l.known[k.Label.Volume]
	switch {
	case is == nil && l.blind != nil:
		return useUnclear, "not all volumes of the repository can be read"
	case is == nil:
		return useOrphan, "its volume is not in the repository"
	case is.blind != nil:
		return useUnclear, is.blind.Error()
	}
	return is.judge(k)
}

// judge is that of the ledger, of a snapshot that was taken for a revision of the volume.
func (is *keptFor) judge(k volume.Kept) (use keptUse, why string) {
	newest := is.newest()
	same := newest != nil && newest.Source.Identity == revision.Recorded(k.Stable)
	own := same && k.IsNamed(newest.Source.Snapshot)
	of := slices.IndexFunc(is.all, func(rev repository.Revision) bool { return string(rev.ID) == k.Label.Revision })
	switch {
	case is.running && of < 0:
		return useRunning, "a backup of its volume is under way"
	case is.retired:
		return useOrphan, "its volume is retired"
	case own:
		return useBase, "the next backup counts from it"
	case newest != nil && !same:
		return useOrphan, fmt.Sprintf("its volume is read from %s now", newest.Source.Path)
	case of < 0:
		return useOrphan, "its revision is not in the repository"
	}
	return useOrphan, "it is not what the newest revision recorded"
}
