package repository

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"varve/revision"
)

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
