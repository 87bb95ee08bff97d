package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// ground is what went for good from under what stands of a volume. Where a revision
// has a chunk that one of those had too, its stack was made for another parent: a fresh
// backup might store it in less.
type ground struct {
	volume Volume
	gone   []uint64 // numbers of the revisions that went
	chunks chunkSet // that they had of their own
}

// chunkSet is a set of chunks: for each region that has any, a bit for each chunk.
type chunkSet map[uint64]*[revision.RegionChunks / 64]uint64

func (s chunkSet) add(chunk uint64) {
	region, at := chunk/revision.RegionChunks, chunk%revision.RegionChunks
	if s[region] == nil {
		s[region] = new([revision.RegionChunks / 64]uint64)
	}
	s[region][at/64] |= 1 << (at % 64)
}

func (s chunkSet) has(chunk uint64) bool {
	region, at := chunk/revision.RegionChunks, chunk%revision.RegionChunks
	return s[region] != nil && s[region][at/64]>>(at%64)&1 != 0
}

// noteGround notes what a revision has of its own that is about to go for good. What
// cannot be read is not noted: then stacks stay as they are.
func (g *collector) noteGround(t *dueRevision) {
	m, err := g.repo.openTrashed(t.Volume.UUID, t.ID)
	if err != nil {
		return
	}
	defer func() { _ = m.Close() }() // it was only read
	on := g.grounds[t.Volume.UUID]
	if on == nil {
		on = &ground{volume: t.Volume, chunks: chunkSet{}}
		g.grounds[t.Volume.UUID] = on
	}
	on.gone = append(on.gone, m.Statement().Sequence)
	for record, err := range m.Records(0, math.MaxUint64) {
		if err != nil {
			return
		}
		if record.Zeros == nil {
			on.chunks.add(record.Entry.Index)
		}
	}
}

// mayWaste tells whether an entry may take more than a fresh backup would store: one
// patch on the parent's in a delta, a whole chunk in a full.
func (on *ground) mayWaste(e *revision.Entry, kind revision.Kind) bool {
	switch {
	case !on.chunks.has(e.Index):
		return false
	case kind == revision.Full:
		return len(e.Patches) > 0
	}
	return len(e.Patches) != 1 || e.Base != revision.BaseParent
}

// above tells whether anything that went has a lower number.
func (on *ground) above(sequence uint64) bool { return slices.Min(on.gone) < sequence }

// tightening rebuilds stacks, so that what stands takes as much as if what went had
// never been.
type tightening struct {
	*collector
	named map[objectKey]uint8 // how often maps name what may be in waste: 2 is more than once
	room  int64               // bytes that may be written
}

// maxNamed bounds the objects that may be in waste and are looked at in one collection.
const maxNamed = 1 << 20

// tighten is the last part of step 1: of the volumes of which something went for good,
// it rebuilds the stacks that take more than they need. It is done before anything is
// marked, so that what it lets go is collected at once. A volume that is in use,
// damaged, or gone stays as it is.
func (g *collector) tighten(ctx context.Context) error {
	if len(g.grounds) == 0 || g.opts.Threshold > 1 {
		return nil
	}
	available, _, err := g.repo.fsys.Free()
	if err != nil {
		return fmt.Errorf("look how much is free: %w", err)
	}
	t := &tightening{collector: g, named: map[objectKey]uint8{}, room: available / borrowedShare}
	grounds := slices.SortedFunc(maps.Values(g.grounds), func(a, b *ground) int {
		return bytes.Compare(a.volume.UUID[:], b.volume.UUID[:])
	})
	for _, on := range grounds {
		if err := t.suspect(ctx, on); err != nil {
			return err
		}
	}
	if len(t.named) == 0 {
		return nil
	}
	g.opts.Step("looking for stacks that take more than they need")
	m := newMarker(g.repo)
	m.counts = t.named
	if err := m.markAll(ctx); err != nil || len(m.hidden) > 0 { // the next marking tells what is hidden
		return err
	}
	for _, on := range grounds {
		if err := t.leave(ctx, on, t.tightenVolume(ctx, on)); err != nil {
			return fmt.Errorf("rebuild stacks of volume %q: %w", on.volume.Name, err)
		}
	}
	return nil
}

// suspect collects what entries name that may take more than they need.
func (t *tightening) suspect(ctx context.Context, on *ground) error {
	v, err := t.repo.stillNamed(on.volume)
	if err != nil {
		return t.leave(ctx, on, err)
	}
	on.volume = v
	revisions, err := t.repo.Revisions(v)
	if err != nil {
		return t.leave(ctx, on, err)
	}
	for _, rev := range revisions {
		if rev.Statement == nil || !on.above(rev.Statement.Sequence) {
			continue
		}
		m, err := t.repo.openRevision(v, rev.ID)
		if err != nil {
			return t.leave(ctx, on, err)
		}
		err = eachSuspect(on, m, func(e revision.Entry) bool {
			eachRef(e, func(key objectKey) { t.named[key] = 0 })
			return len(t.named) < maxNamed
		})
		if err = errors.Join(err, m.Close()); err != nil {
			return t.leave(ctx, on, err)
		}
	}
	return ctx.Err()
}

// eachSuspect gives the entries of a map that may take more than they need, until use
// has enough.
func eachSuspect(on *ground, m *mapFile, use func(revision.Entry) bool) error {
	for record, err := range m.Records(0, math.MaxUint64) {
		if err != nil {
			return damagedMap(m.name, err)
		}
		if record.Zeros == nil && on.mayWaste(&record.Entry, m.Statement().Kind) && !use(record.Entry) {
			return nil
		}
	}
	return nil
}

// leave tells which errors leave a volume as it is, and returns those that end the
// collection.
func (t *tightening) leave(ctx context.Context, on *ground, err error) error {
	busy, corrupt := new(BusyError), new(chunkstore.CorruptError)
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &corrupt): // of what was just stored
		return t.passOver(ctx, err)
	case durable.IsFull(err):
		t.result.NoRoom = true
		return nil
	case errors.As(err, &busy), errors.Is(err, ErrNoVolume), errors.Is(err, ErrLostGround), notFound(err), isDamaged(err):
		t.repo.opts.Log.Info("stacks stay as they are", "volume", on.volume.Name, "error", err)
		return nil
	}
	return err
}

// tightenVolume rebuilds the stacks of a volume, from the oldest revision on: what a
// newer one's patch is made against may have been rebuilt before. Nobody is waited for:
// the lock of a volume comes before that of a collection.
func (t *tightening) tightenVolume(ctx context.Context, on *ground) (err error) {
	m := t.repo.newRemoval(on.volume, nil, RemoveOptions{Op: kindGC})
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.open(ctx); err != nil {
		return err
	}
	b := &rebuilding{removal: m, under: t, on: on, shorter: map[uint64]int{}, until: t.repo.opts.Now().Add(maxRebuildTime)}
	defer func() { err = errors.Join(err, closeAll(b.newer)) }()
	for _, rev := range slices.Clone(m.visible) {
		if rev.Statement == nil || !on.above(rev.Statement.Sequence) {
			continue
		}
		if b.isSpent() {
			break
		}
		if err := b.rebuild(ctx, rev); err != nil {
			return err
		}
	}
	m.succeeded()
	return nil
}
