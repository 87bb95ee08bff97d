package rot

import (
	"bytes"
	"context"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"

	"varve/chunkstore"
	"varve/volume"
)

const (
	chunkSize = chunkstore.MinChunkSize
	blockSize = chunkstore.BlockSize
)

// picture is what a volume held at one time. Chunks that are absent are zeros.
type picture struct {
	size   int64
	chunks map[uint64][]byte
}

func newPicture(size int64) *picture { return &picture{size: size, chunks: map[uint64][]byte{}} }

func (p *picture) clone() *picture {
	c := newPicture(p.size)
	for i, chunk := range p.chunks {
		c.chunks[i] = bytes.Clone(chunk)
	}
	return c
}

// paint fills whole chunks with content of which about one byte in thin is noise;
// the same seed gives the same bytes.
func (p *picture) paint(seed uint64, thin int, indexes ...uint64) *picture {
	for n, index := range indexes {
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		chunk := make([]byte, chunkSize)
		for at := 0; at < chunkSize; at += thin {
			chunk[at] = byte(rng.Uint32()) | 1
		}
		p.chunks[index] = chunk
	}
	return p.cut()
}

// scratch changes some bytes of one block, few enough for an XOR or many.
func (p *picture) scratch(seed uint64, index uint64, block, count int) *picture {
	rng := rand.New(rand.NewPCG(seed, index))
	if p.chunks[index] == nil {
		p.chunks[index] = make([]byte, chunkSize)
	}
	for range count {
		p.chunks[index][block*blockSize+rng.IntN(blockSize)] ^= byte(rng.Uint32()) | 1
	}
	return p.cut()
}

func (p *picture) erase(indexes ...uint64) *picture {
	for _, i := range indexes {
		delete(p.chunks, i)
	}
	return p
}

func (p *picture) resize(size int64) *picture {
	p.size = size
	return p.cut()
}

// cut takes away what lies beyond the end.
func (p *picture) cut() *picture {
	for i, chunk := range p.chunks {
		begin := int64(i) * chunkSize
		switch {
		case begin >= p.size:
			delete(p.chunks, i)
		case begin+chunkSize > p.size:
			clear(chunk[p.size-begin:])
		}
	}
	return p
}

func (p *picture) ReadAt(out []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(out)), p.size-off)))
	for done := 0; done < n; {
		at := off + int64(done)
		in := int(at % chunkSize)
		step := min(chunkSize-in, n-done)
		if chunk := p.chunks[uint64(at/chunkSize)]; chunk != nil {
			copy(out[done:done+step], chunk[in:])
		} else {
			clear(out[done : done+step])
		}
		done += step
	}
	if n < len(out) {
		return n, io.EOF
	}
	return n, nil
}

// A picture is a source that knows its holes.
var (
	_ volume.Source     = (*picture)(nil)
	_ volume.HoleFinder = (*picture)(nil)
)

func (p *picture) Describe() volume.Identity {
	return volume.Identity{Kind: "file", Path: "/picture", Stable: "1"}
}

func (p *picture) Snapshot(context.Context) (volume.Snapshot, error) { return p, nil }

func (p *picture) Size() int64  { return p.size }
func (p *picture) Close() error { return nil }

func (p *picture) Consistency() (volume.Consistency, string, error) { return volume.Still, "", nil }

func (p *picture) Data(_ context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	return func(yield func(volume.Extent, error) bool) {
		for _, i := range slices.Sorted(maps.Keys(p.chunks)) {
			from := max(int64(i)*chunkSize, within.Offset)
			to := min(int64(i+1)*chunkSize, within.End(), p.size)
			if from < to && !yield(volume.Extent{Offset: from, Length: to - from}, nil) {
				return
			}
		}
	}
}
