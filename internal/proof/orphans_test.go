package proof

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

// What an earlier run of the volume left is found: packs whose names were never
// synced, and packs of a revision whose run looks dead.
var findings = []command{
	{"resumed after a source that failed", sixPacks, breakOffAndResume},
	{"found in a run whose record outlived it", recordLeft, backUp("db", BackupOptions{Codec: new(chunkstore.Codec)})},
}

// Power is cut after every call of a run that finds them, and every call fails: a
// sync above all, after which the next one is not to be believed.
func TestEnumerateOrphans(t *testing.T) {
	for _, c := range findings {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			crashes := record(t, c, durabletest.Cuts{Seed: 1, Subsets: 2, Samples: 1, InTurn: true}, 400, 6)
			crashes.enumerate(t.Context())
			f := newFaults(t, c, quickCuts)
			f.every(t.Context(), nil, durabletest.Fault{Err: syscall.EIO})
			t.Logf("%d states, and %d of second cuts; %d faults", crashes.states.Load(), crashes.second.Load(), f.tried.Load())
		})
	}
}

// sixPacks has so many that the next night finds some of them again.
func sixPacks(ctx context.Context, w *World) {
	manyPacks(ctx, w)
	w.Volumes["db"] = Noise(4, 6*ChunkSize)
}

// breakOffAndResume leaves packs whose names were never synced to the next run.
func breakOffAndResume(ctx context.Context, w *World, fsys durable.FS) error {
	w.FailReads = func(n int) error {
		if n == 5 {
			return syscall.EIO
		}
		return nil
	}
	raw := new(chunkstore.Codec)
	_, err := w.Backup(ctx, fsys, "db", BackupOptions{Codec: raw})
	w.FailReads = nil
	if err == nil {
		return errors.New("a backup whose source failed was a success")
	}
	_, err = w.Backup(ctx, fsys, "db", BackupOptions{Codec: raw})
	return err
}

// recordLeft has a revision whose run's record is there still, and moved chunks.
func recordLeft(ctx context.Context, w *World) {
	manyPacks(ctx, w)
	failing := durabletest.NewWatched(w.Disk, func(op, name string) error {
		if op == "remove" && strings.HasPrefix(name, "runs/") {
			return syscall.EIO
		}
		return nil
	})
	if _, err := w.Backup(ctx, failing, "db", BackupOptions{Codec: new(chunkstore.Codec)}); err != nil {
		panic(fmt.Sprintf("prepare: %v", err))
	}
	db := w.Volumes["db"]
	w.Volumes["db"] = append(append([]byte{}, db[ChunkSize:]...), db[:ChunkSize]...)
}
