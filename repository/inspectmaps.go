package repository

import (
	"context"
	"fmt"
	"slices"

	"varve/revision"
)

// volume looks at the maps of a volume, with those in the trash.
func (in *Inspection) volume(ctx context.Context, v Volume) error {
	var faults []Fault
	f, err := in.rd.repo.settled(ctx, v, func(f *forest) (bool, error) {
		faults = nil
		look := &mapLook{in: in, f: f, fault: func(fault Fault) {
			fault.Volume = f.volume
			faults = append(faults, fault)
		}}
		err := look.run(ctx)
		return len(faults) > 0, err
	})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		in.Partial = true
		in.opts.Fault(Fault{Kind: FaultVolume, Path: volumeDir(v.Name), Volume: v, Err: err})
		return nil
	}
	for _, fault := range faults {
		in.opts.Fault(fault)
	}
	in.forests = append(in.forests, f)
	if v.Name != "" {
		in.Volumes++
	}
	newest := uint64(0)
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.kind != nodeVisible {
			continue
		}
		in.Revisions++
		if st := n.rev.Statement; st != nil && st.Sequence > newest {
			in.Images += int64(st.Size) - int64(newestSize(f, newest))
			newest = st.Sequence
		}
	}
	return nil
}

// newestSize is the size of the visible revision of a number; 0: there is none.
func newestSize(f *forest, number uint64) uint64 {
	for i := range f.nodes {
		if st := f.nodes[i].rev.Statement; f.nodes[i].kind == nodeVisible && st != nil && st.Sequence == number {
			return st.Size
		}
	}
	return 0
}

// mapLook is one look at the maps of a volume.
type mapLook struct {
	in      *Inspection
	f       *forest
	fault   func(Fault)
	regions map[uint64]bool // in which there is anything
	hasher  revision.RegionHasher
}

func (l *mapLook) run(ctx context.Context) error {
	l.regions = map[uint64]bool{}
	for i := range l.f.nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.node(&l.f.nodes[i]); err != nil {
			return err
		}
	}
	if err := l.strayCopies(); err != nil {
		return err
	}
	return l.recompute(ctx)
}

// find tells of something about a revision.
func (l *mapLook) find(n *node, kind FaultKind, name string, harmless bool, err error) {
	l.fault(Fault{Kind: kind, Path: name, Revision: n.rev.ID, Err: err, Harmless: harmless})
}

// link makes sure that a revision builds on what it says.
func (l *mapLook) link(n *node) error {
	if n.use == "" {
		n.broken = true
		return nil
	}
	st := n.rev.Statement
	if st.Parent == nil {
		return nil
	}
	if n.parent < 0 {
		n.broken = true
		i := slices.IndexFunc(l.f.nodes, func(n node) bool { return n.rev.ID == st.Parent.ID })
		if i >= 0 { // that it cannot be read was told, or will be
			return nil
		}
		l.find(n, FaultMap, n.use, false, &DamagedFileError{Path: n.use, Cause: fmt.Errorf("it builds on %s, which is not there", st.Parent.ID)})
		return nil
	}
	parent := &l.f.nodes[n.parent]
	if parent.broken {
		n.broken, n.again = true, parent.again
		return nil // that of the parent was told
	}
	child, err := l.f.open(l.in.rd.repo, n)
	if err != nil {
		return err
	}
	defer func() { _ = child.Close() }() // it is only read
	below, err := l.f.open(l.in.rd.repo, parent)
	if err != nil {
		return err
	}
	defer func() { _ = below.Close() }() // likewise
	if err := revision.CheckAgainstParent(child.Map, below.Map); err != nil {
		n.broken = true
		l.find(n, FaultMap, n.use, false, &DamagedFileError{Path: n.use, Cause: err})
	}
	return nil
}

// strayCopies tells of copies of revisions that are not there.
func (l *mapLook) strayCopies() error {
	ids, err := l.in.rd.repo.idsIn(copyDir(l.f.volume.UUID))
	if err != nil && !notFound(err) {
		l.fault(Fault{Kind: FaultCopy, Path: copyDir(l.f.volume.UUID), Err: err})
		return nil
	}
	for _, id := range ids {
		if !slices.ContainsFunc(l.f.nodes, func(n node) bool { return n.rev.ID == id }) {
			name := copyName(l.f.volume.UUID, id)
			l.fault(Fault{Kind: FaultUnneeded, Path: name, Revision: id, Harmless: true, Err: fmt.Errorf("%s is the copy of no revision: a backup was cut off, or a purge", name)})
		}
	}
	return nil
}
