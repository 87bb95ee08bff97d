package backup

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// A lie is a part of the source that it called unchanged, or a hole, and that is not as the parent has it.
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
	buffers := newBuffers(c.opts.Workers, int(c.geo.chunkSize))
	holes := c.opts.CompareHoles
	for first := p.slice.First; first < p.slice.First+p.slice.Count; {
		region := first / revision.RegionChunks
		_, end := c.geo.span(region)
		end = min(end, p.slice.First+p.slice.Count)
		look, err := c.selection(ctx, p, region)
		if err != nil {
			return nil, err
		}
		parent, err := c.parentChunks(region)
		if err != nil {
			return nil, err
		}
		s := &comparison{c: c, look: look, before: byIndex(parent, first, end), first: first}
		if s.count = s.within(&holes, end); s.count < end-first {
			p.slice.Count = max(first+s.count-p.slice.First, 1)
		}
		if err := s.run(ctx, buffers); err != nil {
			return nil, err
		}
		if l, err := s.firstLie(ctx, p, region); l != nil || err != nil {
			return l, err
		}
		first = end
	}
	return nil, nil
}

// comparison compares chunks of one region that the plan would pass over, or of which it would read parts, with the parent's.
type comparison struct {
	c      *creation
	look   *selection
	before []*revision.Chunk // the parent's, from first on
	first  uint64
	count  uint64
	lies   []*lie // of each chunk
}

// within counts the chunks up to end that may be compared before too much of holes was read. What the parent has is no
// hole, and worth its reading.
func (s *comparison) within(holes *int64, end uint64) (count uint64) {
	for ; s.first+count < end; count++ {
		if s.before[count] != nil || s.look.chunks.has((s.first+count)%revision.RegionChunks) {
			continue
		}
		if *holes -= s.c.geo.chunkSize; *holes < 0 {
			return count
		}
	}
	return count
}

// run compares the chunks, each by one worker.
func (s *comparison) run(ctx context.Context, buffers [][]byte) error {
	s.lies = make([]*lie, s.count)
	var next atomic.Uint64
	g, gctx := errgroup.WithContext(ctx)
	for _, buf := range buffers {
		g.Go(func() error {
			for n := next.Add(1) - 1; n < s.count && gctx.Err() == nil; n = next.Add(1) - 1 {
				var err error
				if s.lies[n], err = s.compare(gctx, n, buf); err != nil {
					return err
				}
			}
			return gctx.Err()
		})
	}
	return g.Wait()
}

func (s *comparison) compare(ctx context.Context, n uint64, buf []byte) (*lie, error) {
	c, i, before := s.c, s.first+n, s.before[n]
	chunk := c.geo.extent(i)
	parts, known := s.look.partsOf(i%revision.RegionChunks, chunk)
	selected := s.look.chunks.has(i % revision.RegionChunks)
	if selected && !known {
		return nil, nil // it will be read whole
	}
	now, below := buf[:c.geo.chunkSize], buf[c.geo.chunkSize:]
	if _, err := c.read(ctx, i, now); err != nil {
		return nil, err
	}
	switch {
	case selected:
		return c.lieBeside(ctx, before, chunk, parts, now, below)
	case c.isAsBefore(before, now):
		return nil, nil
	}
	return &lie{extent: chunk}, nil
}

// firstLie is the first that is one still.
func (s *comparison) firstLie(ctx context.Context, p *plan, region uint64) (*lie, error) {
	var again *selection
	for n, l := range s.lies {
		if l == nil {
			continue
		}
		if p.kind == revision.PlanTracker {
			return l, nil
		}
		if again == nil {
			var err error
			if again, err = s.c.selection(ctx, p, region); err != nil {
				return nil, err
			}
		}
		if !again.chunks.has((s.first + uint64(n)) % revision.RegionChunks) {
			return l, nil
		}
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

// byIndex gives the chunks from first to before end, each at its place; nil where there is none.
func byIndex(chunks []revision.Chunk, first, end uint64) []*revision.Chunk {
	at := make([]*revision.Chunk, end-first)
	for i := range chunks {
		if n := chunks[i].Index; n >= first && n < end {
			at[n-first] = &chunks[i]
		}
	}
	return at
}
