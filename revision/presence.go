package revision

import "maps"

// A Presence tells which chunks of an image are not zeros. It takes memory for the
// regions in which there is anything, and is never changed once it is made.
type Presence struct {
	chunks  uint64                    // of the image
	regions map[uint64]*presentChunks // shared with those of parents and children, where they are alike
	count   uint64
}

// presentChunks has a bit for each chunk of a region.
type presentChunks [RegionChunks / 64]uint64

// Count is how many chunks are not zeros.
func (p *Presence) Count() uint64 { return p.count }

// Has tells whether a chunk is not zeros.
func (p *Presence) Has(chunk uint64) bool {
	bits := p.regions[chunk/RegionChunks]
	return bits != nil && bits[chunk%RegionChunks/64]>>(chunk%64)&1 != 0
}

// Presence lays the map over what is there of its parent, nil for a full. All of the
// map's pages are read, and nothing of its chain: with the parent's at hand, that of a
// delta costs no more than the delta is large.
func (m *Map) Presence(parent *Presence) (*Presence, error) {
	o := presenceOverlay{p: &Presence{chunks: m.statement.Chunks(), regions: map[uint64]*presentChunks{}}, own: map[uint64]bool{}}
	if parent != nil {
		maps.Copy(o.p.regions, parent.regions)
		o.p.count = parent.count
		if parent.chunks > o.p.chunks {
			o.clear(o.p.chunks, parent.chunks)
		}
	}
	for r, err := range m.scan(0, maxChunks) {
		switch {
		case err != nil:
			return nil, err
		case r.isRun():
			o.clear(r.first, r.end)
		default:
			o.set(r.first)
		}
	}
	return o.p, nil
}

// presenceOverlay is a Presence that is being made.
type presenceOverlay struct {
	p   *Presence
	own map[uint64]bool // the regions that are not shared with the parent's
}

// region gives the bits of a region, to be changed.
func (o *presenceOverlay) region(n uint64) *presentChunks {
	bits := o.p.regions[n]
	if o.own[n] {
		return bits
	}
	made := new(presentChunks)
	if bits != nil {
		*made = *bits
	}
	o.p.regions[n], o.own[n] = made, true
	return made
}

func (o *presenceOverlay) set(chunk uint64) {
	if !o.p.Has(chunk) {
		o.region(chunk / RegionChunks)[chunk%RegionChunks/64] |= 1 << (chunk % 64)
		o.p.count++
	}
}

// clear takes away what there is from first to before end, however far that is.
func (o *presenceOverlay) clear(first, end uint64) {
	if end-first < uint64(len(o.p.regions)) {
		for chunk := first; chunk < end; chunk++ {
			o.unset(chunk)
		}
		return
	}
	for n := range o.p.regions {
		for chunk := max(first, n*RegionChunks); chunk < min(end, (n+1)*RegionChunks); chunk++ {
			o.unset(chunk)
		}
	}
}

func (o *presenceOverlay) unset(chunk uint64) {
	if o.p.Has(chunk) {
		o.region(chunk / RegionChunks)[chunk%RegionChunks/64] &^= 1 << (chunk % 64)
		o.p.count--
	}
}
