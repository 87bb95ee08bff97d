package repository

import (
	"context"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"varve/chunkstore"
	"varve/revision"
)

// gcPack is a pack that a collection may take away, or that one has condemned.
type gcPack struct {
	id   chunkstore.PackID
	run  runID
	size int64 // of the file, in bytes
	rank packRank

	// As weighed, in bytes of frames.
	total  int64
	live   int64    // of objects that some map names
	needed int64    // of those, what no better copy was found of
	pinned bool     // it has the only copy of something, and that is hurt
	doomed bool     // it is condemned, or was and is gone
	copies []placed // of what is alive in it, made or found, and checked
	copied int64    // bytes of those that were made
}

// dead is what is not needed, in bytes of frames.
func (p *gcPack) dead() int64 { return p.total - p.needed }

// packRank says how far a pack may be relied on as the place of an object.
type packRank int

const (
	rankSettled   packRank = iota // its run has succeeded: its name is durable
	rankLeft                      // a run that nobody will go on with left it
	rankCondemned                 // it is to go: only what is nowhere else keeps it
)

// survey is step 2: the packs there are now, and whose they are. Records of runs are
// read after the packs were seen, and leases after the records: what is not there then
// has ended, and what it made visible will be marked.
func (g *collector) survey(ctx context.Context) error {
	g.opts.Step("looking at packs")
	r := g.repo
	for pack, err := range r.store.Packs(ctx) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // it is not for us to judge, and stays
			g.unread = true
			g.find(err)
			continue
		}
		g.result.Packs++
		from := revision.UUID(pack.Repository)
		if from == r.desc.Repository || slices.Contains(r.desc.Former, from) { // of others, nobody here knows the runs
			g.packs = append(g.packs, &gcPack{id: pack.ID, run: pack.Run, size: pack.Size})
		}
	}
	if err := g.readRuns(); err != nil {
		return fmt.Errorf("look whose packs there are: %w", err)
	}
	if err := g.readLeases(ctx); err != nil {
		return fmt.Errorf("look who is at work: %w", err)
	}
	return nil
}

// readLeases finds out which leases live, and what is condemned. A dry run, which is not
// to change anything, takes their word for it.
func (g *collector) readLeases(ctx context.Context) (err error) {
	r := g.repo
	if !g.opts.DryRun {
		return g.pass(ctx, func() (err error) {
			if g.runs.living, _, err = r.leases(); err != nil {
				return err
			}
			g.current, err = r.currentGeneration()
			return err
		})
	}
	entries, err := r.fsys.ReadDir(leasesDir)
	if err != nil {
		return err
	}
	g.runs.living = map[string]bool{}
	for _, e := range entries {
		if _, alive := r.readLease(path.Join(leasesDir, e.Name())); alive {
			g.runs.living[strings.TrimSuffix(e.Name(), infoExt)] = true
		}
	}
	g.current, err = r.currentGeneration()
	return err
}

// runs is what is known of runs that have not succeeded.
type runs struct {
	records map[runID]*runRecord // nil: it cannot be read
	living  map[string]bool      // leases
}

func (g *collector) readRuns() error {
	g.runs.records = map[runID]*runRecord{}
	entries, err := g.repo.fsys.ReadDir(runsDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		base, isRecord := strings.CutSuffix(e.Name(), infoExt)
		raw, err := hex.DecodeString(base)
		if !isRecord || err != nil || len(raw) != len(runID{}) || runID(raw).String() != base {
			continue
		}
		record, err := g.repo.readRun(runID(raw))
		if err != nil {
			g.find(err)
			g.runs.records[runID(raw)] = nil
		} else if record != nil {
			g.runs.records[runID(raw)] = record
		}
	}
	return nil
}

// maxRunAge is how long a dead backup is waited for to be gone on with. It says when
// garbage goes, not whether something is garbage.
const maxRunAge = 30 * 24 * time.Hour

// isOpen tells whether a run's packs are still its own: it lives, or is a backup that
// the next one of its volume may go on with.
func (g *collector) isOpen(record *runRecord) bool {
	switch {
	case record == nil || g.runs.living[record.Lease]:
		return true
	case record.Kind != kindBackup:
		return false
	}
	return g.marker.highest[record.Volume] < record.Sequence && g.opts.Now.Sub(record.Holder.Since) < maxRunAge
}

// choose leaves out the packs that are not for us: those of runs that are open. It is
// for after the marking, which tells the numbers of revisions.
func (g *collector) choose() {
	g.packs = slices.DeleteFunc(g.packs, func(p *gcPack) bool {
		record, has := g.runs.records[p.run]
		switch _, condemned := g.current.Condemned[p.id]; {
		case condemned:
			p.rank = rankCondemned
		case has && g.isOpen(record):
			return true
		case has:
			p.rank = rankLeft
		}
		return false
	})
}
