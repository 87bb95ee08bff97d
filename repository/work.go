package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// work is a change to a volume under way. Whoever makes it holds the volume's lock, a
// lease and a run record until end.
type work struct {
	repo   *Repository
	volume Volume
	run    runID
	known  map[revision.ID]bool // the revisions there were: true of visible ones, false of those in the trash alone

	lock     durable.File
	lease    *lease
	reader   *Reader
	chunks   *chunkstore.Writer // nil: no object is added
	recorded bool               // the run record is there

	ofSets  bool   // a revision there names a set
	passage uint64 // the last one of this work through the gate
	// What was made sure of and holds as long as nobody else passes the gate.
	sure   bool // nobody came
	looked bool // what stays builds on what this work left it on
}

// begin takes a lease and writes the run record, for a volume that is locked. Sequence
// is the number of the revision that the run is to make, if any.
func (w *work) begin(ctx context.Context, kind string, sequence uint64) (err error) {
	if w.lease, err = w.repo.bear(ctx, gateWait, w.volume.Name.String(), w.run.String(), true); err != nil {
		return wrapReadOnly(err)
	}
	if err := w.record(ctx, kind, sequence); err != nil {
		return wrapReadOnly(err)
	}
	w.reader, err = w.repo.readerOn(w.lease)
	return err
}

// record writes the run record: durable before the first pack.
func (w *work) record(ctx context.Context, kind string, sequence uint64) error {
	if w.repo.unmended {
		if err := w.repo.atGate(ctx, func() error { return w.repo.mend(w.lease.temps) }); err != nil {
			return fmt.Errorf("mend the descriptor: %w", err)
		}
	}
	record := runRecord{
		Run: w.run[:], Kind: kind, Volume: w.volume.UUID, Sequence: sequence,
		Lease: w.lease.id, Holder: w.repo.me, Boot: w.repo.boot,
	}
	if err := writeNewSmall(w.repo.fsys, w.lease.temps, runName(w.run), record); err != nil {
		return fmt.Errorf("write the run record: %w", err)
	}
	w.recorded = true
	return nil
}

// finished removes the run record: what the run did is done.
func (w *work) finished() error {
	if err := w.repo.fsys.Remove(runName(w.run)); err != nil {
		return fmt.Errorf("remove the run record: %w", err)
	}
	w.recorded = false
	return nil
}

// end gives up the lease and the lock. The chunk writer is the caller's to close before.
func (w *work) end() error {
	var errs []error
	if w.reader != nil {
		errs = append(errs, w.reader.closeChunks())
	}
	if w.lease != nil {
		errs = append(errs, w.lease.bury())
	}
	if w.lock != nil {
		errs = append(errs, w.lock.Close())
	}
	return errors.Join(errs...)
}

// settled makes sure that what others did, and died before it was durable, stays done:
// a run record that is gone lets us rely on packs, a volume has the name we know, and a
// revision of a set is visible.
func (w *work) settled() error {
	if err := w.repo.fsys.SyncDir(runsDir); err != nil {
		return fmt.Errorf("make the end of earlier runs durable: %w", err)
	}
	if err := w.repo.fsys.SyncDir(volumesDir); err != nil {
		return fmt.Errorf("make the name of the volume durable: %w", err)
	}
	if w.ofSets {
		if err := w.repo.fsys.SyncDir(setsDir); err != nil && !notFound(err) {
			return fmt.Errorf("make the sets of earlier revisions durable: %w", err)
		}
	}
	return nil
}

// atGate is that of the repository, for what relies on who else passed it.
func (w *work) atGate(ctx context.Context, change func() error) error {
	return w.repo.passGate(ctx, gateWait, func(passage uint64) error {
		w.arrive(passage)
		return change()
	})
}

// arrive notes that the work is inside the gate.
func (w *work) arrive(passage uint64) {
	if passage != w.passage+1 {
		w.sure, w.looked = false, false
	}
	w.passage = passage
}

// nobodyCame makes sure, inside the gate, that there is no revision that was not
// there when the work began, nor one that came back from the trash. The volume's lock
// keeps others from making one. Who makes one passes the gate; so as long as nobody but
// this work does, it looks but once.
func (w *work) nobodyCame() error {
	if w.sure {
		return nil
	}
	visible, err := w.repo.revisionIDs(w.volume.Name)
	if err != nil {
		return err
	}
	trashed, err := w.repo.trashedIDs(w.volume)
	if err != nil {
		return err
	}
	for _, id := range visible {
		if !w.known[id] {
			return fmt.Errorf("%w: revision %s came while the volume was locked", ErrLostGround, id)
		}
	}
	for _, id := range trashed {
		if _, was := w.known[id]; !was {
			return fmt.Errorf("%w: revision %s came and went while the volume was locked", ErrLostGround, id)
		}
	}
	w.sure = true
	return nil
}

// packsStand makes sure that the packs relied on are there, and takes those that
// were condemned meanwhile off the list, before anything names them.
func (w *work) packsStand() error {
	current, err := w.repo.currentGeneration()
	if err != nil {
		return err
	}
	if current.Opaque && !w.lease.generation.Opaque {
		return fmt.Errorf("%w: generation %d cannot be read", ErrLostGround, current.Number)
	}
	spared := maps.Clone(current.Condemned)
	for _, pack := range w.chunks.Relied() {
		_, err := w.repo.fsys.Lstat(chunkstore.PackName(pack))
		if notFound(err) {
			return fmt.Errorf("%w: pack %s is gone", ErrLostGround, pack)
		}
		if err != nil {
			return err
		}
		delete(spared, pack)
	}
	switch {
	case len(spared) < len(current.Condemned):
		return w.repo.publish(w.lease.temps, current.Number+1, spared)
	case current.Number > 0: // it may spare what we rely on, and its writer have died before it was durable
		return w.repo.fsys.SyncDir(generationsDir)
	}
	return nil
}

// stillOurs makes sure, inside the gate, that the work is still ours: that we hold the
// lease, and that no revision came.
func (w *work) stillOurs() error {
	if err := w.lease.holds(); err != nil {
		return err
	}
	return w.nobodyCame()
}

// groundStands makes sure, inside the gate, that the revision that a new map is to build
// on is visible.
func (w *work) groundStands(id revision.ID) error {
	if _, err := w.repo.fsys.Lstat(revisionName(w.volume.Name, id)); err != nil {
		return fmt.Errorf("%w: %s, on which it is to build, is gone: %w", ErrLostGround, id, err)
	}
	return nil
}

// checkWriting closes a map that was opened again, inside the gate, and refuses it if it
// is another writing of its revision than the one that was read.
func checkWriting(m *mapFile, read revision.Nonce) error {
	st := m.Statement()
	if err := m.Close(); err != nil {
		return err
	}
	if st.Nonce != read {
		return fmt.Errorf("%w: %s was rewritten", ErrLostGround, st.ID)
	}
	return nil
}

// takeBack removes, inside the gate, names that nobody was told of: whether the
// rename or the sync that failed took effect is open. The revision is gone for
// good before its copy goes; where it cannot be removed, it keeps its copy.
func (w *work) takeBack(names ...string) error {
	for _, name := range names {
		err := w.repo.fsys.Remove(name)
		if err == nil || notFound(err) {
			err = w.repo.fsys.SyncDir(path.Dir(name))
		}
		switch {
		case err != nil && path.Dir(name) == volumeDir(w.volume.Name):
			return fmt.Errorf("%w: %w", ErrUndecided, err)
		case err != nil: // a copy alone makes nothing visible
			return err
		}
	}
	return nil
}
