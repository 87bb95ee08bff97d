package backup

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// DiffOptions tunes [Diff]. The zero value is ready to use.
type DiffOptions struct {
	Workers int    // chunks in flight; zero chooses
	Meter   *Meter // may be nil
}

// Diff finds the ranges in which two images of one repository differ, in whole blocks
// of 4 KiB but for the end of an image, and gives them to found, ascending and joined.
// What only the longer one has differs. Content ids tell which chunks are the same;
// only the others are read.
//
// Where one of the two cannot be read, and their ids do not say that they are the
// same, Diff goes on; at the end comes a [*DamageError] with what could not be compared.
func Diff(ctx context.Context, a, b *repository.Image, found func(repository.Extent) error, opts DiffOptions) error {
	if a.ChunkSize() != b.ChunkSize() || a.Statement().Lineage != b.Statement().Lineage {
		return errNoCommonIDs
	}
	d := &difference{
		images: [2]*repository.Image{a, b}, found: found, workers: orDefault(opts.Workers), meter: orNew(opts.Meter),
		size: min(a.Size(), b.Size()), hurt: map[chunkstore.Copy]*chunkstore.CorruptError{},
	}
	longer := max(a.Size(), b.Size())
	d.meter.Total.Store(longer)
	if err := d.regions(ctx); err != nil {
		return err
	}
	if err := d.emit(repository.Extent{Offset: d.size, Length: longer - d.size}); err != nil {
		return err
	}
	if err := d.flush(); err != nil {
		return err
	}
	if len(d.unknown) > 0 {
		return &DamageError{Lost: repository.JoinExtents(d.unknown), Hurt: slices.Collect(maps.Values(d.hurt)), Cause: d.cause}
	}
	return nil
}

var errNoCommonIDs = errors.New("the two images name their chunks in different ways")

// difference is a comparison under way.
type difference struct {
	images  [2]*repository.Image
	found   func(repository.Extent) error
	workers int
	meter   *Meter
	size    int64 // of the shorter one

	last    repository.Extent // found, and perhaps not at its end
	unknown []repository.Extent
	cause   error
	hurt    map[chunkstore.Copy]*chunkstore.CorruptError
}

// regions compares region by region, but for those that both say are the same, and
// those that neither has.
func (d *difference) regions(ctx context.Context) error {
	hashes := map[uint64]*[2][32]byte{}
	for i, im := range d.images {
		rows, err := im.Regions()
		if err != nil {
			return err
		}
		for _, row := range rows {
			if hashes[row.Region] == nil {
				hashes[row.Region] = new([2][32]byte)
			}
			hashes[row.Region][i] = row.Hash
		}
	}
	for _, n := range slices.Sorted(maps.Keys(hashes)) {
		if h := hashes[n]; h[0] == h[1] {
			continue
		}
		if err := d.region(ctx, n); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// pair is a chunk of both images, of which one may be zeros, that differs by its id.
type pair struct {
	index  uint64
	chunks [2]*revision.Chunk // nil: zeros
}

// region compares the chunks of one region.
func (d *difference) region(ctx context.Context, n uint64) error {
	size := int64(revision.RegionChunks) * int64(d.images[0].ChunkSize())
	within, inside := cut(repository.Extent{Offset: int64(n) * size, Length: size}, repository.Extent{Length: d.size})
	if !inside {
		return nil // only the longer one goes so far
	}
	var chunks [2][]revision.Chunk
	for i, im := range d.images {
		var err error
		if chunks[i], err = im.Chunks(n); err != nil {
			return d.note(within, err)
		}
	}
	pairs := pairsOf(chunks)
	results := make([]compared, len(pairs))
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range min(d.workers, len(pairs)) {
		g.Go(func() error {
			w := &comparer{d: d}
			for i := int(next.Add(1)) - 1; i < len(pairs) && gctx.Err() == nil; i = int(next.Add(1)) - 1 {
				results[i] = w.compare(gctx, pairs[i])
			}
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, o := range results {
		if o.err != nil {
			e, _ := cut(d.images[0].ChunkExtent(pairs[i].index), repository.Extent{Length: d.size})
			if err := d.note(e, o.err); err != nil {
				return err
			}
		}
		for _, e := range o.differing {
			if err := d.emit(e); err != nil {
				return err
			}
		}
	}
	d.meter.Done.Store(within.End())
	return ctx.Err()
}

// pairsOf gives the chunks that differ by their ids, ascending.
func pairsOf(chunks [2][]revision.Chunk) (pairs []pair) {
	a, b := chunks[0], chunks[1]
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Index < b[0].Index:
			pairs = append(pairs, pair{index: a[0].Index, chunks: [2]*revision.Chunk{&a[0], nil}})
			a = a[1:]
		case len(a) == 0 || b[0].Index < a[0].Index:
			pairs = append(pairs, pair{index: b[0].Index, chunks: [2]*revision.Chunk{nil, &b[0]}})
			b = b[1:]
		default:
			if a[0].Content != b[0].Content {
				pairs = append(pairs, pair{index: a[0].Index, chunks: [2]*revision.Chunk{&a[0], &b[0]}})
			}
			a, b = a[1:], b[1:]
		}
	}
	return pairs
}

// compared is what became of one pair: where it differs, or why that is not known.
type compared struct {
	differing []repository.Extent
	err       error
}

// comparer compares pairs, one at a time.
type comparer struct {
	d    *difference
	bufs [2][]byte
}

func (w *comparer) compare(ctx context.Context, p pair) (o compared) {
	e := w.d.images[0].ChunkExtent(p.index)
	e.Length = min(int64(w.d.images[0].ChunkSize()), w.d.size-e.Offset)
	if e.Length <= 0 {
		return o
	}
	for i, c := range p.chunks {
		if w.bufs[i] == nil {
			w.bufs[i] = make([]byte, w.d.images[i].ChunkSize())
		}
		if c == nil {
			clear(w.bufs[i])
			continue
		}
		if err := readChunk(ctx, w.d.images[i], *c, w.bufs[i]); err != nil {
			return compared{err: err}
		}
		w.d.meter.Read.Add(int64(len(w.bufs[i])))
	}
	for at := int64(0); at < e.Length; at += chunkstore.BlockSize {
		end := min(at+chunkstore.BlockSize, e.Length)
		if bytes.Equal(w.bufs[0][at:end], w.bufs[1][at:end]) {
			continue
		}
		if n := len(o.differing); n > 0 && o.differing[n-1].End() == e.Offset+at {
			o.differing[n-1].Length += end - at
		} else {
			o.differing = append(o.differing, repository.Extent{Offset: e.Offset + at, Length: end - at})
		}
	}
	return o
}

// note remembers what could not be compared, if that is damage; trouble is returned.
func (d *difference) note(e repository.Extent, err error) error {
	var corrupt *chunkstore.CorruptError
	var damaged *repository.DamagedRevisionError
	if !errors.As(err, &corrupt) && !errors.As(err, &damaged) && !errors.Is(err, chunkstore.ErrNotFound) {
		return err
	}
	if d.cause == nil {
		d.cause = err
	}
	if n := len(d.unknown); n > 0 && d.unknown[n-1].End() == e.Offset {
		d.unknown[n-1].Length += e.Length
	} else {
		d.unknown = append(d.unknown, e)
	}
	if corrupt != nil && len(d.hurt) < maxHurt {
		d.hurt[chunkstore.Copy{Pack: corrupt.Pack, ID: corrupt.ID}] = corrupt
	}
	return nil
}

// emit tells of a range, joined with what touches it.
func (d *difference) emit(e repository.Extent) error {
	if e.Length == 0 {
		return nil
	}
	if d.last.Length > 0 && d.last.End() == e.Offset {
		d.last.Length += e.Length
		return nil
	}
	if err := d.flush(); err != nil {
		return err
	}
	d.last = e
	return nil
}

func (d *difference) flush() error {
	e := d.last
	d.last = repository.Extent{}
	if e.Length == 0 {
		return nil
	}
	return d.found(e)
}
