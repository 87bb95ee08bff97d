package backup

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"varve/repository"
)

// StreamOptions tunes [Stream]. The zero value streams everything.
type StreamOptions struct {
	Range   *repository.Extent // of the image; nil: all of it
	Workers int                // chunks in flight; zero chooses
	Meter   *Meter             // may be nil
}

// Stream writes an image, or a range of it, from its first byte to its last to w.
// Each chunk is checked down to its content id before it is written, and so, when
// Stream returns nil, is the image's digest. Damage ends it with an error: a pipe
// has no place to leave out.
func Stream(ctx context.Context, im *repository.Image, w io.Writer, opts StreamOptions) error {
	opts.Workers, opts.Meter = orDefault(opts.Workers), orNew(opts.Meter)
	span := spanOf(im, opts.Range)
	opts.Meter.Total.Store(span.Length)
	if _, err := im.Regions(); err != nil { // they give the digest, regions give them, content ids give regions
		return err
	}
	pieces := make([]piece, opts.Workers)
	for i := range pieces {
		pieces[i].buf = make([]byte, im.ChunkSize())
	}
	for at, end := span.Offset, span.End(); at < end; {
		n, err := readPieces(ctx, im, pieces, at, end)
		if err != nil {
			return fmt.Errorf("stream revision %s: %w", im.Statement().ID, err)
		}
		for _, p := range pieces[:n] {
			if _, err := w.Write(p.buf[:p.length]); err != nil {
				return fmt.Errorf("stream revision %s at byte %d: %w", im.Statement().ID, p.offset, err)
			}
			at += p.length
			opts.Meter.Done.Add(p.length)
		}
	}
	return ctx.Err()
}

// piece is a part of the stream: never more than one chunk.
type piece struct {
	offset, length int64
	buf            []byte // has the size of a chunk
}

// read fills the beginning of the piece's buffer with its bytes.
func (p *piece) read(ctx context.Context, im *repository.Image) error {
	chunkSize := int64(im.ChunkSize())
	c, found, err := im.Chunk(uint64(p.offset / chunkSize))
	if err != nil {
		return err
	}
	if !found {
		clear(p.buf[:p.length])
		return nil
	}
	if err := readChunk(ctx, im, c, p.buf); err != nil {
		return err
	}
	copy(p.buf, p.buf[p.offset%chunkSize:][:p.length])
	return nil
}

// readPieces reads the next pieces of the stream side by side, and returns how many.
func readPieces(ctx context.Context, im *repository.Image, pieces []piece, at, end int64) (n int, err error) {
	chunkSize := int64(im.ChunkSize())
	g, gctx := errgroup.WithContext(ctx)
	for n < len(pieces) && at < end {
		p := &pieces[n]
		p.offset, p.length = at, min(chunkSize-at%chunkSize, end-at)
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			return p.read(gctx, im)
		})
		at += p.length
		n++
	}
	return n, errors.Join(g.Wait(), ctx.Err())
}
