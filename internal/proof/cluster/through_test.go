//go:build ceph

package cluster

import (
	"context"
	"iter"

	"varve/volume"
)

// source is all that an RBD image is to a backup.
type source interface {
	volume.Keeper
	volume.Shaped
}

// snapshot is all that its snapshot is.
type snapshot interface {
	volume.Snapshot
	volume.Differ
	volume.HoleFinder
	volume.Independent
}

// watched tells of each call of the cluster that a backup makes: before is called with what is next. Its error is that of
// the call, where it has one.
type watched struct {
	source
	before func(what string) error
}

func (w watched) SnapshotFor(ctx context.Context, l volume.Label) (volume.Snapshot, error) {
	if err := w.before("take the snapshot"); err != nil {
		return nil, err
	}
	snap, err := w.source.SnapshotFor(ctx, l)
	if err != nil {
		return nil, err
	}
	return watchedSnapshot{snap.(snapshot), w.before}, nil
}

func (w watched) Tidy(ctx context.Context, l volume.Label, but ...string) ([]string, error) {
	if err := w.before("tidy"); err != nil {
		return nil, err
	}
	return w.source.Tidy(ctx, l, but...)
}

type watchedSnapshot struct {
	snapshot
	before func(what string) error
}

func (w watchedSnapshot) ReadAt(p []byte, off int64) (int, error) {
	if err := w.before("read"); err != nil {
		return 0, err
	}
	return w.snapshot.ReadAt(p, off)
}

func (w watchedSnapshot) Keep() {
	_ = w.before("keep") // it has none
	w.snapshot.Keep()
}

func (w watchedSnapshot) Close() error {
	if err := w.before("close"); err != nil {
		return err
	}
	return w.snapshot.Close()
}

func (w watchedSnapshot) Since(ctx context.Context, base string) (volume.Changes, error) {
	if err := w.before("since"); err != nil {
		return nil, err
	}
	changes, err := w.snapshot.Since(ctx, base)
	if err != nil {
		return nil, err
	}
	return watchedChanges{changes.(volume.Precise), w.before}, nil
}

type watchedChanges struct {
	volume.Precise
	before func(what string) error
}

func (w watchedChanges) Changed(ctx context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	if err := w.before("what changed"); err != nil {
		return func(yield func(volume.Extent, error) bool) { yield(volume.Extent{}, err) }
	}
	return w.Precise.Changed(ctx, within)
}

func (w watchedChanges) Blocks(ctx context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	if err := w.before("which blocks changed"); err != nil {
		return func(yield func(volume.Extent, error) bool) { yield(volume.Extent{}, err) }
	}
	return w.Precise.Blocks(ctx, within)
}
