package backup

import (
	"context"
	"fmt"

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
	newest, parentInfo := newestOf(c.backup.Revisions(), nil), c.backup.ParentInfo()
	switch {
	case c.feed != nil, c.opts.ReadAll, c.opts.Full && newest != nil, parentInfo.IsSuspect(),
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
			info.Distrust(reason)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// chunkSet is a set of chunks of one region, by their index in it.
type chunkSet [revision.RegionChunks / 64]uint64

func (s *chunkSet) add(i uint64)      { s[i/64] |= 1 << (i % 64) }
func (s *chunkSet) remove(i uint64)   { s[i/64] &^= 1 << (i % 64) }
func (s *chunkSet) has(i uint64) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s *chunkSet) addAll(first, end uint64) {
	for i := first; i < end; i++ {
		s.add(i)
	}
}

// selection is the chunks of one region to look at.
type selection struct {
	chunks  chunkSet
	inParts chunkSet            // of these, parts tell all of what may have changed
	parts   []repository.Extent // ascending
}

// addWhole adds a chunk that is to be read whole, by its index in the region.
func (s *selection) addWhole(i uint64) {
	s.chunks.add(i)
	s.inParts.remove(i)
}

// selection gives the chunks of a region that the plan looks at: where the source
// may hold data or have changed, where the parent has data that holes may have taken or that is hurt, and where sizes meet.
func (c *creation) selection(ctx context.Context, p *plan, region uint64) (*selection, error) {
	look := new(selection)
	first, end := c.geo.span(region)
	if p.kind == revision.PlanAll {
		look.chunks.addAll(0, end-first)
		return look, nil
	}
	if p.told != nil && p.told.look != nil && p.told.region == region {
		return p.told.look, nil
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
			look.chunks.addAll(from, min(to, end-first))
		}
	}
	if err := c.narrow(ctx, p.told, look, first, end); err != nil {
		return nil, err
	}
	if b, ok := c.geo.boundary(); ok && b >= first && b < end {
		look.addWhole(b - first)
	}
	chunks, err := c.parentChunks(region)
	if err != nil {
		return nil, err
	}
	for _, chunk := range chunks {
		if chunk.Index < end && (p.kind == revision.PlanData || c.backup.Hurt(chunk.Stack) || c.backup.IsLost(chunk.Index)) {
			look.addWhole(chunk.Index - first)
		}
	}
	if p.told != nil {
		p.told.region, p.told.look = region, look
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
