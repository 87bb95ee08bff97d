package repository

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"

	"varve/chunkstore"
)

// maxTries bounds how often a step begins again because somebody went through the gate.
const maxTries = 100

// condemn is step 5: it marks what came since, and condemns those of the doomed in which
// nothing is alive, or of which all that is was found again elsewhere. Which those were
// is in their doomed.
func (g *collector) condemn(ctx context.Context, doomed []*gcPack) error {
	if len(doomed) == 0 && len(g.spared()) == 0 {
		return nil
	}
	g.marker.settled()
	for range maxTries {
		if err := g.pass(ctx, func() error { return nil }); err != nil { // notes the counter
			return err
		}
		if err := g.mark(ctx); err != nil || g.result.Incomplete {
			return err
		}
		var err error
		if doomed, err = g.stillDoomed(ctx, doomed); err != nil {
			return err
		}
		if err := g.syncVisible(); err != nil {
			return fmt.Errorf("make durable what is visible: %w", err)
		}
		alone, err := g.passAlone(ctx, func() error { return g.sentence(doomed) })
		if alone || err != nil {
			return err
		}
	}
	return errRestless
}

// stillDoomed leaves out the packs of which something is named that was not when they
// were weighed or compacted, and those that lean on a copy that is hurt by now.
func (g *collector) stillDoomed(ctx context.Context, doomed []*gcPack) ([]*gcPack, error) {
	damaged, err := g.repo.loadDamage()
	if err != nil {
		return nil, err
	}
	var still []*gcPack
	for _, p := range doomed {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(p.copies, func(c placed) bool { return damaged[chunkstore.Copy{Pack: c.pack, ID: c.entry.ID}] }) {
			continue
		}
		came := false
		if len(g.marker.added) > 0 {
			pack, err := g.repo.store.Pack(p.id)
			if err != nil {
				continue
			}
			for e := range pack.Entries() {
				came = came || g.marker.added[keyOf(e.ID)]
			}
		}
		if !came {
			still = append(still, p)
		}
	}
	return still, nil
}

// syncVisible makes durable that the files that were marked are those that are there:
// else a power cut could bring back others, which name what is gone.
func (g *collector) syncVisible() error {
	for _, tree := range []string{volumesDir, trashDir} {
		dirs, err := g.repo.fsys.ReadDir(tree)
		if err != nil {
			return err
		}
		if err := g.repo.fsys.SyncDir(tree); err != nil {
			return err
		}
		for _, d := range dirs {
			if !d.IsDir() {
				continue
			}
			if err := g.repo.fsys.SyncDir(path.Join(tree, d.Name())); err != nil && !notFound(err) { // renamed: then all begins again
				return err
			}
		}
	}
	return nil
}

// sentence condemns packs, inside the gate.
func (g *collector) sentence(doomed []*gcPack) error {
	if err := g.lease.holds(); err != nil {
		return err
	}
	if _, _, err := descriptors(g.repo.fsys); err != nil { // of a newer program, perhaps
		return err
	}
	current, err := g.repo.currentGeneration()
	if err != nil {
		return err
	}
	if current.Opaque {
		return opaqueGeneration(current)
	}
	list := maps.Clone(current.Condemned)
	if list == nil {
		list = map[chunkstore.PackID]uint64{}
	}
	for _, p := range g.spared() {
		delete(list, p.id)
	}
	number, err := g.nextNumber(current)
	if err != nil {
		return err
	}
	var sentenced []*gcPack
	for _, p := range doomed {
		stand, err := g.copiesStand(p, current)
		if err != nil {
			return err
		}
		if _, already := list[p.id]; stand && !already {
			sentenced = append(sentenced, p)
		}
	}
	for _, p := range sentenced {
		list[p.id] = number
	}
	if maps.Equal(list, current.Condemned) {
		return nil
	}
	if err := g.publish(number, list); err != nil {
		return fmt.Errorf("condemn packs: %w", err)
	}
	for _, p := range sentenced {
		p.doomed = true
	}
	for _, p := range g.spared() {
		g.repo.opts.Log.Warn("a condemned pack holds the only good copy of something, and is condemned no more", "pack", p.id.String())
		p.rank, p.pinned = rankLeft, true
	}
	return nil
}

// copiesStand makes sure that the packs are there, and not to go, in which all that is
// alive in a pack was found.
func (g *collector) copiesStand(p *gcPack, current generation) (bool, error) {
	looked := map[chunkstore.PackID]bool{}
	for _, c := range p.copies {
		if looked[c.pack] {
			continue
		}
		looked[c.pack] = true
		if _, condemned := current.Condemned[c.pack]; condemned {
			return false, nil
		}
		_, err := g.repo.fsys.Lstat(chunkstore.PackName(c.pack))
		switch {
		case notFound(err):
			return false, nil
		case err != nil:
			return false, err
		}
	}
	return true, nil
}
