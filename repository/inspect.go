package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"varve/chunkstore"
	"varve/revision"
)

// FaultKind says what a fault is about.
type FaultKind string

// What may be at fault.
const (
	FaultDescriptor FaultKind = "descriptor" // or its copy
	FaultVolume     FaultKind = "volume"     // a volume's file or directory
	FaultMap        FaultKind = "map"        // a revision's file, its place in a chain, or what its chain comes to
	FaultCopy       FaultKind = "copy"       // the second copy of a revision's file
	FaultRevision   FaultKind = "revision"   // a revision that was committed and not removed, and is nowhere
	FaultInfo       FaultKind = "info"       // what was noted of a revision
	FaultSet        FaultKind = "set"
	FaultTrash      FaultKind = "trash" // what belongs to a revision in the trash
	FaultJournal    FaultKind = "journal"
	FaultRecord     FaultKind = "record" // of a run, a generation, a hurt copy, a proof
	FaultPack       FaultKind = "pack"   // a pack as a whole
	FaultUnneeded   FaultKind = "unneeded"
)

// A Fault is one thing in the repository that is not as it should be.
type Fault struct {
	Kind     FaultKind
	Path     string // of the file; empty: none
	Volume   Volume
	Revision revision.ID
	Pack     chunkstore.PackID
	Err      error
	Harmless bool // it is left over, or derived, or put in order by whoever comes next
	Alone    bool // nothing else in this repository can stand in for the file
}

// InspectOptions tunes [Reader.Inspect]. The functions may be nil.
type InspectOptions struct {
	Volumes []Volume // whose revisions are looked at, and the packs that these need; nil: everything
	Fault   func(Fault)
	Step    func(what string)
}

// Inspection is what a look at all but the frames of packs came to.
type Inspection struct {
	Volumes   int
	Revisions int   // visible
	Images    int64 // bytes of the newest revision of each volume
	Objects   int   // that maps name
	Packs     []InspectedPack
	// Partial: a directory or a map could not be read, of whatever cause; what nothing
	// seems to need may be needed.
	Partial bool

	rd      *Reader
	opts    InspectOptions
	forests []*forest
	live    liveSet // what maps name
	missing []objectKey
}

// InspectedPack is a pack whose table of contents is whole.
type InspectedPack struct {
	ID     chunkstore.PackID
	Size   int64 // of the file, in bytes
	Needed bool  // maps name something that lies in it
}

// Inspect looks at everything but the frames of packs: that each file is there, whole and
// of this repository; that chains hold, and what maps record of regions and images is what
// they come to; and that each object that is named is listed by a pack. It takes time and
// memory as the maps and tables of contents do, not the data.
func (rd *Reader) Inspect(ctx context.Context, opts InspectOptions) (*Inspection, error) {
	if opts.Fault == nil {
		opts.Fault = func(Fault) {}
	}
	if opts.Step == nil {
		opts.Step = func(string) {}
	}
	in := &Inspection{rd: rd, opts: opts}
	opts.Step("files")
	volumes, err := in.files(ctx)
	if err != nil {
		return nil, err
	}
	opts.Step("maps")
	for _, v := range volumes {
		if err := in.volume(ctx, v); err != nil {
			return nil, err
		}
	}
	in.Objects = in.live.len()
	if opts.Volumes == nil {
		if err := in.journaled(ctx); err != nil {
			return nil, err
		}
	}
	opts.Step("tables")
	if err := in.tables(ctx); err != nil {
		return nil, err
	}
	return in, ctx.Err()
}

// tables reads the tables of contents of all packs, and finds out which objects none lists.
func (in *Inspection) tables(ctx context.Context) (err error) {
	unneeded, bytes := 0, int64(0)
	in.missing, err = in.rd.repo.unlisted(ctx, &in.live, nil, func(pack *chunkstore.Pack, needed bool, err error) {
		if err != nil {
			in.unopened(err)
			return
		}
		if from := revision.UUID(pack.Repository); from != in.rd.repo.desc.Repository && !slices.Contains(in.rd.repo.desc.Former, from) {
			in.opts.Fault(Fault{Kind: FaultPack, Path: pack.Path, Pack: pack.ID, Harmless: true,
				Err: fmt.Errorf("it is of repository %s, which this one was not copied from", from)})
		}
		if !needed {
			unneeded, bytes = unneeded+1, bytes+pack.Size
		}
		if needed || in.opts.Volumes == nil {
			in.Packs = append(in.Packs, InspectedPack{ID: pack.ID, Size: pack.Size, Needed: needed})
		}
	})
	if unneeded > 0 && err == nil && in.opts.Volumes == nil && !in.Partial {
		in.opts.Fault(Fault{Kind: FaultUnneeded, Harmless: true, Err: fmt.Errorf("%d packs of %d bytes are needed by no revision", unneeded, bytes)})
	}
	return err
}

// unopened tells of a pack that cannot be looked into.
func (in *Inspection) unopened(err error) {
	fault := Fault{Kind: FaultPack, Err: err}
	if corrupt := new(chunkstore.CorruptError); errors.As(err, &corrupt) {
		fault.Path, fault.Pack = corrupt.Path, corrupt.Pack
	} else {
		in.Partial = true
	}
	in.opts.Fault(fault)
}

// journaled finds the revisions that the journal knows to be there, and that are not.
func (in *Inspection) journaled(ctx context.Context) error {
	for range 2 { // whoever removes one writes the journal before or after
		missing, err := in.journaledOnce(ctx)
		if err != nil || len(missing) == 0 {
			return err
		}
		again, err := in.journaledOnce(ctx)
		if err != nil {
			return err
		}
		if slices.EqualFunc(missing, again, func(a, b Fault) bool { return a.Revision == b.Revision && a.Volume.UUID == b.Volume.UUID }) {
			for _, fault := range missing {
				in.opts.Fault(fault)
			}
			return nil
		}
	}
	return nil
}

func (in *Inspection) journaledOnce(ctx context.Context) (missing []Fault, err error) {
	events, _ := in.rd.repo.Events() // what of it cannot be read was told
	counts, last := visibleBy(events), map[revisionKey]Event{}
	for _, e := range events {
		if e.UUID != nil && e.Revision != "" && e.Result != ResultFailed && e.visible() > 0 {
			last[revisionKey{*e.UUID, e.Revision}] = e
		}
	}
	there := map[revisionKey]bool{}
	for _, f := range in.forests {
		for i := range f.nodes {
			there[revisionKey{f.volume.UUID, f.nodes[i].rev.ID}] = true
		}
	}
	for k, n := range counts {
		if n <= 0 || there[k] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v := Volume{Name: last[k].Volume, UUID: k.volume}
		if now, moved := in.rd.repo.movedTo(v); moved {
			v = now
		}
		if in.rd.repo.isSomewhere(v, k.id) {
			continue // it came meanwhile
		}
		missing = append(missing, Fault{
			Kind: FaultRevision, Path: revisionName(v.Name, k.id), Volume: v, Revision: k.id, Alone: true,
			Err: &DamagedFileError{Path: revisionName(v.Name, k.id), Cause: fmt.Errorf("it is gone, and so is its copy, though the journal knows that it was committed on %s and not removed",
				last[k].Time.UTC().Format(time.DateTime))},
		})
	}
	slices.SortFunc(missing, func(a, b Fault) int { return cmp.Compare(a.Path, b.Path) })
	return missing, nil
}

// isSomewhere tells whether anything is there of a revision's map.
func (r *Repository) isSomewhere(v Volume, id revision.ID) bool {
	for _, name := range []string{revisionName(v.Name, id), trashName(v.UUID, id), copyName(v.UUID, id)} {
		if _, err := r.fsys.Lstat(name); err == nil {
			return true
		}
	}
	return false
}

// Renew goes on with another Reader, so that what was condemned since the first one's birth
// can go. The first one is to be closed by whoever made it, and afterwards.
func (in *Inspection) Renew(rd *Reader) { in.rd = rd }
