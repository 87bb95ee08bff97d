package repository

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// GCOptions says how garbage is to be collected. The zero value is ready to use.
type GCOptions struct {
	// Threshold is the share of a pack's bytes that must be dead for what is alive in
	// it to be copied out; 0 means [DefaultThreshold], and more than 1 copies nothing.
	Threshold  float64
	EmptyTrash bool          // what is in the trash goes, whether its time is over or not
	DryRun     bool          // tell what would be done, and do nothing
	Wait       time.Duration // for another collection to end; zero: not at all
	Now        time.Time     // by which the time of what is in the trash is over; zero: now
	// Step is told what begins, for people; it may be nil.
	Step func(what string)
}

// DefaultThreshold is the share of dead bytes from which a pack is compacted.
const DefaultThreshold = 0.2

func (o GCOptions) withDefaults(clock func() time.Time) GCOptions {
	if o.Threshold == 0 {
		o.Threshold = DefaultThreshold
	}
	if o.Now.IsZero() {
		o.Now = clock()
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	return o
}

// GCResult says what a collection came to. Bytes are those of packs, or of the frames
// in them.
type GCResult struct {
	Revisions int // that were marked: visible and trashed
	Objects   int // that they name
	Purged    []Trashed
	Kept      int // revisions that stay in the trash

	Packs      int   // that there were in the beginning
	Live, Dead int64 // bytes of frames in the packs that stay, of those that were weighed

	FreedPacks int // that were removed
	FreedBytes int64

	WaitingPacks int // that are condemned and still there
	WaitingBytes int64
	Blockers     []Blocker // for whom they wait

	Rebuilt      int   // chunks that were stored anew, because they took more than they need
	RebuiltBytes int64 // that they take now

	Compacted int   // packs whose living frames were copied out
	Copied    int64 // bytes of these
	NoRoom    bool  // there was no room to compact, or to store anew, what was left

	Before, After uint64 // generations

	// Findings are what is wrong with the repository: what is damaged, and what could not
	// be read. Incomplete tells that for their sake nothing was condemned, and nothing freed.
	Findings   []error
	Incomplete bool
}

// A Blocker is a lease for whose sake packs stay that are condemned.
type Blocker struct {
	Holder Holder        // zero: its lease cannot be read
	Volume revision.Name // empty: it is about no volume in particular
}

// kindGC is the kind of a collection's run, and what the gc lock is held for.
const kindGC = "gc"

// collector is a collection of garbage under way.
type collector struct {
	repo   *Repository
	opts   GCOptions
	result *GCResult
	run    runID
	lease  *lease // nil in a dry run
	known  uint64 // the last passage through the gate

	marker  *marker
	runs    runs
	packs   []*gcPack // those that may go, and those that are condemned
	homes   homes     // where else objects are that lie in several packs
	current generation
	gone    map[chunkstore.PackID]bool // condemned, and not there any more
	unread  bool                       // a pack could not be looked into

	grounds map[revision.UUID]*ground // of the volumes of which something went for good

	recorded bool  // the run record is there
	borrowed int64 // bytes copied out of packs that wait
}

// CollectGarbage removes what nothing names any more: revisions whose time in the trash
// is over, packs that no revision names, and what is dead in packs of which enough is.
// It runs beside everything else; what others may still read or rely on stays, and the
// next collection takes it. docs/protocol.md, Garbage, gives the steps and the reasons.
//
// A collection that somebody else has under way is a [*BusyError]. What was done
// before an error is in the result, which is never nil.
func (r *Repository) CollectGarbage(ctx context.Context, opts GCOptions) (_ *GCResult, err error) {
	g := &collector{repo: r, opts: opts.withDefaults(r.opts.Now), result: new(GCResult), run: newRunID(), marker: newMarker(r), gone: map[chunkstore.PackID]bool{}, grounds: map[revision.UUID]*ground{}}
	if opts.DryRun {
		return g.result, g.rehearse(ctx)
	}
	lock, err := r.lockSigned(ctx, gcLockName, "the garbage collector", kindGC, opts.Wait) // 0
	if err != nil {
		return g.result, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := g.begin(ctx); err != nil {
		return g.result, err
	}
	defer func() { err = errors.Join(err, g.lease.bury()) }()
	if err := g.purge(ctx); err != nil { // 1
		return g.result, err
	}
	if err := g.tighten(ctx); err != nil {
		return g.result, err
	}
	if err := g.survey(ctx); err != nil { // 2
		return g.result, err
	}
	g.opts.Step("reading what revisions name")
	if err := g.mark(ctx); err != nil { // 3
		return g.result, err
	}
	if err := g.weigh(ctx); err != nil {
		return g.result, err
	}
	if !g.result.Incomplete {
		if err := g.free(ctx); err != nil { // 4, 5, 6
			return g.result, err
		}
	}
	return g.result, g.finish(ctx) // 7
}

// begin takes a lease, makes sure that there is a generation to go on from, and
// buries the dead.
func (g *collector) begin(ctx context.Context) (err error) {
	g.lease, err = g.repo.bear(ctx, gateWait, "", g.run.String(), false)
	if durable.IsFull(err) { // purging takes no room, and gives some
		if perr := g.purge(ctx); perr != nil {
			return errors.Join(err, perr)
		}
		g.lease, err = g.repo.bear(ctx, gateWait, "", g.run.String(), false)
	}
	if err != nil {
		return wrapReadOnly(err)
	}
	err = g.pass(ctx, g.beginAnew)
	if err == nil {
		err = g.repo.buryDead(ctx, gateWait)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("begin to collect garbage: %w", err), g.lease.bury())
	}
	return nil
}

// beginAnew replaces, inside the gate, a generation that cannot be read. Nobody relies
// on packs of others while there is one, and nothing is condemned any more.
func (g *collector) beginAnew() error {
	current, err := g.repo.currentGeneration()
	if err != nil {
		return err
	}
	g.result.Before = current.Number
	if !current.Opaque {
		return nil
	}
	g.find(opaqueGeneration(current))
	number, err := g.nextNumber(current)
	if err != nil {
		return err
	}
	return g.publish(number, nil)
}

func opaqueGeneration(g generation) error {
	return &DamagedFileError{Path: generationName(g.Number), Cause: fmt.Errorf("%w: which packs are condemned cannot be read", errBadContent)}
}

// publish makes a generation, inside the gate.
func (g *collector) publish(number uint64, condemned map[chunkstore.PackID]uint64) error {
	if err := durable.MkdirAll(g.repo.fsys, generationsDir); err != nil {
		return err
	}
	return g.repo.publish(g.lease.temps, number, condemned)
}

// nextNumber is higher than that of any generation there was, as far as anybody knows:
// else a lease could pass for younger than it is.
func (g *collector) nextNumber(current generation) (uint64, error) {
	leases, err := g.otherLeases()
	if err != nil {
		return 0, err
	}
	number := max(current.Number, g.lease.generation.Number)
	for _, l := range leases {
		number = max(number, l.gen)
	}
	if number == math.MaxUint64 {
		return 0, fmt.Errorf("%w: generation %d", ErrNoNumber, number)
	}
	return number + 1, nil
}

// find notes what is wrong with the repository.
func (g *collector) find(err error) { g.result.Findings = append(g.result.Findings, err) }

// pass is atGate that remembers the passage.
func (g *collector) pass(ctx context.Context, change func() error) error {
	return g.repo.passGate(ctx, gateWait, func(passage uint64) error {
		g.known = passage
		return change()
	})
}

// passAlone runs a change inside the gate if nobody was there since this collector was
// last, and tells whether it did.
func (g *collector) passAlone(ctx context.Context, change func() error) (alone bool, err error) {
	before := g.known
	err = g.pass(ctx, func() error {
		if alone = g.known == before+1; !alone {
			return nil
		}
		return change()
	})
	return alone, err
}

// mark is step 3.
func (g *collector) mark(ctx context.Context) error {
	if err := g.marker.markAll(ctx); err != nil {
		return fmt.Errorf("read what revisions name: %w", err)
	}
	g.marked()
	return nil
}

// marked draws the conclusion from marking.
func (g *collector) marked() {
	g.result.Revisions, g.result.Objects = len(g.marker.whole), g.marker.live.len()
	if len(g.marker.hidden) > 0 && !g.result.Incomplete {
		g.result.Incomplete = true
		for _, err := range g.marker.hidden {
			g.find(err)
		}
	}
}

// free is steps 4 to 6: what is dead first, which needs no room, then what is sparse.
func (g *collector) free(ctx context.Context) error {
	g.opts.Step("removing what is dead")
	if len(g.spared()) == 0 { // what earlier collections condemned goes first: that takes no room at all
		if err := g.unlink(ctx); err != nil {
			return err
		}
	}
	if err := g.condemn(ctx, g.dead()); err != nil || g.result.Incomplete {
		return err
	}
	if err := g.unlink(ctx); err != nil {
		return err
	}
	return g.compact(ctx)
}
