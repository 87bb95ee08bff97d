package repository

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"varve/chunkstore"
)

// keptGenerations is how many generations stay for who wants to know what happened.
const keptGenerations = 8

// finish is step 7: order. Packs that are gone leave the list, records of runs that
// nobody will go on with and of which nothing is left go, and so does what says
// something of packs that are gone.
func (g *collector) finish(ctx context.Context) error {
	g.sum()
	for _, damaged := range g.marker.damaged {
		g.find(damaged)
	}
	empty := g.emptyRuns()
	if g.recorded {
		empty = append(empty, g.run)
	}
	err := g.pass(ctx, func() error { return g.settle(empty) })
	if err == nil {
		err = g.tidy()
	}
	if err == nil {
		err = g.tidySets(ctx)
	}
	if err != nil {
		return fmt.Errorf("end to collect garbage: %w", err)
	}
	return nil
}

// emptyRuns lists the runs that nobody will go on with, and of which no pack is there
// that is not in use. The names of those that are become durable: they are settled then.
func (g *collector) emptyRuns() []runID {
	if g.result.Incomplete || g.unread { // which revisions or packs there are is not known
		return nil
	}
	left := map[runID]bool{}
	var used []chunkstore.PackID
	for _, p := range g.packs {
		switch {
		case g.gone[p.id]:
		case p.needed == 0 || p.doomed || p.rank == rankCondemned:
			left[p.run] = true
		case p.rank == rankLeft:
			used = append(used, p.id)
		}
	}
	if err := g.syncPacks(used); err != nil {
		g.repo.opts.Log.Warn("records of runs that ended stay", "error", err)
		return nil
	}
	var empty []runID
	for run, record := range g.runs.records {
		if !left[run] && !g.isOpen(record) {
			empty = append(empty, run)
		}
	}
	slices.SortFunc(empty, func(a, b runID) int { return bytes.Compare(a[:], b[:]) })
	return empty
}

// settle is the part of finish inside the gate.
func (g *collector) settle(over []runID) error {
	if err := g.lease.holds(); err != nil {
		return err
	}
	if err := g.look(); err != nil {
		return err
	}
	list := maps.Clone(g.current.Condemned)
	maps.DeleteFunc(list, func(pack chunkstore.PackID, _ uint64) bool { return g.gone[pack] })
	if len(list) < len(g.current.Condemned) {
		number, err := g.nextNumber(g.current)
		if err != nil {
			return err
		}
		if err := g.publish(number, list); err != nil {
			return err
		}
		if err := g.look(); err != nil {
			return err
		}
	}
	g.result.After = g.current.Number
	for _, run := range over {
		if err := g.repo.fsys.Remove(runName(run)); err != nil && !notFound(err) {
			return err
		}
	}
	return g.repo.fsys.SyncDir(runsDir)
}

// tidy removes what says something of packs that are gone, and old generations.
func (g *collector) tidy() error {
	if err := g.tidyDamage(); err != nil {
		return err
	}
	if err := g.tidyMoved(); err != nil {
		return err
	}
	numbers, err := g.repo.generations()
	if err != nil {
		return err
	}
	slices.Sort(numbers)
	for _, n := range numbers[:max(0, len(numbers)-keptGenerations)] {
		if err := g.repo.fsys.Remove(generationName(n)); err != nil && !notFound(err) {
			return err
		}
	}
	return nil
}

// tidyDamage removes the records of hurt copies in packs that collections removed.
func (g *collector) tidyDamage() error {
	damaged, err := g.repo.loadDamage()
	if err != nil {
		return err
	}
	for c := range damaged {
		if !g.gone[c.Pack] {
			continue
		}
		if err := g.repo.fsys.Remove(damageName(c)); err != nil && !notFound(err) {
			return err
		}
	}
	_, err = g.repo.loadDamage()
	return err
}
