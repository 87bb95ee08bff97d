package repository

import (
	"context"
	"slices"

	"varve/chunkstore"
)

// homes tells where objects are that lie in more than one pack, for those that are
// compacted: what lies in a pack that stays need not be copied.
type homes struct {
	keys  []objectKey // ascending
	at    []int32     // in packs; -1: nowhere, as far as is known
	packs []chunkstore.PackID
	index map[chunkstore.PackID]int32
}

// maxHomes bounds them. What is beyond is copied, though it need not be.
const maxHomes = 4 << 20

// seek makes a home be looked for.
func (h *homes) seek(key objectKey) {
	if len(h.keys) < maxHomes {
		h.keys = append(h.keys, key)
	}
}

func (h *homes) sort() {
	slices.Sort(h.keys)
	h.keys = slices.Compact(h.keys)
	h.at = make([]int32, len(h.keys))
	for i := range h.at {
		h.at[i] = -1
	}
	h.index = map[chunkstore.PackID]int32{}
}

// set notes where an object is, if that was sought.
func (h *homes) set(key objectKey, pack chunkstore.PackID) {
	i, sought := slices.BinarySearch(h.keys, key)
	if !sought {
		return
	}
	n, known := h.index[pack]
	if !known {
		n = int32(len(h.packs))
		h.packs = append(h.packs, pack)
		h.index[pack] = n
	}
	h.at[i] = n
}

func (h *homes) of(key objectKey) (pack chunkstore.PackID, found bool) {
	i, sought := slices.BinarySearch(h.keys, key)
	if !sought || h.at[i] < 0 {
		return pack, false
	}
	return h.packs[h.at[i]], true
}

// findHomes looks for second copies in the packs that stay and whose names are durable.
func (g *collector) findHomes(ctx context.Context, sparse []*gcPack) error {
	if len(g.homes.keys) == 0 {
		return nil
	}
	goes := map[*gcPack]bool{}
	for _, p := range sparse {
		goes[p] = true
	}
	damaged := g.repo.damageNow()
	for _, p := range g.packs {
		if goes[p] || p.doomed || p.rank != rankSettled {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		pack, err := g.repo.store.Pack(p.id)
		if err != nil { // then it is no home
			continue
		}
		for e := range pack.Entries() {
			if !damaged[chunkstore.Copy{Pack: p.id, ID: e.ID}] {
				g.homes.set(keyOf(e.ID), p.id)
			}
		}
	}
	return nil
}
