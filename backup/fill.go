package backup

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"varve/chunkstore"
	"varve/revision"
)

// outcome is what looking at one chunk came to. Its zero value: as in the parent.
type outcome struct {
	changed bool
	entry   revision.Entry // of a changed chunk; without a content id, the chunk is zeros now
}

// fill goes through the volume region by region, writes what differs from the
// parent into the map, and returns the regions' hashes.
func (c *creation) fill(ctx context.Context, p *plan) ([]revision.Region, error) {
	parentRows, err := c.parentRows()
	if err != nil {
		return nil, err
	}
	var rows []revision.Region
	outcomes := make([]outcome, min(revision.RegionChunks, c.geo.chunks))
	buffers := newBuffers(c.opts.Workers, int(c.geo.chunkSize))
	for region := uint64(0); region < c.geo.regions(); region++ {
		hash, err := c.fillRegion(ctx, p, region, outcomes, buffers, parentRows[region])
		if err != nil {
			return nil, err
		}
		if hash != nil {
			rows = append(rows, revision.Region{Region: region, Hash: *hash})
		}
		if c.feed != nil {
			c.geo = c.geo.resized(c.feed.sizeBefore(region + 1))
		}
	}
	if c.geo.parentCount > c.geo.chunks { // what lies beyond the new end never comes back
		if err := c.backup.Map().AddZeros(c.geo.chunks, c.geo.parentCount-c.geo.chunks); err != nil {
			return nil, err
		}
	}
	for _, pack := range c.backup.GonePacks() {
		c.found.add(Finding{Kind: FoundDamage, Text: fmt.Sprintf("pack %s is gone or torn; what the parent had in it is stored anew", pack)})
	}
	return rows, nil
}

func (c *creation) parentRows() (map[uint64]*[32]byte, error) {
	parent := c.backup.Parent()
	if parent == nil {
		return nil, nil
	}
	rows, err := parent.Regions()
	if err != nil {
		return nil, err
	}
	byRegion := make(map[uint64]*[32]byte, len(rows))
	for i := range rows {
		byRegion[rows[i].Region] = &rows[i].Hash
	}
	return byRegion, nil
}

// fillRegion looks at one region and returns its hash; nil if it is all zeros.
func (c *creation) fillRegion(ctx context.Context, p *plan, region uint64, outcomes []outcome, buffers [][]byte, before *[32]byte) (*[32]byte, error) {
	first, end := c.geo.span(region)
	look, err := c.selection(ctx, p, region)
	if err != nil {
		return nil, err
	}
	if look.chunks == (chunkSet{}) && before == nil {
		c.passOver(first, end)
		return nil, ctx.Err()
	}
	parent, err := c.parentChunks(region)
	if err != nil {
		return nil, err
	}
	clear(outcomes)
	if err := c.lookAt(ctx, first, end, look, parent, outcomes, buffers); err != nil {
		return nil, err
	}
	if c.feed != nil { // it may have ended
		_, end = c.geo.resized(c.feed.sizeBefore(region)).span(region)
	}
	shrunk := len(parent) > 0 && parent[len(parent)-1].Index >= end
	changed, err := c.writeRecords(first, end, outcomes, len(parent) > 0)
	if err != nil {
		return nil, err
	}
	c.filled.before += len(parent)
	if !changed && !shrunk {
		c.filled.now += len(parent)
		return before, nil
	}
	now := overlay(parent, outcomes, first, end)
	c.filled.now += len(now)
	if len(now) == 0 {
		return nil, nil
	}
	hash := revision.RegionHash(now)
	return &hash, nil
}

// passOver counts chunks in which nothing is to be looked at.
func (c *creation) passOver(first, end uint64) {
	n := int64(0)
	if end > first {
		last := c.geo.extent(end - 1)
		n = last.End() - int64(first)*c.geo.chunkSize
	}
	c.opts.Meter.Done.Add(n)
	c.found.holes.Add(n)
}

// lookAt lets the workers look at the selected chunks, each chunk by one worker
// from reading to storing. Outcomes are written each to its own place.
func (c *creation) lookAt(ctx context.Context, first, end uint64, look *selection, parent []revision.Chunk, outcomes []outcome, buffers [][]byte) error {
	before := byIndex(parent, first, end)
	var next atomic.Uint64
	next.Store(first)
	g, gctx := errgroup.WithContext(ctx)
	for _, buf := range buffers {
		g.Go(func() error {
			for gctx.Err() == nil {
				i := next.Add(1) - 1
				if i >= end {
					return nil
				}
				if !look.chunks.has(i - first) {
					c.passOver(i, i+1)
					continue
				}
				out, err := c.chunk(gctx, i, before[i-first], look, buf)
				if err != nil {
					return err
				}
				outcomes[i-first] = out
				if c.feed == nil { // else how much there is of it, reading tells
					c.opts.Meter.Done.Add(c.geo.extent(i).Length)
				}
			}
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// newBuffers gives each worker room for a chunk and for what the parent has there.
func newBuffers(workers, chunkSize int) [][]byte {
	buffers := make([][]byte, workers)
	for i := range buffers {
		buffers[i] = make([]byte, 2*chunkSize)
	}
	return buffers
}

// writeRecords writes the map's records of one region and tells whether any were
// written. Zeros are recorded only over a parent; in a full, what is not listed is zero.
func (c *creation) writeRecords(first, end uint64, outcomes []outcome, overParent bool) (changed bool, err error) {
	m := c.backup.Map()
	for i := first; i < end; i++ {
		out := &outcomes[i-first]
		switch {
		case !out.changed:
			continue
		case !out.entry.Content.IsZero():
			err = m.Add(out.entry)
		case overParent:
			err = m.AddZeros(i, 1)
		default:
			continue
		}
		if err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

// overlay gives the chunks that are not zeros once the outcomes lie over the
// parent's, as far as the region's hash needs them.
func overlay(parent []revision.Chunk, outcomes []outcome, first, end uint64) []revision.Chunk {
	now := make([]revision.Chunk, 0, end-first)
	p := 0
	for i := first; i < end; i++ {
		for p < len(parent) && parent[p].Index < i {
			p++
		}
		switch out := &outcomes[i-first]; {
		case out.changed && !out.entry.Content.IsZero():
			now = append(now, revision.Chunk{Index: i, Content: out.entry.Content})
		case !out.changed && p < len(parent) && parent[p].Index == i:
			now = append(now, revision.Chunk{Index: i, Content: parent[p].Content})
		}
	}
	return now
}

// zeroChunk is the outcome of a chunk that is zeros now and was not.
func zeroChunk() outcome { return outcome{changed: true} }

// wholeChunk is the outcome of a chunk that is stored by itself.
func wholeChunk(index uint64, fp chunkstore.Fingerprint, ref chunkstore.Ref) outcome {
	return outcome{changed: true, entry: revision.Entry{
		Index: index, Fingerprint: fp, Content: ref.ID, Base: revision.BaseContent, BaseRef: ref,
	}}
}

// patchedChunk is the outcome of a chunk that is stored as what it differs in.
func patchedChunk(index uint64, fp chunkstore.Fingerprint, content chunkstore.ID, patch chunkstore.Ref) outcome {
	return outcome{changed: true, entry: revision.Entry{
		Index: index, Fingerprint: fp, Content: content, Base: revision.BaseParent, Patches: []chunkstore.Ref{patch},
	}}
}
