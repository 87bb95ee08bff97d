package repository

import (
	"context"
	"errors"
)

// rehearse is a dry run: it looks, and tells what a collection would do if nobody were
// in its way.
func (g *collector) rehearse(ctx context.Context) (err error) {
	rd, err := g.repo.NewReader(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	if err := g.listPurge(ctx); err != nil {
		return err
	}
	if err := g.survey(ctx); err != nil {
		return err
	}
	if g.current.Opaque {
		g.find(opaqueGeneration(g.current))
	}
	g.result.Before, g.result.After = g.current.Number, g.current.Number
	g.opts.Step("reading what revisions name")
	if err := g.mark(ctx); err != nil {
		return err
	}
	if err := g.weigh(ctx); err != nil || g.result.Incomplete {
		return err
	}
	g.foretell()
	g.sum()
	return nil
}

// foretell puts into the result what would be freed.
func (g *collector) foretell() {
	r := g.result
	take := func(p *gcPack) {
		p.doomed = true
		r.FreedPacks++
		r.FreedBytes += p.size
	}
	for _, p := range g.sparse() {
		take(p)
		if p.needed > 0 {
			r.Compacted++
			r.Copied += p.needed
		}
	}
	for _, p := range g.dead() {
		take(p)
	}
	for _, p := range g.packs {
		if p.rank == rankCondemned && p.needed == 0 && !p.pinned {
			take(p)
		}
	}
}
