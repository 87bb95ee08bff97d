package drill

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"varve/chunkstore"
	"varve/fusemount"
	"varve/repository"
	"varve/revision"
)

// measure reads chunks from all over the image, as a restore reads them all, and counts how many there are. Damage that is
// met is a mishap.
func (r *Result) measure(ctx context.Context, repo *repository.Repository, image *repository.Image, most int) error {
	sample, err := r.pick(ctx, image, most)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	buffers := sync.Pool{New: func() any { b := make([]byte, image.ChunkSize()); return &b }}
	begun := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, c := range sample {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			buf := buffers.Get().(*[]byte)
			defer buffers.Put(buf)
			err := image.ReadChunk(gctx, c, *buf)
			if err == nil || gctx.Err() != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			at := image.ChunkExtent(c.Index)
			return r.met(ctx, repo, at.Offset, at.Length, err)
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("measure how fast the image is read: %w", err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	took := time.Since(begun)
	for _, c := range sample {
		r.Reading.Sampled += image.ChunkExtent(c.Index).Length
	}
	if r.Reading.Sampled > 0 {
		r.Reading.Rate = max(1, int64(float64(r.Reading.Sampled)/max(took.Seconds(), 1e-6)))
	}
	return nil
}

// pick chooses chunks that lie evenly among those that are not zeros, no more than so many, and counts all of their bytes.
func (r *Result) pick(ctx context.Context, image *repository.Image, most int) (sample []revision.Chunk, err error) {
	rows, err := image.Regions()
	if err != nil {
		return nil, err
	}
	seen, step := 0, 1
	for _, row := range rows {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		chunks, err := image.Chunks(row.Region)
		if err != nil {
			return nil, err
		}
		for _, c := range chunks {
			r.Reading.Data += image.ChunkExtent(c.Index).Length
			if seen++; (seen-1)%step != 0 {
				continue
			}
			sample = append(sample, c)
			if len(sample) > most { // every other one goes, and from now on is not taken
				for i := 0; 2*i < len(sample); i++ {
					sample[i] = sample[2*i]
				}
				sample, step = sample[:(len(sample)+1)/2], 2*step
			}
		}
	}
	return sample, nil
}

// met notes that bytes of the image could not be read.
func (r *Result) met(ctx context.Context, repo *repository.Repository, off, length int64, err error) error {
	t := fusemount.Mishap{Kind: fusemount.Unreadable, Offset: off, Length: length, Cause: err.Error()}
	if repository.IsDamage(err) {
		t.Kind = fusemount.Lost
	}
	r.Mishaps = append(r.Mishaps, t)
	corrupt := new(chunkstore.CorruptError)
	if !errors.As(err, &corrupt) {
		return nil
	}
	if err := repo.RecordDamage(ctx, corrupt); err != nil && !errors.Is(err, repository.ErrReadOnly) {
		return fmt.Errorf("note the damage: %w", err)
	}
	return nil
}
