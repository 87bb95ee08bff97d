package proof

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/revision"
)

// What there was before a command.

func nothing(context.Context, *World) {}

func emptyRepository(ctx context.Context, w *World) {
	if err := w.Init(ctx, w.Disk); err != nil {
		panic(fmt.Sprintf("prepare: %v", err))
	}
	w.Volumes["db"] = Noise(1, 2*ChunkSize+777)
}

// twoVolumes have a night behind them, and a day.
func twoVolumes(ctx context.Context, w *World) {
	emptyRepository(ctx, w)
	w.Volumes["mail"] = Noise(2, ChunkSize)
	w.mustBackup(ctx, "db", BackupOptions{})
	w.mustBackup(ctx, "mail", BackupOptions{})
	w.Change("db", 1, 3)
	w.mustBackup(ctx, "db", BackupOptions{})
	w.Change("db", 2, 2)
	w.Change("mail", 3, 1)
}

// sameContent has a new volume that holds what another has.
func sameContent(ctx context.Context, w *World) {
	emptyRepository(ctx, w)
	w.mustBackup(ctx, "db", BackupOptions{})
	w.Volumes["mail"] = append(Noise(3, ChunkSize), w.Volumes["db"]...)
}

// manyPacks has a volume whose full takes a pack for each chunk.
func manyPacks(ctx context.Context, w *World) {
	emptyRepository(ctx, w)
	w.PackSize = ChunkSize / 2
	w.Volumes["db"] = Noise(4, 3*ChunkSize)
}

// interruptedFull has the packs of a full that failed at its very end.
func interruptedFull(ctx context.Context, w *World) {
	manyPacks(ctx, w)
	if err := failAtRename(ctx, w, w.Disk); err == nil {
		panic("prepare: a backup whose rename failed was a success")
	}
}

func interruptAndResume(ctx context.Context, w *World, fsys durable.FS) error {
	if err := failAtRename(ctx, w, fsys); err == nil {
		return errors.New("a backup whose rename failed was a success")
	}
	_, err := w.Backup(ctx, fsys, "db", BackupOptions{})
	return err
}

// failAtRename backs db up and lets the rename that would make the revision visible fail.
func failAtRename(ctx context.Context, w *World, fsys durable.FS) error {
	failing := durabletest.NewWatched(fsys, func(op, name string) error {
		if op == "rename" && strings.HasPrefix(name, "volumes/") && strings.HasSuffix(name, ".rev") {
			return syscall.EIO
		}
		return nil
	})
	_, err := w.Backup(ctx, failing, "db", BackupOptions{})
	return err
}

func loseDescriptor(_ context.Context, w *World) {
	if err := w.Disk.Remove("varve.json"); err != nil {
		panic(fmt.Sprintf("prepare: %v", err))
	}
}

func resize(name string, size int) func(context.Context, *World) {
	return func(_ context.Context, w *World) { w.Resize(revision.Name(name), size) }
}

func then(first, second func(context.Context, *World)) func(context.Context, *World) {
	return func(ctx context.Context, w *World) {
		first(ctx, w)
		second(ctx, w)
	}
}
