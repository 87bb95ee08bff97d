package repository

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"

	"varve/chunkstore"
	"varve/revision"
)

// runRecord is runs/<run>.json, durable before the first pack that names it and
// never rewritten. It goes when the run has succeeded; until then its packs may
// be used by nobody but a later run of the same volume.
type runRecord struct {
	Run      hexBytes      `json:"run"`
	Kind     string        `json:"kind"`
	Volume   revision.UUID `json:"volume"`
	Sequence uint64        `json:"sequence"` // of the revision it is to make
	Lease    string        `json:"lease"`
	Holder   Holder        `json:"holder"`
	Boot     string        `json:"boot"`
}

// kindBackup is the kind of run whose packs a later one may go on with.
const kindBackup = "backup"

// kindMerge is the kind of run that takes revisions away or brings them back. What one
// leaves that died, nobody goes on with.
const kindMerge = "merge"

// kindRepair is the kind of run that stores lost objects again. What one leaves that died,
// nobody goes on with.
const kindRepair = "repair"

// A runID names a run: 16 random bytes, which stand in the header of each of its packs.
type runID [16]byte

func (run runID) String() string { return hex.EncodeToString(run[:]) }

func newRunID() (run runID) {
	rand.Read(run[:])
	return run
}

// readRun reads a run's record; nil if there is none.
func (r *Repository) readRun(run runID) (*runRecord, error) {
	record := new(runRecord)
	err := readSmall(r.fsys, runName(run), record)
	if notFound(err) {
		return nil, nil
	}
	if err == nil && !bytes.Equal(record.Run, run[:]) {
		err = &DamagedFileError{Path: runName(run), Cause: fmt.Errorf("%w: it holds run %x", errBadContent, []byte(record.Run))}
	}
	return record, err
}

// usable tells whether a run of the locked volume may rely on a sealed pack of
// another run: its record is gone, because that run succeeded, or it is a dead
// run of the same volume. The record is looked up after the pack was seen, and
// it was durable before the pack: so a living run's packs are always refused.
// A pack of a repository that this one was not copied from is refused too: nobody
// here knows its runs.
func (r *Repository) usable(pack chunkstore.PackInfo, volume revision.UUID) bool {
	if from := revision.UUID(pack.Repository); from != r.desc.Repository && !slices.Contains(r.desc.Former, from) {
		return false
	}
	record, err := r.readRun(pack.Run)
	if err != nil {
		return false
	}
	return record == nil || record.Kind == kindBackup && record.Volume == volume
}
