package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"varve/chunkstore"
)

// ProvePack is [chunkstore.Store.ProvePack] of a pack of this repository.
func (rd *Reader) ProvePack(ctx context.Context, id chunkstore.PackID, opts chunkstore.ProveOptions) error {
	return rd.repo.store.ProvePack(ctx, id, opts)
}

// GoodCopies finds the packs that list an object of some, and in which it is not known to
// be hurt, nor among those that hurt names. Each is read, and held against its name; where
// it cannot be read this time, the error is in trouble.
func (rd *Reader) GoodCopies(
	ctx context.Context, objects map[chunkstore.ID]chunkstore.Kind, hurt func(chunkstore.Copy) bool,
) (good map[chunkstore.ID][]chunkstore.PackID, trouble map[chunkstore.ID]error, err error) {
	good, trouble = map[chunkstore.ID][]chunkstore.PackID{}, map[chunkstore.ID]error{}
	for pack, err := range rd.repo.store.Packs(ctx) {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			if !isCorrupt(err) { // it may have any of them
				for id := range objects {
					trouble[id] = err
				}
			}
			continue
		}
		var listed []chunkstore.Entry
		for e := range pack.Entries() {
			if kind, asked := objects[e.ID]; asked && kind == e.Kind && !hurt(chunkstore.Copy{Pack: pack.ID, ID: e.ID}) {
				listed = append(listed, e)
			}
		}
		if len(listed) == 0 {
			continue
		}
		bad := map[chunkstore.ID]bool{}
		err := rd.repo.store.CheckObjects(ctx, pack.ID, listed, func(e chunkstore.Entry, err error) {
			bad[e.ID] = true
			if !isCorrupt(err) && !errors.Is(err, chunkstore.ErrNotFound) {
				trouble[e.ID] = err
			}
		})
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		for _, e := range listed {
			switch {
			case err != nil && !isCorrupt(err) && !notFound(err):
				trouble[e.ID] = err
			case err == nil && !bad[e.ID]:
				good[e.ID] = append(good[e.ID], pack.ID)
			}
		}
	}
	return good, trouble, nil
}

func isCorrupt(err error) bool { return errors.As(err, new(*chunkstore.CorruptError)) }

// KnownDamage is a copy of an object that was found hurt before.
type KnownDamage struct {
	chunkstore.Copy
	Kind   chunkstore.Kind // zero: its record cannot be read
	Offset int64           // of its frame in the pack
	Cause  string
	Found  time.Time
	Spared bool // as far as anybody found out, nothing is lost by it: another copy is good, or none is needed
}

// KnownDamage lists the copies of objects that are known to be hurt, in packs that are
// there, by pack and place.
func (r *Repository) KnownDamage() (known []KnownDamage, err error) {
	copies, err := r.loadDamage()
	if err != nil {
		return nil, fmt.Errorf("look which copies are hurt: %w", err)
	}
	for _, c := range slices.SortedFunc(maps.Keys(copies), compareCopies) {
		k := KnownDamage{Copy: c}
		if _, err := r.fsys.Lstat(chunkstore.PackName(c.Pack)); notFound(err) {
			continue
		}
		var record damageRecord
		err := readSmall(r.fsys, damageName(c), &record)
		switch {
		case notFound(err): // it was repaired meanwhile
			continue
		case err == nil:
			k.Offset, k.Cause, k.Found, k.Spared = record.Offset, record.Cause, record.Found, !record.Spared.IsZero()
			for _, kind := range []chunkstore.Kind{chunkstore.Chunk, chunkstore.Patch} {
				if record.Kind == kind.String() {
					k.Kind = kind
				}
			}
		}
		known = append(known, k)
	}
	slices.SortFunc(known, func(a, b KnownDamage) int {
		return cmp.Or(a.Pack.Compare(b.Pack), cmp.Compare(a.Offset, b.Offset), slices.Compare(a.ID[:], b.ID[:]))
	})
	return known, nil
}

// HasPack tells whether a pack is there, whatever it holds.
func (r *Repository) HasPack(id chunkstore.PackID) bool {
	_, err := r.fsys.Lstat(chunkstore.PackName(id))
	return !notFound(err)
}

// MovedTo gives the first that fits of a pack and those that compaction took its frames
// to; without any, the pack.
func (r *Repository) MovedTo(pack chunkstore.PackID, fits func(chunkstore.PackID) bool) chunkstore.PackID {
	for _, next := range chunkstore.FollowMoved(pack, r.moved) {
		if fits(next) {
			return next
		}
	}
	return pack
}
