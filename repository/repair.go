package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// RepairOptions says where good bytes may come from, besides the repository itself. The zero
// value is ready to use.
type RepairOptions struct {
	Volumes []Volume       // of which revisions, and their files, are repaired; none: of all
	Sources []RepairSource // of volumes
	Others  []RepairOther  // tried last
	Wait    time.Duration  // for the lock of a volume; zero: not at all
	// Plan is told what was found to be hurt, before anything is done about it; it may be nil.
	Plan func(RepairPlan)
	// Step is told what begins, for people; it may be nil.
	Step func(what string)
}

// RepairSource is what a volume is read from: it may still hold what was lost.
type RepairSource struct {
	Name    string // for people
	Volume  revision.UUID
	Content io.ReaderAt
	Size    int64
}

// RepairOther is another repository, open. It is only read, and stays the caller's.
type RepairOther struct {
	Name       string // for people
	Repository *Repository
}

// RepairPlan says what is hurt.
type RepairPlan struct {
	Files   []string // of which another is to take the place, or that are missing
	Packs   []string // that cannot be opened
	Objects int      // of which no good copy is known
	Places  []Place  // that need them
}

// A Place is a range of bytes of a revision.
type Place struct {
	Volume   Volume
	Revision revision.ID
	Extent   Extent
}

// A Mending is one thing that was hurt, and what became of it.
type Mending struct {
	Path   string            // of the file; of an object, of a pack that had it
	Pack   chunkstore.PackID // zero: it is about no pack
	Kind   chunkstore.Kind   // zero: it is the file itself
	Object chunkstore.ID
	Cause  string  // what was wrong
	From   Origin  // of the good bytes; zero: it was not repaired
	Why    error   // it was not: a [*NowhereError] of an object that nobody has
	Places []Place // of an object that was not: what is lost without it
	Cost   int64   // of an object that was not: bytes that the next backups store anew for it
	Aside  bool    // of a pack: nothing needs it any more, and it was put aside
}

// Mended tells whether it is as it was.
func (m *Mending) Mended() bool { return !m.From.IsZero() }

// RepairResult says what a repair came to.
type RepairResult struct {
	Mendings  []Mending
	Revisions []Proof // that were read back, because they were damaged or got another map
	Stored    int64   // bytes added to packs
	PutAside  int     // files that lie in damage/evidence now
	Troubles  []error // what could not be looked at
}

// Whole tells whether nothing is left that is known to be hurt.
func (r *RepairResult) Whole() bool {
	for i := range r.Mendings {
		if !r.Mendings[i].Mended() {
			return false
		}
	}
	for _, p := range r.Revisions {
		if len(p.Lost) > 0 {
			return false
		}
	}
	return len(r.Troubles) == 0
}

// repairer is a repair under way. Its work is that of the run that stores objects again, and
// of no volume.
type repairer struct {
	work
	opts   RepairOptions
	others []*otherRepository
	result *RepairResult

	losses  *losses
	touched map[revisionKey]bool // revisions that got another file or map
	journal *journaledRevisions  // nil: it was not read yet
}

// revisionKey names a revision for good.
type revisionKey struct {
	volume revision.UUID
	id     revision.ID
}

// Repair makes good what is known to be hurt: files that are damaged or gone of their copies,
// objects of other copies, of the sources of volumes, and of other repositories, in this
// order. Where an object cannot be had and the content of its chunk can, that is stored
// whole, and the revision gets a map that says so. What a revision holds never changes.
// Damaged files that others take the place of are put aside.
//
// What is hurt has to be known: of objects, damage/ tells, and packs that are gone or cannot
// be opened. A revision that was damaged counts again once it was read back, every byte. What
// is left is in the result, which is never nil. docs/protocol.md, Repair, has the steps.
func (r *Repository) Repair(ctx context.Context, opts RepairOptions) (_ *RepairResult, err error) {
	p := &repairer{
		work: work{repo: r, run: newRunID()}, opts: opts, result: new(RepairResult), touched: map[revisionKey]bool{},
	}
	if opts.Step == nil {
		p.opts.Step = func(string) {}
	}
	defer func() { err = errors.Join(err, p.close()) }()
	for _, step := range []func(context.Context) error{p.open, p.mendFiles, p.mendObjects, p.rewriteMaps, p.settle, p.proveRevisions} {
		if err := step(ctx); err != nil {
			return p.result, fmt.Errorf("repair: %w", wrapReadOnly(err))
		}
	}
	return p.result, nil
}

// open takes a lease here, and one in each other repository.
func (p *repairer) open(ctx context.Context) (err error) {
	if p.lease, err = p.repo.bear(ctx, gateWait, "", p.run.String(), true); err != nil {
		return err
	}
	if p.reader, err = p.repo.readerOn(p.lease); err != nil {
		return err
	}
	for _, other := range p.opts.Others {
		rd, err := other.Repository.NewReader(ctx)
		if err != nil {
			return fmt.Errorf("read %s: %w", other.Name, err)
		}
		p.others = append(p.others, newOther(p.repo, other, rd))
	}
	return nil
}

// close gives up what open took. A run that added nothing leaves no record.
func (p *repairer) close() error {
	var errs []error
	for _, other := range p.others {
		errs = append(errs, other.close())
	}
	if p.chunks != nil {
		errs = append(errs, p.chunks.Close())
	}
	if p.recorded && (p.chunks == nil || len(p.chunks.Relied()) == 0) {
		errs = append(errs, p.finished())
	}
	return errors.Join(append(errs, p.end())...)
}

// openWriter opens the writer of objects, if none is open yet, and writes the run record
// before. It relies on packs of its own alone: all else it would find may be hurt.
func (p *repairer) openWriter(ctx context.Context) (err error) {
	if p.chunks != nil {
		return nil
	}
	if err := p.record(ctx, kindRepair, 0); err != nil {
		return err
	}
	p.chunks, err = p.repo.store.NewWriter(chunkstore.WriterConfig{
		Run: p.run, Codec: p.repo.Codec(), Dense: true, Temps: p.lease.temps, View: p.reader.currentView, PackSize: p.repo.opts.PackSize,
	})
	return err
}

// trouble notes what could not be looked at.
func (p *repairer) trouble(err error) { p.result.Troubles = append(p.result.Troubles, err) }

// covers tells whether a volume is among those that are repaired.
func (p *repairer) covers(volume revision.UUID) bool {
	for _, v := range p.opts.Volumes {
		if v.UUID == volume {
			return true
		}
	}
	return len(p.opts.Volumes) == 0
}

// ends tells whether an error ends a repair, rather than that of one thing.
func ends(ctx context.Context, err error) bool {
	return ctx.Err() != nil || durable.IsFull(err) || readOnly(err)
}
