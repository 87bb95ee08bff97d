package backup

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"varve/repository"
	"varve/revision"
	"varve/volume"
)

const (
	// nearChunks is how many chunks of no interest may lie between two about which a change tracker is asked at once.
	nearChunks = 16
	// nearBytes is how much may lie between two parts of a chunk that are read as one.
	nearBytes = 32 << 10
)

// narrow asks a change tracker that knows more what changed in the selected chunks, block by block. Those in which nothing
// did are selected no more, of the others the parts are noted. What the parent has not has to be read whole.
func (c *creation) narrow(ctx context.Context, t *told, look *selection, first, end uint64) error {
	if t == nil || t.precise == nil {
		return nil
	}
	end = min(end, c.geo.parentCount)
	for at := first; at < end; {
		if !look.chunks.has(at - first) {
			at++
			continue
		}
		run := at // the last chunk of interest of those to ask about at once
		for next := at + 1; next < end && next-run <= nearChunks; next++ {
			if look.chunks.has(next - first) {
				run = next
			}
		}
		if err := c.narrowRun(ctx, t, look, first, at, run+1); err != nil {
			return err
		}
		at = run + 1
	}
	return nil
}

func (c *creation) narrowRun(ctx context.Context, t *told, look *selection, first, from, to uint64) error {
	within := volume.Extent{Offset: int64(from) * c.geo.chunkSize, Length: c.geo.extent(to-1).End() - int64(from)*c.geo.chunkSize}
	var changed []repository.Extent
	for e, err := range t.precise.Blocks(ctx, within) {
		if err != nil {
			return fmt.Errorf("ask the source which blocks changed: %w", err)
		}
		if part, some := cut(repository.Extent(e), repository.Extent(within)); some {
			changed = append(changed, part)
		}
	}
	changed = repository.JoinExtents(changed) // as they are to be; and if not, it is no reason to fail
	look.parts = append(look.parts, changed...)
	for i := from; i < to; i++ {
		for len(changed) > 0 && changed[0].End() <= int64(i)*c.geo.chunkSize {
			changed = changed[1:]
		}
		switch here := len(changed) > 0 && changed[0].Offset < c.geo.extent(i).End(); {
		case !look.chunks.has(i - first):
		case here:
			look.inParts.add(i - first)
		default:
			look.chunks.remove(i - first)
		}
	}
	return nil
}

// partsOf gives the parts of a selected chunk that may have changed, those that are near each other as one; known is
// false if that is not known, or more than half of the chunk, which is read whole then.
func (s *selection) partsOf(i uint64, chunk repository.Extent) (parts []repository.Extent, known bool) {
	if !s.inParts.has(i) {
		return nil, false
	}
	at, _ := slices.BinarySearchFunc(s.parts, chunk.Offset+1, func(e repository.Extent, off int64) int {
		return cmp.Compare(e.End(), off)
	})
	for ; at < len(s.parts) && s.parts[at].Offset < chunk.End(); at++ {
		part, _ := cut(s.parts[at], chunk)
		if n := len(parts); n > 0 && part.Offset-parts[n-1].End() <= nearBytes {
			parts[n-1].Length = part.End() - parts[n-1].Offset
			continue
		}
		parts = append(parts, part)
	}
	return parts, Total(parts) <= chunk.Length/2
}

// readParts puts a chunk together of what the parent holds, which goes to below too, and of the parts that changed. If the
// parent's is not readable, there is nothing in now.
func (c *creation) readParts(ctx context.Context, s *sight, parts []repository.Extent) (readable bool, err error) {
	if s.before == nil {
		clear(s.now)
	} else if readable, err = c.readBelow(ctx, s); err != nil || !readable {
		return false, err
	} else {
		copy(s.now, s.below)
	}
	for _, e := range parts {
		if err := c.readExtent(ctx, s.now[e.Offset-c.geo.extent(s.index).Offset:][:e.Length], e.Offset); err != nil {
			return false, err
		}
	}
	return true, nil
}

// lieBeside finds bytes of a chunk beside the parts that changed in which it is not what the parent has there. What the parent has
// there and cannot be read is looked at when the chunk is stored.
func (c *creation) lieBeside(ctx context.Context, before *revision.Chunk, chunk repository.Extent, parts []repository.Extent, now, below []byte) (*lie, error) {
	if before == nil {
		clear(below)
	} else if c.backup.Parent().ReadChunk(ctx, *before, below) != nil {
		return nil, ctx.Err()
	}
	at := chunk.Offset
	for _, part := range append(slices.Clip(parts), repository.Extent{Offset: chunk.End()}) {
		from, to := at-chunk.Offset, part.Offset-chunk.Offset
		if !bytes.Equal(now[from:to], below[from:to]) {
			return &lie{extent: repository.Extent{Offset: at, Length: part.Offset - at}}, nil
		}
		at = part.End()
	}
	return nil, nil
}
