package backup

import (
	"context"
	"errors"
	"fmt"
	"io"

	"varve/chunkstore"
	"varve/revision"
)

// sight is one chunk as it is now, beside what the parent has there.
type sight struct {
	index      uint64
	before     *revision.Chunk // the parent's; nil: nothing to build on, nor to hand on
	now        []byte
	below      []byte    // room for what the parent holds
	belowState readState // whether it is there
	fp         chunkstore.Fingerprint
}

// readState says whether something was read.
type readState int

const (
	notTried readState = iota
	wasRead
	unreadable
)

// chunk takes one chunk through everything: read, zero?, as before?, and if not,
// stored as a patch or whole. buf has room for two chunks.
func (c *creation) chunk(ctx context.Context, index uint64, before *revision.Chunk, look *selection, buf []byte) (outcome, error) {
	s := sight{index: index, before: before, now: buf[:c.geo.chunkSize], below: buf[c.geo.chunkSize:]}
	if before != nil && c.backup.Hurt(before.Stack) {
		s.before = nil
	}
	if more, err := c.readSight(ctx, &s, before == s.before, look); err != nil || !more {
		return outcome{}, err
	}
	if chunkstore.IsZeros(s.now) {
		if before == nil {
			return outcome{}, nil
		}
		c.found.changed(c.geo.chunkSize, 1)
		c.found.zeroChunks.Add(1)
		c.opts.Meter.Changed.Add(c.geo.chunkSize)
		return zeroChunk(), nil
	}
	s.fp = c.repo.Hasher().Fingerprint(s.now)
	if s.before != nil && s.before.Fingerprint == s.fp && s.belowState != unreadable && !c.backup.IsLost(index) {
		return outcome{}, nil
	}
	out, err := c.store(ctx, &s)
	if err != nil {
		return outcome{}, fmt.Errorf("store the chunk at byte %d: %w", c.geo.extent(index).Offset, err)
	}
	return out, nil
}

// readSight reads a chunk as it is now: of the source, or, where it is known which parts changed and the parent may be
// built on, those alone. There may be no more.
func (c *creation) readSight(ctx context.Context, s *sight, buildable bool, look *selection) (more bool, err error) {
	if parts, known := look.partsOf(s.index%revision.RegionChunks, c.geo.extent(s.index)); known && buildable {
		if readable, err := c.readParts(ctx, s, parts); readable || err != nil {
			return readable, err
		}
	}
	return c.read(ctx, s.index, s.now)
}

// read fills buf with a chunk of the source; what lies beyond its end is zeros. There
// is no more where a source of unknown size has ended before.
func (c *creation) read(ctx context.Context, index uint64, buf []byte) (more bool, err error) {
	e := c.geo.extent(index)
	if c.feed != nil {
		return c.readFeed(ctx, index, buf)
	}
	if err := c.readExtent(ctx, buf[:e.Length], e.Offset); err != nil {
		return false, err
	}
	clear(buf[e.Length:])
	return true, nil
}

// readExtent reads a part of the source, all of which there has to be.
func (c *creation) readExtent(ctx context.Context, p []byte, off int64) error {
	if err := c.admit(ctx, len(p)); err != nil {
		return err
	}
	n, err := c.readAt(p, off)
	if n < len(p) {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	c.opts.Meter.Read.Add(int64(n))
	return nil
}

// readFeed is read, of a source of unknown size. Only what there was counts against
// the limits: how much that is, reading tells.
func (c *creation) readFeed(ctx context.Context, index uint64, buf []byte) (more bool, err error) {
	n, err := c.feed.read(ctx, index, buf)
	if err != nil || n == 0 {
		return false, err // and buf may still be written to
	}
	clear(buf[n:])
	c.opts.Meter.Read.Add(int64(n))
	c.opts.Meter.Done.Add(int64(n))
	return true, c.admit(ctx, n)
}

// store stores a chunk that differs from the parent's, or that the parent has not,
// or has in a hurt copy only.
func (c *creation) store(ctx context.Context, s *sight) (outcome, error) {
	content := c.repo.Hasher().ChunkID(s.now)
	blocks := -1 // changed ones; unknown
	if s.before != nil {
		readable, err := c.readBelow(ctx, s)
		if err != nil {
			return outcome{}, err
		}
		if readable {
			blocks = chunkstore.ChangedBlocks(s.below, s.now)
			fits, err := c.backup.Parent().TakesPatch(ctx, s.before.Stack, blocks)
			if err != nil {
				return outcome{}, err
			}
			if fits {
				return c.storePatch(ctx, s, content, blocks)
			}
		}
	}
	if blocks < 0 {
		blocks = dataBlocks(s.now)
	}
	put, err := c.backup.Chunks().PutChunk(ctx, content, s.now)
	if err != nil {
		return outcome{}, err
	}
	c.account(put, blocks, c.geo.chunkSize)
	c.found.newChunks.Add(1)
	return wholeChunk(s.index, s.fp, put.Ref), nil
}

// storePatch stores a chunk, of which so many blocks changed, as what they differ in.
func (c *creation) storePatch(ctx context.Context, s *sight, content chunkstore.ID, blocks int) (outcome, error) {
	put, _, err := c.backup.Chunks().PutPatch(ctx, s.below, s.now, s.before.Fingerprint, s.fp)
	if err != nil {
		return outcome{}, err
	}
	c.account(put, blocks, int64(blocks)*chunkstore.BlockSize)
	c.found.patches.Add(1)
	return patchedChunk(s.index, s.fp, content, put.Ref), nil
}

// account counts what storing a chunk came to.
func (c *creation) account(put chunkstore.Put, blocks int, plain int64) {
	c.found.changed(int64(blocks)*chunkstore.BlockSize, 1)
	if put.Found {
		c.found.foundBytes.Add(plain)
	}
	c.opts.Meter.Changed.Add(int64(blocks) * chunkstore.BlockSize)
	c.opts.Meter.Stored.Add(put.Stored)
}

// readBelow reads what the parent holds there, once. If that is damaged, or cannot be
// read this time, it is a finding, and the chunk is stored whole.
func (c *creation) readBelow(ctx context.Context, s *sight) (readable bool, err error) {
	if s.belowState != notTried {
		return s.belowState == wasRead, nil
	}
	err = c.backup.Parent().ReadChunk(ctx, *s.before, s.below)
	if err == nil {
		s.belowState = wasRead
		return true, nil
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	s.belowState = unreadable
	e := c.geo.extent(s.index)
	kind, cause := FoundTrouble, err.Error()
	if corrupt := new(chunkstore.CorruptError); errors.As(err, &corrupt) {
		kind, cause = FoundDamage, corrupt.Error()
		if err := c.repo.RecordDamage(ctx, corrupt); err != nil {
			return false, err
		}
	} else if errors.Is(err, chunkstore.ErrNotFound) {
		kind = FoundDamage
	}
	c.found.add(Finding{Kind: kind, Extent: &e, unread: cause})
	return false, nil
}
