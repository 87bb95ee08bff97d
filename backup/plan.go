package backup

import (
	"context"
	"fmt"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// defaultCompareHoles bounds how much of a night's slice may be holes, in bytes: reading
// them finds nothing but a file system that lies.
const defaultCompareHoles = 8 << 30

// completeReadings is how many backups in a row read everything once a change tracker was caught lying. The first is the
// one that caught it.
const completeReadings = 3

// plan says which chunks to look at.
type plan struct {
	kind     revision.PlanKind
	slice    *revision.Slice // compared although the plan does not ask for it
	since    string          // of PlanTracker: the snapshot that it counts from
	told     *told           // of PlanTracker
	holes    volume.HoleFinder
	distrust uint64 // backups to come that read everything
}

func (p *plan) statement() revision.Plan {
	return revision.Plan{Kind: p.kind, Since: p.since, Slice: p.slice, Distrust: p.distrust}
}

// planAll looks at everything. It is one of the complete readings that a lie costs, if there was one.
func (c *creation) planAll() *plan {
	p := &plan{kind: revision.PlanAll}
	if newest := newestOf(c.backup.Revisions(), nil); newest != nil && newest.Plan.Distrust > 0 {
		p.distrust = newest.Plan.Distrust - 1
	}
	return p
}

// plan decides what to look at: all chunks, those that the source's change tracker names, or those that are not its
// holes. A parent that is suspect is no ground to trust anybody.
func (c *creation) plan(ctx context.Context) (*plan, error) {
	newest := newestOf(c.backup.Revisions(), nil)
	switch {
	case c.feed != nil, c.opts.ReadAll, c.opts.Full && newest != nil, c.backup.ParentInfo().State == repository.Suspect,
		newest != nil && newest.Plan.Distrust > 0:
		return c.planAll(), nil
	}
	if differ, can := c.snap.(volume.Differ); can && len(c.backup.Revisions()) > 0 {
		return c.planChanges(ctx, differ)
	}
	holes, can := c.snap.(volume.HoleFinder)
	if !can {
		return c.planAll(), nil
	}
	p := &plan{kind: revision.PlanData, holes: holes}
	if c.backup.Parent() != nil {
		p.slice = c.nextSlice()
	}
	return p, nil
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

// A lie is a chunk that the source called unchanged, or a hole, and that is not as the parent has it.
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
	budget := c.opts.CompareHoles
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
		before, err := c.parentByIndex(region)
		if err != nil {
			return nil, err
		}
		for i := first; i < end; i++ {
			if look.has(i % revision.RegionChunks) {
				continue
			}
			if before[i] == nil { // what the parent has is no hole, and worth its reading
				if budget -= c.geo.chunkSize; budget < 0 {
					p.slice.Count = max(at+i-first, 1)
					return nil, nil
				}
			}
			if _, err := c.read(ctx, i, buf); err != nil {
				return nil, err
			}
			if c.isAsBefore(before[i], buf) {
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

// isAsBefore tells whether a chunk is what the parent has there; nil: zeros.
func (c *creation) isAsBefore(before *revision.Chunk, now []byte) bool {
	if before == nil {
		return chunkstore.IsZeros(now)
	}
	return before.Fingerprint == c.repo.Hasher().Fingerprint(now)
}

// distrust marks, before anything else, the revisions that believed the tracker:
// those back to the last that compared everything.
func (c *creation) distrust(ctx context.Context, p *plan, l *lie) error {
	text := fmt.Sprintf("the source called bytes %d to %d a hole, and they hold data: its holes are not believed, everything is read",
		l.extent.Offset, l.extent.End())
	reason := "it left out holes of the source, which was caught calling data a hole"
	if p.kind == revision.PlanTracker {
		text = fmt.Sprintf("the source called bytes %d to %d unchanged, and they are not what the last backup has: what it tells of its changes is not believed, everything is read",
			l.extent.Offset, l.extent.End())
		reason = "it left out what the source called unchanged, which was caught calling changed data that"
	}
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
				info.State, info.Reason = repository.Suspect, reason
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
// may hold data or have changed, where the parent has data that holes may have taken or that is hurt, and where sizes meet.
func (c *creation) selection(ctx context.Context, p *plan, region uint64) (*selection, error) {
	look := new(selection)
	first, end := c.geo.span(region)
	if p.kind == revision.PlanAll {
		look.addAll(0, end-first)
		return look, nil
	}
	span := repository.Extent{Offset: int64(first) * c.geo.chunkSize, Length: int64(end-first) * c.geo.chunkSize}
	extents := p.told.in
	if p.kind == revision.PlanData {
		extents = p.holes.Data
	}
	for e, err := range extents(ctx, volume.Extent(span)) {
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
		if chunk.Index < end && (p.kind == revision.PlanData || c.backup.Hurt(chunk.Stack) || c.backup.IsLost(chunk.Index)) {
			look.add(chunk.Index - first)
		}
	}
	return look, nil
}

// parentByIndex gives the parent's chunks of a region by their indexes.
func (c *creation) parentByIndex(region uint64) (map[uint64]*revision.Chunk, error) {
	chunks, err := c.parentChunks(region)
	byIndex := make(map[uint64]*revision.Chunk, len(chunks))
	for i := range chunks {
		byIndex[chunks[i].Index] = &chunks[i]
	}
	return byIndex, err
}

// parentChunks gives the parent's chunks of a region, none where it has no such region.
func (c *creation) parentChunks(region uint64) ([]revision.Chunk, error) {
	parent := c.backup.Parent()
	if parent == nil {
		return nil, nil
	}
	return parent.Chunks(region)
}
