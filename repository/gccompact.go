package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// Compaction goes on in batches, each of which ends with the packs it has emptied being
// removed. A batch copies no more than this, and no more than a quarter of what is free:
// so much is borrowed until then.
const (
	maxCompactBatch = 512 << 20
	borrowedShare   = 4
)

// placed is a copy of an object of which a pack need not be kept.
type placed struct {
	pack  chunkstore.PackID
	entry chunkstore.Entry // id and kind
}

// compact copies what is alive out of sparse packs, and lets those go. Where there is no
// room for it, it ends: what is dead is gone already.
func (g *collector) compact(ctx context.Context) error {
	sparse := g.sparse()
	if len(sparse) == 0 {
		return nil
	}
	g.opts.Step("compacting packs")
	if err := g.findHomes(ctx, sparse); err != nil {
		return fmt.Errorf("look for second copies: %w", err)
	}
	for len(sparse) > 0 && !g.result.Incomplete {
		n, err := g.affordable(sparse)
		if err != nil {
			return err
		}
		if n > 0 {
			err = g.compactBatch(ctx, sparse[:n])
		}
		switch {
		case n == 0 || durable.IsFull(err):
			g.result.NoRoom = true
			return nil
		case err != nil:
			return fmt.Errorf("compact packs: %w", err)
		}
		sparse = sparse[n:]
	}
	return nil
}

// affordable tells how many of the packs there is room for.
func (g *collector) affordable(sparse []*gcPack) (n int, err error) {
	available, _, err := g.repo.fsys.Free()
	if err != nil {
		return 0, fmt.Errorf("look how much is free: %w", err)
	}
	budget := min(available/borrowedShare-g.borrowed, maxCompactBatch)
	for _, p := range sparse {
		if budget -= p.needed; budget < 0 && p.needed > 0 {
			break
		}
		n++
	}
	return n, nil
}

// compactBatch copies what is alive in some packs, condemns them, and removes them.
func (g *collector) compactBatch(ctx context.Context, batch []*gcPack) error {
	if err := g.record(); err != nil {
		return err
	}
	w, err := g.repo.store.NewWriter(chunkstore.WriterConfig{Run: g.run, Temps: g.lease.temps, PackSize: g.repo.opts.PackSize})
	if err != nil {
		return err
	}
	moved, err := g.moveOut(ctx, w, batch)
	if err == nil {
		err = g.noteMoves(moved)
	}
	if err == nil {
		err = g.condemn(ctx, moved)
	}
	copied := int64(0)
	for _, p := range moved {
		if p.doomed && p.copied > 0 {
			g.result.Compacted++
			copied += p.copied
		}
	}
	if !slices.ContainsFunc(moved, func(p *gcPack) bool { return p.doomed }) { // nothing leans on the copies
		err = errors.Join(err, w.Withdraw())
	}
	if err != nil || g.result.Incomplete {
		return err
	}
	g.result.Copied += copied
	if err := g.unlink(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(moved, func(p *gcPack) bool { return p.doomed && !g.gone[p.id] }) {
		g.borrowed += copied
	}
	return nil
}

// record writes the run record, durable before the first pack.
func (g *collector) record() error {
	if g.recorded {
		return nil
	}
	record := runRecord{
		Run: g.run[:], Kind: kindGC, Volume: revision.UUID{}, Lease: g.lease.id, Holder: g.repo.me, Boot: g.repo.boot,
	}
	if err := writeNewSmall(g.repo.fsys, g.lease.temps, runName(g.run), record); err != nil {
		return fmt.Errorf("write the run record: %w", err)
	}
	g.recorded = true
	return nil
}

// moveOut copies what is alive in packs, makes that durable, and lists the packs of
// which every living object has a copy elsewhere that was decoded and held against its name.
func (g *collector) moveOut(ctx context.Context, w *chunkstore.Writer, batch []*gcPack) (moved []*gcPack, err error) {
	defer func() { err = errors.Join(err, w.Close()) }()
	for _, p := range batch {
		whole, err := g.copyLiving(ctx, w, p)
		if err != nil {
			return nil, err
		}
		if whole {
			moved = append(moved, p)
		}
	}
	if err := w.Barrier(ctx); err != nil {
		return nil, err
	}
	return g.checked(ctx, moved)
}

// copyLiving copies what is alive in a pack and in no other that stays, and notes where
// all that is alive in it lies then. It tells whether that is so: of what is hurt there is
// no copy to make.
func (g *collector) copyLiving(ctx context.Context, w *chunkstore.Writer, p *gcPack) (whole bool, err error) {
	p.copies, p.copied = nil, 0
	pack, err := g.repo.store.Pack(p.id)
	if err != nil {
		return false, g.passOver(ctx, err)
	}
	var living []chunkstore.Entry
	for e := range pack.Entries() {
		if g.marker.live.has(keyOf(e.ID)) {
			living = append(living, e)
		}
	}
	slices.SortFunc(living, func(a, b chunkstore.Entry) int { return cmp.Compare(a.Offset, b.Offset) })
	damaged := g.repo.damageNow()
	for _, e := range living {
		if home, found := g.homes.of(keyOf(e.ID)); found {
			p.copies = append(p.copies, placed{home, e})
			continue
		}
		if damaged[chunkstore.Copy{Pack: p.id, ID: e.ID}] {
			return false, nil
		}
		put, err := w.Copy(ctx, p.id, e)
		if err != nil {
			if werr := w.Err(); werr != nil {
				return false, werr
			}
			return false, g.passOver(ctx, err)
		}
		p.copied += put.Stored
		p.copies = append(p.copies, placed{put.Ref.Pack, e})
		g.homes.set(keyOf(e.ID), put.Ref.Pack)
	}
	return true, nil
}

// passOver notes why a pack is left as it is. It returns what ends the collection.
func (g *collector) passOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if notFound(err) {
		return nil
	}
	g.find(err)
	if corrupt := new(chunkstore.CorruptError); errors.As(err, &corrupt) {
		return g.repo.RecordDamage(ctx, corrupt)
	}
	return nil
}

// checked reads all copies again, and leaves out the packs of which one is not good.
func (g *collector) checked(ctx context.Context, packs []*gcPack) ([]*gcPack, error) {
	byPlace := map[chunkstore.PackID][]chunkstore.Entry{}
	for _, p := range packs {
		for _, c := range p.copies {
			byPlace[c.pack] = append(byPlace[c.pack], c.entry)
		}
	}
	bad := map[chunkstore.Copy]bool{}
	for _, place := range slices.SortedFunc(maps.Keys(byPlace), chunkstore.PackID.Compare) {
		entries := byPlace[place]
		var passed error
		err := g.repo.store.CheckObjects(ctx, place, entries, func(e chunkstore.Entry, err error) {
			bad[chunkstore.Copy{Pack: place, ID: e.ID}] = true
			if !errors.Is(err, chunkstore.ErrNotFound) { // that is no damage: another object begins alike
				passed = errors.Join(passed, g.passOver(ctx, err))
			}
		})
		if err != nil {
			for _, e := range entries {
				bad[chunkstore.Copy{Pack: place, ID: e.ID}] = true
			}
			passed = g.passOver(ctx, err)
		}
		if passed != nil {
			return nil, passed
		}
	}
	return slices.DeleteFunc(packs, func(p *gcPack) bool {
		return slices.ContainsFunc(p.copies, func(c placed) bool { return bad[chunkstore.Copy{Pack: c.pack, ID: c.entry.ID}] })
	}), nil
}

// noteMoves writes, durably, where the objects of packs are now: maps go on naming those.
func (g *collector) noteMoves(packs []*gcPack) error {
	if len(packs) == 0 {
		return nil
	}
	if err := durable.MkdirAll(g.repo.fsys, movedDir); err != nil {
		return err
	}
	for _, p := range packs {
		var record movedRecord
		for _, c := range p.copies {
			if len(record.To) < maxMovedTo && !slices.Contains(record.To, c.pack) {
				record.To = append(record.To, c.pack)
			}
		}
		if err := replaceSmall(g.repo.fsys, g.lease.temps, movedName(p.id), record); err != nil {
			return fmt.Errorf("note where the objects of pack %s are: %w", p.id, err)
		}
	}
	return nil
}

// maxMovedTo is how many packs a record of moves may name.
const maxMovedTo = 64
