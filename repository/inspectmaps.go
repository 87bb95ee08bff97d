package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"syscall"

	"varve/internal/durable"
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

// node checks both files of a revision, and chooses the one to go by.
func (l *mapLook) node(n *node) error {
	second := copyName(l.f.volume.UUID, n.rev.ID)
	err := l.check(n, n.file)
	switch {
	case err == nil:
		n.use = n.file
		l.checkCopy(n, second)
	default:
		if notFound(err) && !n.lost {
			return errMoved
		}
		if notFound(err) {
			err = &DamagedFileError{Path: n.file, Cause: errFileGone}
		}
		cerr := l.check(n, second)
		l.fault(Fault{Kind: FaultMap, Path: n.file, Revision: n.rev.ID, Err: err, Alone: cerr != nil})
		if cerr == nil {
			n.use = second
		} else {
			if notFound(cerr) {
				cerr = &DamagedFileError{Path: second, Cause: errFileGone}
			}
			l.fault(Fault{Kind: FaultCopy, Path: second, Revision: n.rev.ID, Err: cerr, Alone: true})
			if errors.Is(err, syscall.EIO) || errors.Is(cerr, syscall.EIO) {
				n.again = errors.Join(err, cerr)
			}
		}
	}
	return l.link(n)
}

// check makes sure that a file is the map that was listed, and that every byte of it is right.
func (l *mapLook) check(n *node, name string) error {
	m, err := openIdentified(l.in.rd.repo.fsys, name, l.f.volume, n.rev.ID)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }() // it was only read
	st := m.Statement()
	if n.rev.Statement == nil {
		return &DamagedFileError{Path: name, Cause: errors.New(n.rev.Info.Reason)}
	}
	if st.Nonce != n.rev.Statement.Nonce {
		if name == n.file {
			return errMoved
		}
		return &DamagedFileError{Path: name, Cause: fmt.Errorf("%w: it is of another writing than the revision's file", errBadContent)}
	}
	if err := m.Check(); err != nil {
		return damagedMap(name, err)
	}
	if repo := l.in.rd.repo; st.Lineage != repo.desc.Lineage || int(st.ChunkSize) != repo.desc.ChunkSize {
		return &DamagedFileError{Path: name, Cause: fmt.Errorf("%w: it is of lineage %s, in chunks of %d bytes", errBadContent, st.Lineage, st.ChunkSize)}
	}
	rows, err := m.Regions()
	if err != nil {
		return damagedMap(name, err)
	}
	for _, row := range rows {
		l.regions[row.Region] = true
	}
	return nil
}

// checkCopy holds the copy of a map that is whole against it.
func (l *mapLook) checkCopy(n *node, name string) {
	repo := l.in.rd.repo
	same, err := sameFiles(repo.fsys, n.file, name)
	switch {
	case err == nil && same:
	case notFound(err):
		l.find(n, FaultCopy, name, false, &DamagedFileError{Path: name, Cause: errFileGone})
	case err != nil:
		l.find(n, FaultCopy, name, false, damagedFile(name, err))
	default:
		m, err := openIdentified(repo.fsys, name, l.f.volume, n.rev.ID)
		if err == nil {
			if err = m.Check(); err != nil {
				err = damagedMap(name, err)
			} else if m.Statement().Nonce != n.rev.Statement.Nonce {
				l.find(n, FaultCopy, name, true, fmt.Errorf("%s is of an earlier writing of the revision: who gave it a new map was cut off", name))
			} else {
				err = &DamagedFileError{Path: name, Cause: fmt.Errorf("%w: it is not as the revision's file", errBadContent)}
			}
			_ = m.Close() // it was only read
		}
		if err != nil {
			l.find(n, FaultCopy, name, false, err)
		}
	}
}

// sameFiles tells whether two files hold the same bytes.
func sameFiles(fsys durable.FS, one, other string) (same bool, err error) {
	a, err := fsys.Open(one)
	if err != nil {
		return false, err
	}
	defer func() { _ = a.Close() }() // it is only read
	b, err := fsys.Open(other)
	if err != nil {
		return false, err
	}
	defer func() { _ = b.Close() }() // likewise
	left, right := make([]byte, 64<<10), make([]byte, 64<<10)
	for off := int64(0); ; off += int64(len(left)) {
		n, aerr := a.ReadAt(left, off)
		m, berr := b.ReadAt(right, off)
		for _, err := range []error{aerr, berr} {
			if err != nil && !errors.Is(err, io.EOF) {
				return false, err
			}
		}
		if !bytes.Equal(left[:n], right[:m]) {
			return false, nil
		}
		if aerr != nil || berr != nil { // both have ended, for as much was read of them
			return true, nil
		}
	}
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

// windowRegions is how many regions of a volume are followed through its revisions at
// a time: 128 KiB each, and once more for each line of revisions.
const windowRegions = 128

// window is a range of chunks, to be gone through at a time.
type window struct{ first, end uint64 }

// windows parts all chunks so that in each part there is something in few regions.
func (l *mapLook) windows() (parts []window) {
	all := slices.Sorted(maps.Keys(l.regions))
	first := uint64(0)
	for i := windowRegions; i < len(all); i += windowRegions {
		parts = append(parts, window{first, all[i] * revision.RegionChunks})
		first = all[i] * revision.RegionChunks
	}
	return append(parts, window{first, math.MaxUint64})
}

// followedImage is the content ids of a revision in a window.
type followedImage struct {
	regions map[uint64]*followed
	// own are the regions that no image of an ancestor has too. Only these may be changed,
	// and only by who has the image alone.
	own map[uint64]bool
}

// followed is a region of an image.
type followed struct {
	chunks [revision.RegionChunks][32]byte // zeros: a chunk of zeros
	count  int                             // that are not
	hash   [32]byte
}

// recompute follows the content of all chunks through the revisions, and holds the
// regions that come of it against those that are recorded. It takes in what maps name.
func (l *mapLook) recompute(ctx context.Context) error {
	for _, w := range l.windows() {
		err := climb(l.f, func(n *node, below *followedImage, sole bool) (*followedImage, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return l.follow(n, w, below, sole)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// follow makes the image of a revision of that of its parent.
func (l *mapLook) follow(n *node, w window, below *followedImage, sole bool) (*followedImage, error) {
	if n.use == "" {
		return nil, l.salvage(n, w)
	}
	m, err := l.f.open(l.in.rd.repo, n)
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }() // it is only read
	o := imageOverlay{image: below, changed: map[uint64]bool{}}
	switch {
	case below == nil:
		o.image = &followedImage{regions: map[uint64]*followed{}, own: map[uint64]bool{}}
	case !sole:
		o.image = &followedImage{regions: maps.Clone(below.regions), own: map[uint64]bool{}}
	}
	o.cut(m.Statement().Chunks())
	for record, err := range m.Records(w.first, w.end) {
		if err != nil {
			return nil, damagedMap(m.name, err)
		}
		if z := record.Zeros; z != nil {
			if !n.broken {
				o.erase(max(z.First, w.first), min(z.End(), w.end))
			}
			continue
		}
		eachRef(record.Entry, func(key objectKey) { l.in.live.add(key) })
		if !n.broken {
			o.set(record.Entry.Index, record.Entry.Content)
		}
	}
	if n.broken {
		return nil, nil
	}
	return o.image, l.compare(n, m, w, &o)
}

// salvage takes in what can be read of a map that is damaged: more may be needed.
func (l *mapLook) salvage(n *node, w window) error {
	l.in.Partial = true
	for _, name := range []string{n.file, copyName(l.f.volume.UUID, n.rev.ID)} {
		m, err := openIdentified(l.in.rd.repo.fsys, name, l.f.volume, n.rev.ID)
		if err != nil {
			continue
		}
		for record, err := range m.Records(w.first, w.end) {
			if err != nil {
				break
			}
			eachRef(record.Entry, func(key objectKey) { l.in.live.add(key) })
		}
		_ = m.Close() // it was only read
	}
	return nil
}

// compare holds what came out against what a map records.
func (l *mapLook) compare(n *node, m *mapFile, w window, o *imageOverlay) error {
	have := o.image.regions
	for region := range o.changed {
		r := have[region]
		if r.count == 0 {
			delete(have, region)
			delete(o.image.own, region)
			continue
		}
		r.hash = l.hasher.Hash(&r.chunks)
	}
	rows, err := m.Regions()
	if err != nil {
		return damagedMap(m.name, err)
	}
	within, wrong := 0, uint64(math.MaxUint64)
	for _, row := range rows {
		if first := row.Region * revision.RegionChunks; first < w.first || first >= w.end {
			continue
		}
		within++
		if r := have[row.Region]; r == nil || r.hash != row.Hash {
			wrong = min(wrong, row.Region)
		}
	}
	if wrong == math.MaxUint64 && within == len(have) {
		return nil
	}
	what := "the maps of its chain give other regions than it records"
	if wrong != math.MaxUint64 {
		what = fmt.Sprintf("the maps of its chain do not give the hash that it records of region %d", wrong)
	}
	n.broken = true
	l.find(n, FaultMap, n.use, false, &DamagedFileError{Path: n.use, Cause: fmt.Errorf("%w: %s", errBadContent, what)})
	return nil
}

// imageOverlay is an image that is being made.
type imageOverlay struct {
	image   *followedImage
	changed map[uint64]bool // regions
}

// region gives a region to be changed.
func (o *imageOverlay) region(n uint64) *followed {
	r := o.image.regions[n]
	switch {
	case r == nil:
		r = new(followed)
	case !o.image.own[n]:
		clone := *r
		r = &clone
	}
	o.image.regions[n], o.image.own[n], o.changed[n] = r, true, true
	return r
}

func (o *imageOverlay) set(chunk uint64, content [32]byte) {
	r := o.region(chunk / revision.RegionChunks)
	place := &r.chunks[chunk%revision.RegionChunks]
	if *place == ([32]byte{}) {
		r.count++
	}
	*place = content
}

// erase makes zeros of what there is from first to before end, however far that is.
func (o *imageOverlay) erase(first, end uint64) {
	for n := range o.image.regions {
		from, to := max(first, n*revision.RegionChunks), min(end, (n+1)*revision.RegionChunks)
		for chunk := from; chunk < to; chunk++ {
			if o.image.regions[n].chunks[chunk%revision.RegionChunks] != ([32]byte{}) {
				r := o.region(n)
				r.chunks[chunk%revision.RegionChunks] = [32]byte{}
				r.count--
			}
		}
	}
}

// cut makes zeros of what lies beyond the end of the image.
func (o *imageOverlay) cut(chunks uint64) { o.erase(chunks, math.MaxUint64) }
