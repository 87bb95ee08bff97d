package repository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve/chunkstore"
	"varve/revision"
)

// rebuilding stores chunks of a volume's revisions anew, as a fresh backup would: as
// one patch on what the parent holds, or whole. It has the volume's lock.
type rebuilding struct {
	*removal
	under   *tightening // the step of the collection that this is a part of
	on      *ground
	shorter map[uint64]int // by how many patches stacks became shorter, by chunk

	read  int64 // bytes of chunks that were read
	until time.Time
	newer []*mapFile // of what is newer than the revision at hand, oldest first, as far as they are open

	below, above []byte // room for two contents of a chunk

	// Of the revision at hand:
	rev         Revision
	now, parent *Image // nil: it has no parent
	took        int64  // bytes of what was stored
}

// What is done of a volume in one collection is bounded, for a backup may be waiting for
// its lock; and so are the maps that are open at a time, and what is kept in mind of a
// revision's chunks that are stored anew.
const (
	maxRebuildRead = 8 << 30
	maxRebuildTime = 2 * time.Minute
	maxNewer       = 500
	maxAnew        = 1 << 16
)

// rebuild stores the chunks of one revision anew that take more than they need, and
// gives it a map that says so.
func (b *rebuilding) rebuild(ctx context.Context, rev Revision) (err error) {
	m, err := b.openNoted(rev.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if pays, err := b.pays(ctx, m); err != nil || !pays {
		return err
	}
	if err := b.storeAnew(ctx, rev, m); err != nil || len(b.anew) == 0 {
		return err
	}
	if err := b.foldInto(ctx, rev.ID, func(revision.ID) bool { return false }); err != nil {
		return err
	}
	for i, e := range b.anew {
		b.shorter[i] += b.had[i] - len(e.Patches)
	}
	b.under.result.Rebuilt += len(b.anew)
	b.under.result.RebuiltBytes += b.took
	return nil
}

// pays tells whether what may be in waste takes more than the map does, which would
// have to be written anew for it.
func (b *rebuilding) pays(ctx context.Context, m *mapFile) (bool, error) {
	info, err := b.repo.fsys.Lstat(m.name)
	if err != nil {
		return false, err
	}
	left := info.Size()
	err = eachSuspect(b.on, m, func(e revision.Entry) bool {
		if size, err := b.weighStack(ctx, &e); err == nil {
			left -= size.own
		}
		return left > 0 && ctx.Err() == nil
	})
	return left <= 0, errors.Join(err, ctx.Err())
}

// storeAnew stores chunks of a revision anew, and notes in anew what its map is to say of them.
func (b *rebuilding) storeAnew(ctx context.Context, rev Revision, m *mapFile) (err error) {
	b.rev, b.parent, b.took = rev, nil, 0
	b.anew, b.had = map[uint64]revision.Entry{}, map[uint64]int{}
	if b.now, err = b.reader.Image(ctx, b.volume, rev.ID); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.now.Close()) }()
	if id := b.parents[rev.ID]; id != "" {
		if b.parent, err = b.reader.Image(ctx, b.volume, id); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.parent.Close()) }()
	}
	var failure error
	err = eachSuspect(b.on, m, func(e revision.Entry) bool {
		var anew revision.Entry
		var better bool
		if anew, better, failure = b.better(ctx, e); better {
			b.anew[e.Index], b.had[e.Index] = anew, len(e.Patches)
		}
		return failure == nil && ctx.Err() == nil && len(b.anew) < maxAnew
	})
	return errors.Join(err, failure, ctx.Err())
}

// stackSize is what the objects take that an entry names, in bytes of packs.
type stackSize struct {
	base, patches int64
	own           int64 // of both, what nothing else names: so much would go
	ownBase       bool  // the base is such
}

func (b *rebuilding) weighStack(ctx context.Context, e *revision.Entry) (size stackSize, err error) {
	if !e.BaseRef.ID.IsZero() {
		if size.base, err = b.reader.chunks.StoredSize(ctx, e.BaseRef, chunkstore.Chunk); err != nil {
			return size, err
		}
		if size.ownBase = b.under.named[keyOf(e.BaseRef.ID)] == 1; size.ownBase {
			size.own += size.base
		}
	}
	for _, p := range e.Patches {
		n, err := b.reader.chunks.StoredSize(ctx, p, chunkstore.Patch)
		if err != nil {
			return size, err
		}
		if size.patches += n; b.under.named[keyOf(p.ID)] == 1 {
			size.own += n
		}
	}
	return size, nil
}

// isShare tells whether a part is as much of the whole as packs are compacted for.
func (b *rebuilding) isShare(part, whole int64) bool {
	return part > 0 && float64(part) >= b.under.opts.Threshold*float64(whole)
}

// isCrowded tells whether the patches that a fresh backup would not have put on a
// chunk take such a share of those that it can have at all: each brings nearer the
// backup that has to store it whole. Where a patch may lie on what the parent holds,
// a fresh backup has one.
func (b *rebuilding) isCrowded(e *revision.Entry, below *revision.Chunk) bool {
	excess := len(e.Patches)
	if below != nil {
		excess--
	}
	return b.isShare(int64(excess), fullStack)
}

// better stores a chunk anew if it takes less then, or its stack is shorter for no
// more. What is damaged, or takes long to tell, stays as it is.
func (b *rebuilding) better(ctx context.Context, e revision.Entry) (anew revision.Entry, better bool, err error) {
	size, err := b.weighStack(ctx, &e)
	if err != nil || size.own == 0 || size.own > b.under.room || b.isSpent() {
		return anew, false, b.stays(ctx, &e, err)
	}
	below, err := b.findBelow(ctx, &e)
	if err != nil {
		return anew, false, b.stays(ctx, &e, err)
	}
	worth, err := b.isWorthReading(ctx, &e, size, below)
	if err != nil || !worth {
		return anew, false, b.stays(ctx, &e, err)
	}
	if err := b.readBoth(ctx, &e, below); err != nil {
		return anew, false, b.stays(ctx, &e, err)
	}
	most := size.own
	if !b.isCrowded(&e, below) {
		most -= max(1, int64(b.under.opts.Threshold*float64(most)))
	}
	return b.store(ctx, e, below, min(most, b.under.room))
}

// isSpent tells that the volume was held long enough.
func (b *rebuilding) isSpent() bool {
	return b.read >= maxRebuildRead || b.repo.opts.Now().After(b.until)
}

// stays tells that a stack stays as it is. What ends all of it is returned.
func (b *rebuilding) stays(ctx context.Context, e *revision.Entry, err error) error {
	if err != nil && ctx.Err() == nil {
		b.repo.opts.Log.Info("a stack stays as it is", "chunk", e.Index, "error", err)
	}
	return ctx.Err()
}

// findBelow finds what the parent holds of a chunk, if a patch may be put on that; nil:
// it may not. A chunk that is whole, in a revision whose parent is the one that it was
// made on, was too much for a patch, or the stack was full: only then it is looked at.
func (b *rebuilding) findBelow(ctx context.Context, e *revision.Entry) (*revision.Chunk, error) {
	if b.parent == nil {
		return nil, nil
	}
	c, found, err := b.parent.Chunk(e.Index)
	if err != nil || !found {
		return nil, err
	}
	settled := len(e.Patches) == 0 && !b.isHeir()
	if settled && b.shorter[e.Index] == 0 {
		return nil, nil
	}
	height, err := b.height(e.Index)
	if err != nil {
		return nil, err
	}
	height += len(c.Stack.Patches) + 1
	if settled && (height > fullStack || height+b.shorter[e.Index] <= fullStack) || height > maxStack {
		return nil, nil
	}
	takes, err := b.parent.TakesPatch(ctx, c.Stack, 1)
	if err != nil || !takes {
		return nil, err
	}
	return &c, nil
}

// isHeir tells whether the revision at hand has another parent than it was made on.
func (b *rebuilding) isHeir() bool {
	parent := uint64(0)
	if b.parent != nil {
		parent = b.parent.Statement().Sequence
	}
	for _, gone := range b.on.gone {
		if parent < gone && gone < b.rev.Statement.Sequence {
			return true
		}
	}
	return false
}

// height is how many patches newer revisions lay on what the one at hand has of a chunk.
func (b *rebuilding) height(chunk uint64) (most int, err error) {
	if err := b.openNewer(); err != nil {
		return 0, err
	}
	reached := map[revision.ID]int{b.rev.ID: 0}
	for _, m := range b.newer {
		id := m.Statement().ID
		h, on := reached[b.parents[id]]
		if !on {
			continue
		}
		for record, err := range m.Records(chunk, chunk+1) {
			if err != nil {
				return 0, damagedMap(m.name, err)
			}
			on = record.Zeros == nil && record.Entry.Base == revision.BaseParent
			h += len(record.Entry.Patches)
		}
		if on {
			reached[id] = h
			most = max(most, h)
		}
	}
	return most, nil
}

// openNewer opens the maps of what is newer than the revision at hand: once for a volume,
// since one revision after the other is looked at, and only what is older gets another map.
// Of very many it fails: then a stack on which they may lay patches stays as it is.
func (b *rebuilding) openNewer() error {
	for len(b.newer) > 0 && b.newer[0].Statement().Sequence <= b.rev.Statement.Sequence {
		if err := b.newer[0].Close(); err != nil {
			return err
		}
		b.newer = b.newer[1:]
	}
	if len(b.newer) > 0 {
		return nil
	}
	var ids []revision.ID
	for _, other := range b.visible {
		if other.Statement != nil && other.Statement.Sequence > b.rev.Statement.Sequence {
			ids = append(ids, other.ID)
		}
	}
	if len(ids) > maxNewer {
		return fmt.Errorf("%d revisions are newer, and %d are looked at", len(ids), maxNewer)
	}
	for _, id := range ids {
		m, err := b.repo.openRevision(b.volume, id)
		if err != nil { // a part of them is not to pass for all
			err = errors.Join(err, closeAll(b.newer))
			b.newer = nil
			return err
		}
		b.newer = append(b.newer, m)
	}
	return nil
}

// isWorthReading tells, by lengths and by the heads of patches, whether so much may be
// won that the chunk is to be read.
func (b *rebuilding) isWorthReading(ctx context.Context, e *revision.Entry, size stackSize, below *revision.Chunk) (bool, error) {
	switch {
	case below == nil: // it can only be whole
		return size.ownBase && len(e.Patches) > 0 && (b.isShare(size.patches, size.own) || b.isCrowded(e, below)), nil
	case e.Base != revision.BaseParent: // it is whole, or stands on a whole chunk of its own
		return size.ownBase, nil
	case b.isCrowded(e, below):
		return true, nil
	}
	held, changed, err := b.reader.chunks.CountBlocks(ctx, e.Patches)
	if err != nil {
		return false, err
	}
	return b.isShare(int64(held-changed), int64(held)), nil
}

// readBoth reads a chunk, and what the parent holds of it. Both are what their maps say.
func (b *rebuilding) readBoth(ctx context.Context, e *revision.Entry, below *revision.Chunk) error {
	if b.above == nil {
		b.above, b.below = make([]byte, b.repo.desc.ChunkSize), make([]byte, b.repo.desc.ChunkSize)
	}
	c, found, err := b.now.Chunk(e.Index)
	if err == nil && !found {
		err = fmt.Errorf("%w: chunk %d", revision.ErrOverlay, e.Index)
	}
	if err == nil {
		err = b.readNamed(ctx, b.now, c, e.Content, b.above)
	}
	if err == nil && below != nil {
		err = b.readNamed(ctx, b.parent, *below, below.Content, b.below)
	}
	return err
}

// readNamed reads a chunk that is to have that name.
func (b *rebuilding) readNamed(ctx context.Context, im *Image, c revision.Chunk, name chunkstore.ID, buf []byte) error {
	b.read += int64(len(buf))
	if err := im.ReadChunk(ctx, c, buf); err != nil {
		return err
	}
	if b.repo.names.ChunkID(buf) != name {
		return fmt.Errorf("%w: chunk %d has another content id", errBadContent, c.Index)
	}
	return nil
}

// store stores a chunk that was read, as a patch or whole, if it takes no more than most.
func (b *rebuilding) store(ctx context.Context, e revision.Entry, below *revision.Chunk, most int64) (anew revision.Entry, better bool, err error) {
	if err := b.openWriter(); err != nil {
		return anew, false, err
	}
	var put chunkstore.Put
	kind := chunkstore.Patch
	if below != nil {
		takes, err := b.parent.TakesPatch(ctx, below.Stack, chunkstore.ChangedBlocks(b.below, b.above))
		if err == nil && takes {
			put, better, err = b.chunks.PutPatchWithin(ctx, b.below, b.above, below.Fingerprint, e.Fingerprint, most)
		}
		if err != nil {
			return anew, false, err
		}
	}
	anew = e
	if better {
		anew.Base, anew.BaseRef, anew.Patches = revision.BaseParent, chunkstore.Ref{}, []chunkstore.Ref{put.Ref}
	} else if len(e.Patches) > 0 { // else it is whole already
		kind = chunkstore.Chunk
		if put, better, err = b.chunks.PutChunkWithin(ctx, e.Content, b.above, most); err != nil {
			return anew, false, err
		}
		anew.Base, anew.BaseRef, anew.Patches = revision.BaseContent, put.Ref, nil
	}
	if better {
		b.stored = append(b.stored, placed{put.Ref.Pack, chunkstore.Entry{ID: put.Ref.ID, Kind: kind}})
		b.under.room -= put.Stored
		b.took += put.Stored
	}
	return anew, better, nil
}
