package backup

import (
	"context"
	"fmt"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// maxSliceHoles bounds how much of a night's slice may be holes, in bytes: reading
// them finds nothing but a file system that lies.
const maxSliceHoles = 8 << 30

// plan says which chunks to look at.
type plan struct {
	kind  revision.PlanKind
	slice *revision.Slice // compared although the plan does not ask for it
	holes volume.HoleFinder
}

func (p *plan) statement() revision.Plan { return revision.Plan{Kind: p.kind, Slice: p.slice} }

func (c *creation) planAll() *plan { return &plan{kind: revision.PlanAll} }

// plan decides what to look at: all chunks, or those that are not holes of the
// source. A parent that is suspect is no ground to trust anybody.
func (c *creation) plan() *plan {
	holes, canTell := c.snap.(volume.HoleFinder)
	known := len(c.backup.Revisions()) > 0
	switch {
	case !canTell, c.feed != nil, c.opts.ReadAll, c.opts.Full && known, c.backup.ParentInfo().State == repository.Suspect:
		return c.planAll()
	}
	p := &plan{kind: revision.PlanData, holes: holes}
	if c.backup.Parent() != nil {
		p.slice = c.nextSlice()
	}
	return p
}

// nextSlice goes on where the parent's slice ended, so that CompareAll backups
// together compare every chunk. It ends with the volume: the next begins anew.
func (c *creation) nextSlice() *revision.Slice {
	if c.geo.chunks == 0 {
		return nil
	}
	n := uint64(c.opts.CompareAll)
	s := new(revision.Slice)
	if last := c.backup.Parent().Statement().Plan.Slice; last != nil {
		s.First = (last.First + last.Count) % c.geo.chunks
	}
	s.Count = min((c.geo.chunks+n-1)/n, c.geo.chunks-s.First)
	return s
}

// A lie is a chunk that the source called a hole, and that holds data.
type lie struct {
	extent repository.Extent
}

// compareSlice reads the part of the slice that the plan would pass over, and
// returns the first lie. It may shorten the slice.
//
// Data in a hole is a lie only if the source still calls it one: what was written
// since it was asked is the writer's doing, and the fill asks again.
func (c *creation) compareSlice(ctx context.Context, p *plan) (*lie, error) {
	if p.slice == nil {
		return nil, nil
	}
	budget := int64(maxSliceHoles)
	buf := make([]byte, c.geo.chunkSize)
	for at := uint64(0); at < p.slice.Count; {
		first := p.slice.First + at
		region := first / revision.RegionChunks
		_, end := c.geo.span(region)
		end = min(end, first+p.slice.Count-at)
		look, err := c.selection(ctx, p, region)
		if err != nil {
			return nil, err
		}
		for i := first; i < end; i++ {
			if look.has(i % revision.RegionChunks) {
				continue
			}
			if budget -= c.geo.chunkSize; budget < 0 {
				p.slice.Count = max(at+i-first, 1)
				return nil, nil
			}
			if _, err := c.read(ctx, i, buf); err != nil {
				return nil, err
			}
			if chunkstore.IsZeros(buf) {
				continue
			}
			if look, err = c.selection(ctx, p, region); err != nil {
				return nil, err
			}
			if !look.has(i % revision.RegionChunks) {
				return &lie{extent: c.geo.extent(i)}, nil
			}
		}
		at += end - first
	}
	return nil, nil
}

// distrust marks, before anything else, the revisions that believed the tracker:
// those back to the last that compared everything.
func (c *creation) distrust(ctx context.Context, l *lie) error {
	text := fmt.Sprintf("the source called bytes %d to %d a hole, and they hold data: its holes are not believed, everything is read",
		l.extent.Offset, l.extent.End())
	c.opts.Log.Warn("change tracker lied", "volume", c.opts.Volume, "offset", l.extent.Offset)
	c.found.add(Finding{Kind: FoundLie, Text: text, Extent: &l.extent})
	revisions := c.backup.Revisions()
	for i := len(revisions) - 1; i >= 0; i-- {
		rev := revisions[i]
		if rev.Statement == nil {
			continue
		}
		if rev.Statement.Plan.Kind == revision.PlanAll {
			break
		}
		err := c.repo.Mark(ctx, rev, func(info *repository.Info) {
			if info.State != repository.Damaged {
				info.State, info.Reason = repository.Suspect, "it left out holes of the source, which was caught calling data a hole"
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// selection is the chunks of one region to look at, by their index in the region.
type selection [revision.RegionChunks / 64]uint64

func (s *selection) add(i uint64)      { s[i/64] |= 1 << (i % 64) }
func (s *selection) has(i uint64) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s *selection) addAll(first, end uint64) {
	for i := first; i < end; i++ {
		s.add(i)
	}
}

// selection gives the chunks of a region that the plan looks at: where the source
// may hold data, where the parent has data, and where sizes meet.
func (c *creation) selection(ctx context.Context, p *plan, region uint64) (*selection, error) {
	look := new(selection)
	first, end := c.geo.span(region)
	if p.kind == revision.PlanAll {
		look.addAll(0, end-first)
		return look, nil
	}
	span := repository.Extent{Offset: int64(first) * c.geo.chunkSize, Length: int64(end-first) * c.geo.chunkSize}
	for e, err := range p.holes.Data(ctx, volume.Extent(span)) {
		if err != nil {
			return nil, err
		}
		if part, ok := cut(repository.Extent(e), span); ok {
			from := uint64(part.Offset/c.geo.chunkSize) - first
			to := uint64((part.End()+c.geo.chunkSize-1)/c.geo.chunkSize) - first
			look.addAll(from, min(to, end-first))
		}
	}
	if b, ok := c.geo.boundary(); ok && b >= first && b < end {
		look.add(b - first)
	}
	chunks, err := c.parentChunks(region)
	if err != nil {
		return nil, err
	}
	for _, chunk := range chunks {
		if chunk.Index < end {
			look.add(chunk.Index - first)
		}
	}
	return look, nil
}

// parentChunks gives the parent's chunks of a region, none where it has no such region.
func (c *creation) parentChunks(region uint64) ([]revision.Chunk, error) {
	parent := c.backup.Parent()
	if parent == nil {
		return nil, nil
	}
	return parent.Chunks(region)
}
