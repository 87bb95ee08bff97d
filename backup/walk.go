package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// maxHurt bounds the hurt objects that one walk remembers; the lost ranges are
// told without a bound.
const maxHurt = 10_000

// visitor is given an image piece by piece, by many goroutines, in no order.
type visitor interface {
	// data gets bytes of the image from off; they may not be kept.
	data(ctx context.Context, off int64, p []byte) error
	// zeros gets a range that is zeros.
	zeros(ctx context.Context, e repository.Extent) error
	// known tells, for a whole chunk that a restore in place finds done already,
	// that it need not be read. It may use buf, which has the size of a chunk.
	known(ctx context.Context, c revision.Chunk, e repository.Extent, buf []byte) (bool, error)
}

// walk reads a span of an image and gives all of it to a visitor. Every chunk is
// checked down to its content id, and if the whole image is walked, its digest is
// computed from what was read.
type walk struct {
	im        *repository.Image
	span      repository.Extent
	workers   int
	keepGoing bool // around damage
	meter     *Meter
	visit     visitor

	mu    sync.Mutex
	lost  []repository.Extent
	cause error
	hurt  map[chunkstore.Copy]*chunkstore.CorruptError
}

// newWalk makes a walk over a range of an image, or all of it.
func newWalk(im *repository.Image, within *repository.Extent, workers int, meter *Meter, visit visitor) *walk {
	return &walk{im: im, span: spanOf(im, within), workers: orDefault(workers), meter: orNew(meter), visit: visit}
}

// spanOf is a range of an image, as far as it lies within; nil: all of it.
func spanOf(im *repository.Image, within *repository.Extent) repository.Extent {
	span := repository.Extent{Length: im.Size()}
	if within != nil {
		span, _ = cut(*within, span)
		span.Length = max(span.Length, 0)
	}
	return span
}

// item is one piece of work: a chunk, or a gap between chunks.
type item struct {
	chunk *revision.Chunk // nil for a gap
	gap   repository.Extent
}

// run walks. Damage is a [*DamageError]: with keepGoing after everything else was
// walked, otherwise at once.
func (w *walk) run(ctx context.Context) error {
	w.meter.Total.Store(w.span.Length)
	rows, err := w.im.Regions()
	if err != nil {
		return err
	}
	read, err := w.regions(ctx, rows)
	if err != nil {
		return err
	}
	if len(w.lost) > 0 {
		return &DamageError{Lost: repository.JoinExtents(w.lost), Hurt: slices.Collect(maps.Values(w.hurt)), Cause: w.cause}
	}
	return w.checkDigest(read)
}

// regions walks the regions of the span that are not zeros, and what lies between
// them as one: an image may have far more regions than anybody could go through.
// It returns what was read.
func (w *walk) regions(ctx context.Context, rows []revision.Region) (read []revision.Region, err error) {
	regionSize := int64(revision.RegionChunks) * int64(w.im.ChunkSize())
	at, end := w.span.Offset, w.span.End()
	for _, row := range rows {
		within, inside := cut(repository.Extent{Offset: int64(row.Region) * regionSize, Length: regionSize}, w.span)
		if !inside {
			continue
		}
		if err := w.zeros(ctx, repository.Extent{Offset: at, Length: within.Offset - at}); err != nil {
			return nil, err
		}
		hash, err := w.region(ctx, row.Region, within)
		if err != nil {
			return nil, err
		}
		if hash != nil {
			read = append(read, revision.Region{Region: row.Region, Hash: *hash})
		}
		at = within.End()
	}
	return read, w.zeros(ctx, repository.Extent{Offset: at, Length: end - at})
}

func (w *walk) zeros(ctx context.Context, e repository.Extent) error {
	if e.Length == 0 {
		return nil
	}
	defer w.meter.Done.Add(e.Length)
	if err := w.visit.zeros(ctx, e); err != nil {
		return err
	}
	return ctx.Err()
}

// checkDigest compares the digest of what was read with the revision's.
func (w *walk) checkDigest(read []revision.Region) error {
	st := w.im.Statement()
	if w.span.Length != int64(st.Size) {
		return nil // a part has no digest; its chunks were checked one by one
	}
	if got := revision.ImageDigest(st.ChunkSize, st.Size, read); got != st.Digest {
		return &DigestError{Got: got, Want: st.Digest}
	}
	return nil
}

// region walks the part of one region that lies in the span, and returns the
// hash of what was read; nil if it is lost.
func (w *walk) region(ctx context.Context, region uint64, within repository.Extent) (*[32]byte, error) {
	chunks, err := w.im.Chunks(region)
	if err != nil {
		return nil, w.damage(within, err)
	}
	items := w.items(chunks, within)
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range min(w.workers, len(items)) {
		g.Go(func() error {
			buf := make([]byte, w.im.ChunkSize())
			for gctx.Err() == nil {
				i := next.Add(1) - 1
				if i >= int64(len(items)) {
					return nil
				}
				if err := w.item(gctx, items[i], buf); err != nil {
					return err
				}
			}
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	hash := revision.RegionHash(chunks) // item compared each content id with the bytes
	return &hash, ctx.Err()
}

// items cuts a region into work, in the order in which the packs hold it.
func (w *walk) items(chunks []revision.Chunk, within repository.Extent) []item {
	items := make([]item, 0, len(chunks)+1)
	at, end := within.Offset, within.End()
	for i := range chunks {
		e, inside := cut(w.im.ChunkExtent(chunks[i].Index), within)
		if !inside {
			continue
		}
		if e.Offset > at {
			items = append(items, item{gap: repository.Extent{Offset: at, Length: e.Offset - at}})
		}
		items = append(items, item{chunk: &chunks[i]})
		at = e.End()
	}
	if at < end {
		items = append(items, item{gap: repository.Extent{Offset: at, Length: end - at}})
	}
	slices.SortStableFunc(items, func(a, b item) int { return slices.Compare(packOf(a), packOf(b)) })
	return items
}

// packOf gives the pack in which a chunk's base lies; nothing for a gap.
func packOf(it item) []byte {
	if it.chunk == nil {
		return nil
	}
	return it.chunk.Stack.Base.Pack[:]
}

func (w *walk) item(ctx context.Context, it item, buf []byte) error {
	if it.chunk == nil {
		defer w.meter.Done.Add(it.gap.Length)
		return w.visit.zeros(ctx, it.gap)
	}
	whole := w.im.ChunkExtent(it.chunk.Index)
	part, _ := cut(whole, w.span)
	defer w.meter.Done.Add(part.Length)
	if part == whole {
		done, err := w.visit.known(ctx, *it.chunk, whole, buf)
		if done || err != nil {
			return err
		}
	}
	if err := readChunk(ctx, w.im, *it.chunk, buf); err != nil {
		return w.damage(part, err)
	}
	w.meter.Read.Add(int64(len(buf)))
	from := part.Offset - whole.Offset
	return w.visit.data(ctx, part.Offset, buf[from:from+part.Length])
}

// readChunk reads a chunk and checks its content id, which the image's digest stands on.
func readChunk(ctx context.Context, im *repository.Image, c revision.Chunk, buf []byte) error {
	if err := im.ReadChunk(ctx, c, buf); err != nil {
		return err
	}
	if got := im.Hasher().ChunkID(buf); got != c.Content {
		return &chunkstore.CorruptError{
			Pack: c.Stack.Base.Pack, Kind: chunkstore.Chunk, ID: c.Stack.Base.ID,
			Cause: fmt.Errorf("chunk %d has the content id %s, its map says %s", c.Index, got, c.Content),
		}
	}
	return nil
}

// damage notes a range that is lost, if it is lost and the walk may go on without it.
func (w *walk) damage(e repository.Extent, err error) error {
	var corrupt *chunkstore.CorruptError
	var damaged *repository.DamagedRevisionError
	if !errors.As(err, &corrupt) && !errors.As(err, &damaged) && !errors.Is(err, chunkstore.ErrNotFound) {
		return err // trouble, not damage: another try may succeed
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause == nil {
		w.cause = err
	}
	w.lost = append(w.lost, e)
	if corrupt != nil && len(w.hurt) < maxHurt {
		if w.hurt == nil {
			w.hurt = map[chunkstore.Copy]*chunkstore.CorruptError{}
		}
		w.hurt[chunkstore.Copy{Pack: corrupt.Pack, ID: corrupt.ID}] = corrupt
	}
	if !w.keepGoing {
		return &DamageError{Lost: []repository.Extent{e}, Hurt: slices.Collect(maps.Values(w.hurt)), Cause: err}
	}
	return nil
}
