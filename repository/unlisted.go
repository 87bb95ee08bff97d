package repository

import (
	"context"

	"varve/chunkstore"
)

// unlisted goes through the tables of contents of all packs, and gives, by the beginnings of their
// ids, the objects that live and that none of them lists, but for copies that are known to be hurt.
// See is told of each pack whether such an object lies in it, or why it cannot be looked into.
func (r *Repository) unlisted(
	ctx context.Context, live *liveSet, hurt map[chunkstore.Copy]bool, see func(pack *chunkstore.Pack, needed bool, err error),
) ([]objectKey, error) {
	listed, found := newFlags(live.places()), 0
	for pack, err := range r.store.Packs(ctx) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			see(nil, false, err)
			continue
		}
		needed := false
		for e := range pack.Entries() {
			at, lives := live.find(keyOf(e.ID))
			if !lives || hurt[chunkstore.Copy{Pack: pack.ID, ID: e.ID}] {
				continue
			}
			needed = true
			if listed.set(at) {
				found++
			}
		}
		see(pack, needed, nil)
	}
	if found == live.len() {
		return nil, nil
	}
	return live.without(listed), nil
}
