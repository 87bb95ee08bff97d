package repository

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"varve/chunkstore"
)

// weigh finds out how much of each pack is alive, by its own table of contents. An
// object that lies in several packs is needed in one of them: a settled one before one
// that a dead run left, the one of which more is alive before the others. Copies that
// are known to be hurt count for nothing, unless there is no other.
func (g *collector) weigh(ctx context.Context) error {
	g.choose()
	if _, err := g.repo.loadDamage(); err != nil {
		return fmt.Errorf("look which copies are hurt: %w", err)
	}
	g.opts.Step("weighing packs")
	slices.SortStableFunc(g.packs, func(a, b *gcPack) int { return cmp.Compare(a.rank, b.rank) })
	doubles, err := g.weighAll(ctx)
	if err == nil && doubles {
		slices.SortStableFunc(g.packs, func(a, b *gcPack) int {
			return cmp.Or(cmp.Compare(a.rank, b.rank), -cmp.Compare(share(a.live, a.total), share(b.live, b.total)))
		})
		_, err = g.weighAll(ctx)
	}
	if err != nil {
		return fmt.Errorf("weigh packs: %w", err)
	}
	return nil
}

// sum fills in what is alive and dead in the packs that stay.
func (g *collector) sum() {
	g.result.Live, g.result.Dead = g.result.Copied, 0
	for _, p := range g.packs {
		if !p.doomed && p.rank != rankCondemned {
			g.result.Live += p.needed
			g.result.Dead += p.total - p.needed
		}
	}
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// weighAll weighs the packs in their order, and tells whether any object was in two.
func (g *collector) weighAll(ctx context.Context) (doubles bool, err error) {
	taken := newFlags(g.marker.live.places())
	damaged := g.repo.damageNow()
	hurt := map[*gcPack][]int{}
	stay := g.packs[:0]
	g.homes = homes{}
	for _, p := range g.packs {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		pack, err := g.repo.store.Pack(p.id)
		if err != nil {
			if !notFound(err) {
				g.unread = true
				g.find(err)
			}
			continue // a pack that nobody can look into is no place for anything, and stays
		}
		stay = append(stay, p)
		p.total, p.live, p.needed, p.pinned = 0, 0, 0, false
		for e := range pack.Entries() {
			p.total += int64(e.Stored)
			at, lives := g.marker.live.find(keyOf(e.ID))
			if !lives {
				continue
			}
			p.live += int64(e.Stored)
			switch {
			case damaged[chunkstore.Copy{Pack: p.id, ID: e.ID}]:
				hurt[p] = append(hurt[p], at)
				doubles = true
				g.homes.seek(keyOf(e.ID))
			case taken.set(at):
				p.needed += int64(e.Stored)
			default:
				doubles = true
				g.homes.seek(keyOf(e.ID))
			}
		}
	}
	g.packs = stay
	g.homes.sort()
	for p, places := range hurt {
		p.pinned = slices.ContainsFunc(places, func(at int) bool { return !taken.has(at) })
	}
	return doubles, nil
}

// dead lists the packs in which nothing is alive.
func (g *collector) dead() (packs []*gcPack) {
	for _, p := range g.packs {
		if p.rank != rankCondemned && p.live == 0 {
			packs = append(packs, p)
		}
	}
	return packs
}

// sparse lists the packs that are to be compacted, those that cost the least first: those
// of which enough is dead, and, as long as half as much is of all that stay, the ones of
// which the most is. Packs of which a little less is dead could be most of them.
func (g *collector) sparse() (packs []*gcPack) {
	if g.opts.Threshold > 1 {
		return nil
	}
	var others []*gcPack
	needed, dead := int64(0), int64(0)
	for _, p := range g.packs {
		if p.rank == rankCondemned || p.live == 0 {
			continue
		}
		needed += p.needed
		switch {
		case p.pinned || p.needed == p.total:
		case share(p.dead(), p.total) >= g.opts.Threshold:
			packs = append(packs, p)
		default:
			others = append(others, p)
			dead += p.dead()
		}
	}
	slices.SortStableFunc(others, func(a, b *gcPack) int { return -cmp.Compare(share(a.dead(), a.total), share(b.dead(), b.total)) })
	for len(others) > 0 && share(dead, needed+dead) >= g.opts.Threshold/2 {
		packs, dead = append(packs, others[0]), dead-others[0].dead()
		others = others[1:]
	}
	slices.SortStableFunc(packs, func(a, b *gcPack) int { return cmp.Compare(a.needed, b.needed) })
	return packs
}

// spared lists the packs that are condemned and hold what is alive and nowhere else.
// No revision should name such a pack; but if one does, the pack is not to go.
func (g *collector) spared() (packs []*gcPack) {
	for _, p := range g.packs {
		if p.rank == rankCondemned && (p.needed > 0 || p.pinned) {
			packs = append(packs, p)
		}
	}
	return packs
}
