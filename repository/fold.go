package repository

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"varve/chunkstore"
	"varve/revision"
)

// maxFolded is how many maps are read at once when revisions are folded into one that
// stays; of more, the outcome so far is written down in between.
const maxFolded = 64

// maxStack is the number of patches from which on a merge stores a chunk anew, if
// it can read it. A backup keeps its stacks shorter, so these are others' work.
const maxStack = 16

// folding makes the map that a revision has once those below it are folded into it.
type folding struct {
	*work
	image   *Image // the revision as it is, for stacks that are to be rebuilt; nil: none are
	rebuilt int    // stacks
	left    int    // long stacks that could not be read

	alone bool // the revision is of no set any more

	anew   map[uint64]revision.Entry // by chunk, what the map is to say of those that are stored anew already
	had    map[uint64]int            // how many patches these had
	stored []placed                  // what was stored and not read again
}

// newFolding is one that no lock or lease is had for yet.
func (r *Repository) newFolding(v Volume) folding {
	return folding{work: &work{repo: r, volume: v, run: newRunID()}}
}

// fold writes a revision's map anew, with those of the ids folded into it, each the
// parent of the one before. Open opens them. The outcome is sealed, and was found to
// give the very image that the revision has.
func (f *folding) fold(ctx context.Context, newest *mapFile, ids []revision.ID, open func(revision.ID) (*mapFile, error)) (*draft, error) {
	regions, err := newest.Regions()
	if err != nil {
		return nil, damagedMap(newest.name, err)
	}
	var soFar *draft
	for top := newest; ; {
		n := min(len(ids), maxFolded)
		next, err := f.foldSome(ctx, top, ids[:n], open, regions)
		if soFar != nil {
			err = errors.Join(err, top.Close(), soFar.discard())
		}
		if err != nil {
			if next != nil {
				err = errors.Join(err, next.discard())
			}
			return nil, err
		}
		if soFar, ids = next, ids[n:]; len(ids) == 0 {
			return soFar, nil
		}
		if top, err = openMap(f.repo.fsys, soFar.name); err != nil {
			return nil, errors.Join(err, soFar.discard())
		}
	}
}

// foldSome folds a few maps into the newest.
func (f *folding) foldSome(
	ctx context.Context, newest *mapFile, ids []revision.ID, open func(revision.ID) (*mapFile, error), regions []revision.Region,
) (_ *draft, err error) {
	neighbours := []*revision.Map{newest.Map}
	var opened []*mapFile
	defer func() { err = errors.Join(err, closeAll(opened)) }()
	for _, id := range ids {
		m, err := open(id)
		if err != nil {
			return nil, err
		}
		opened, neighbours = append(opened, m), append(neighbours, m.Map)
	}
	d, err := f.newDraft(volumeDir(f.volume.Name))
	if err != nil {
		return nil, err
	}
	st := *newest.Statement()
	oldest := neighbours[len(neighbours)-1].Statement()
	st.Kind, st.Parent, st.Nonce = oldest.Kind, oldest.Parent, d.nonce
	if f.alone {
		st.Set = ""
	}
	err = revision.FoldInto(ctx, d.writer, neighbours, func(e *revision.Entry) error { return f.alter(ctx, e) })
	if err != nil {
		err = damagedMap(newest.name, err)
	} else if err = d.writer.Finish(regions, st); err == nil {
		err = d.seal()
	}
	if err != nil {
		return nil, errors.Join(err, d.discard())
	}
	return d, nil
}

// alter makes of an entry what the map is to say of the chunk.
func (f *folding) alter(ctx context.Context, e *revision.Entry) error {
	anew, is := f.anew[e.Index]
	if !is {
		return f.shorten(ctx, e)
	}
	if anew.Content != e.Content || anew.Fingerprint != e.Fingerprint {
		return fmt.Errorf("%w: chunk %d is another one than was stored anew", revision.ErrOverlay, e.Index)
	}
	*e = anew
	return nil
}

// shorten stores a chunk anew whose stack is too long. If it cannot be read, it stays
// as it is: nothing is lost by a merge that was not before.
func (f *folding) shorten(ctx context.Context, e *revision.Entry) error {
	if len(e.Patches) <= maxStack || f.image == nil {
		return nil
	}
	c, found, err := f.image.Chunk(e.Index)
	if err == nil && (!found || c.Content != e.Content) {
		err = fmt.Errorf("%w: chunk %d", revision.ErrOverlay, e.Index)
	}
	plain := make([]byte, f.repo.desc.ChunkSize)
	if err == nil {
		err = f.image.ReadChunk(ctx, c, plain)
	}
	if err == nil && f.repo.names.ChunkID(plain) != e.Content {
		err = fmt.Errorf("%w: chunk %d has another content id", errBadContent, e.Index)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		f.left++
		f.repo.opts.Log.Info("a long stack stays as it is", "chunk", e.Index, "error", err)
		return nil
	}
	if err := f.openWriter(); err != nil {
		return err
	}
	put, err := f.chunks.PutChunk(ctx, e.Content, plain)
	if err != nil {
		return err
	}
	f.rebuilt++
	f.stored = append(f.stored, placed{put.Ref.Pack, chunkstore.Entry{ID: put.Ref.ID, Kind: chunkstore.Chunk}})
	e.Base, e.BaseRef, e.Patches = revision.BaseContent, put.Ref, nil
	return nil
}

// makeStored makes durable what was stored, and reads it again: what it was made of may
// be let go once the map names it instead.
func (f *folding) makeStored(ctx context.Context) error {
	if f.chunks == nil {
		return nil
	}
	if err := f.chunks.Barrier(ctx); err != nil {
		return err
	}
	byPack := map[chunkstore.PackID][]chunkstore.Entry{}
	for _, s := range f.stored {
		byPack[s.pack] = append(byPack[s.pack], s.entry)
	}
	for pack, entries := range byPack {
		var bad error
		err := f.repo.store.CheckObjects(ctx, pack, entries, func(_ chunkstore.Entry, err error) { bad = errors.Join(bad, err) })
		if err := errors.Join(err, bad); err != nil {
			return fmt.Errorf("read again what was stored anew: %w", err)
		}
	}
	f.stored = nil
	return nil
}

// openWriter opens the writer of chunks, if none is open yet. It finds no objects of
// others: what a merge writes, nobody has.
func (f *folding) openWriter() (err error) {
	if f.chunks != nil {
		return nil
	}
	f.chunks, err = f.repo.store.NewWriter(chunkstore.WriterConfig{
		Run: f.run, Codec: f.repo.Codec(), Dense: true, Temps: f.lease.temps, View: f.reader.currentView, PackSize: f.repo.opts.PackSize,
	})
	return err
}

// proveOn is prove on the chain of a revision, by its id; empty: on none.
func (f *folding) proveOn(ctx context.Context, rd *Reader, d *draft, below revision.ID) (err error) {
	var chain []*mapFile
	if below != "" {
		if chain, err = rd.chain(f.volume, below); err != nil {
			return err
		}
	}
	return errors.Join(f.prove(ctx, d, chain), closeAll(chain))
}

// prove resolves what a sealed map says differently from the chain it now stands on,
// the newest first, and so makes sure that it gives its image.
func (f *folding) prove(ctx context.Context, d *draft, below []*mapFile) (err error) {
	m, err := openMap(f.repo.fsys, d.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	chain := []*revision.Map{m.Map}
	var parent *revision.Map
	for _, b := range below {
		chain = append(chain, b.Map)
	}
	if len(below) > 0 {
		parent = below[0].Map
		if err := revision.CheckAgainstParent(m.Map, parent); err != nil {
			return damagedMap(m.name, err)
		}
	}
	regions, err := revision.Unproven(m.Map, parent)
	if err != nil {
		return damagedMap(m.name, err)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, region := range regions {
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			_, err := revision.Resolve(chain, region)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return damagedMap(m.name, fmt.Errorf("resolve what was folded: %w", err))
	}
	return ctx.Err()
}
