package repository

import (
	"fmt"
	"slices"

	"varve/chunkstore"
)

// tidyMoved keeps the records of moves few and short: a pack that a map names leads to
// where its frames are now, not by way of packs that are gone, and records that lead from
// nowhere go. Else each compaction would add a step to the way from an old map to its
// objects, and after some, nobody would go it to its end.
func (g *collector) tidyMoved() error {
	entries, err := g.repo.fsys.ReadDir(movedDir)
	if notFound(err) || g.result.Incomplete {
		return nil
	}
	if err != nil {
		return err
	}
	var recorded []chunkstore.PackID
	led := map[chunkstore.PackID]bool{}
	for _, e := range entries {
		pack, err := chunkstore.ParsePackID(e.Name())
		if err != nil {
			continue
		}
		recorded = append(recorded, pack)
		if !g.marker.named[pack] {
			continue
		}
		led[pack] = true
		way, err := g.shorten(pack)
		if err != nil {
			return fmt.Errorf("note where the objects of pack %s are now: %w", pack, err)
		}
		for _, next := range way {
			led[next] = true
		}
	}
	for _, pack := range recorded {
		if led[pack] {
			continue
		}
		if err := g.repo.fsys.Remove(movedName(pack)); err != nil && !notFound(err) {
			return err
		}
	}
	return nil
}

// shorten makes a pack lead straight to those that are there of the packs that it leads
// to, and tells to which packs it leads.
func (g *collector) shorten(pack chunkstore.PackID) (way []chunkstore.PackID, err error) {
	way = chunkstore.FollowMoved(pack, g.repo.moved)[1:]
	var there []chunkstore.PackID
	for _, next := range way {
		_, err := g.repo.fsys.Lstat(chunkstore.PackName(next))
		switch {
		case err == nil:
			there = append(there, next)
		case !notFound(err):
			return nil, err
		}
	}
	if len(there) == 0 || slices.Equal(there, g.repo.moved(pack)) {
		return way, nil
	}
	return there, replaceSmall(g.repo.fsys, g.lease.temps, movedName(pack), movedRecord{To: there})
}
