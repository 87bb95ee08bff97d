package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"varve/chunkstore"
	"varve/revision"
)

// A Proof says how a revision read that was read back whole.
type Proof struct {
	Volume   Volume
	Revision revision.ID
	State    State    // that it has now
	Lost     []Extent // that cannot be read, ascending; none: every byte was read and found right
	Cause    error    // why, of the first
}

// prove reads every byte of the image, and holds each chunk against its content id, each
// region against its hash and these against the digest. What is damaged is lost; an error is
// trouble that says nothing of the image.
func (im *Image) prove(ctx context.Context) (lost []Extent, cause error, err error) {
	rows, err := im.Regions()
	if damaged := new(DamagedRevisionError); errors.As(err, &damaged) {
		return []Extent{{Length: im.Size()}}, err, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	lose := func(at Extent, why error) {
		mu.Lock()
		defer mu.Unlock()
		if lost = append(lost, at); cause == nil {
			cause = why
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(im.rd.repo.opts.Listers)
	for _, row := range rows {
		chunks, err := im.Chunks(row.Region)
		if damaged := new(DamagedRevisionError); errors.As(err, &damaged) {
			off := int64(row.Region) * revision.RegionChunks * int64(im.ChunkSize())
			lose(Extent{off, min(im.Size()-off, revision.RegionChunks*int64(im.ChunkSize()))}, err)
			continue
		}
		if err != nil {
			return nil, nil, errors.Join(err, g.Wait())
		}
		for _, c := range chunks {
			g.Go(func() error {
				why, err := im.proveChunk(gctx, c)
				if why != nil {
					lose(im.ChunkExtent(c.Index), why)
				}
				return err
			})
		}
	}
	if err := errors.Join(g.Wait(), ctx.Err()); err != nil {
		return nil, nil, err
	}
	return JoinExtents(lost), cause, nil
}

// proveChunk tells why a chunk is lost, if it is.
func (im *Image) proveChunk(ctx context.Context, c revision.Chunk) (lost, trouble error) {
	buf := make([]byte, im.ChunkSize())
	err := im.ReadChunk(ctx, c, buf)
	corrupt := new(chunkstore.CorruptError)
	switch {
	case errors.As(err, &corrupt), errors.Is(err, chunkstore.ErrNotFound):
		return err, nil
	case err != nil:
		return nil, err
	case im.Hasher().ChunkID(buf) != c.Content:
		return fmt.Errorf("%w: chunk %d has another content id", errBadContent, c.Index), nil
	}
	return nil, nil
}

// proveRevisions reads the revisions back that are noted as damaged, and those that got another
// file or map, and notes what came of it: only then one counts again.
func (p *repairer) proveRevisions(ctx context.Context) error {
	for _, v := range p.volumesNow() {
		if !p.covers(v.UUID) {
			continue
		}
		revisions, err := p.repo.Revisions(v)
		if err != nil {
			return err
		}
		for _, rev := range revisions {
			if rev.Info.State != Damaged && !p.touched[revisionKey{v.UUID, rev.ID}] {
				continue
			}
			if err := p.proveOne(ctx, rev); err != nil {
				if ends(ctx, err) {
					return err
				}
				p.trouble(fmt.Errorf("read %s@%s back: %w", v.Name, rev.ID.Short(), err))
			}
		}
	}
	return nil
}

func (p *repairer) proveOne(ctx context.Context, rev Revision) error {
	name := fmt.Sprintf("%s@%s", rev.Volume.Name, rev.ID.Short())
	p.opts.Step("reading " + name + " back")
	if err := p.reader.refresh(); err != nil {
		return err
	}
	proof := Proof{Volume: rev.Volume, Revision: rev.ID, State: Damaged}
	im, err := p.reader.Image(ctx, rev.Volume, rev.ID)
	damaged := new(DamagedRevisionError)
	switch {
	case errors.As(err, &damaged):
		proof.Cause = err
		if rev.Statement != nil {
			proof.Lost = []Extent{{Length: int64(rev.Statement.Size)}}
		} else {
			proof.Lost = []Extent{{}} // nobody knows how long it is
		}
	case err != nil:
		return err
	default:
		proof.Lost, proof.Cause, err = im.prove(ctx)
		if err := errors.Join(err, im.Close()); err != nil {
			return err
		}
	}
	if rev.Statement != nil {
		err := p.repo.Mark(ctx, rev, func(info *Info) {
			proof.note(info, rev.Info, p.repo.opts.Now())
		})
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		}
		if err != nil {
			return err
		}
	}
	p.result.Revisions = append(p.result.Revisions, proof)
	return nil
}

// note changes what is noted of the revision, of which that was seen before it was read. What
// others found lost meanwhile is lost.
func (f *Proof) note(info *Info, seen Info, now time.Time) {
	switch {
	case len(f.Lost) > 0:
		info.Damage(f.Cause.Error(), f.Lost)
	case !info.Prove(seen, now):
		f.Lost, f.Cause = info.Lost, errors.New(info.Reason)
	}
	f.State = info.State
}
