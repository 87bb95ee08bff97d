package chunkstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// A Reader gives chunks back. All that it returns is verified; on damage it goes to
// the next copy. It is safe for many goroutines, and its memory is bounded: open
// packs with their tables of contents, and the heads of patches read from lately.
type Reader struct {
	store *Store
	view  func() View
	packs *packCache
	heads headCache

	mu      sync.Mutex
	missing map[objectKey]miss // objects that all packs were searched for in vain
}

// Reader begins to read. view is asked often, and again when a pack has vanished;
// nil stands for an empty View.
func (s *Store) Reader(view func() View) *Reader {
	if view == nil {
		view = func() View { return View{} }
	}
	return &Reader{store: s, view: view, packs: newPackCache(s.cfg.FS), missing: map[objectKey]miss{}}
}

// Close closes the packs. Calls under way may fail.
func (r *Reader) Close() error { return r.packs.close() }

// ReadChunk reads a whole chunk into buf, which has its size, and verifies it
// against want: each object's segments, that the fingerprints of base, patches and
// result join up, and the content itself.
func (r *Reader) ReadChunk(ctx context.Context, stack Stack, want Fingerprint, buf []byte) error {
	if len(buf) != r.store.cfg.ChunkSize {
		panic("chunkstore: ReadChunk into what is no chunk")
	}
	c := r.store.coders.take()
	defer r.store.coders.give(c)
	if err := r.readChunk(ctx, c, stack, want, buf); err != nil {
		return fmt.Errorf("read chunk %s: %w", want, err)
	}
	return nil
}

// readChunk builds the chunk, and does so again if it came out wrong though each
// object's checksums were right: then every object's content is checked against
// its name, so that a copy which was written wrong gives way to another.
func (r *Reader) readChunk(ctx context.Context, c *coder, stack Stack, want Fingerprint, buf []byte) error {
	err := r.build(ctx, c, stack, want, buf, false)
	if isJoin(err) {
		err = r.build(ctx, c, stack, want, buf, true)
	}
	return err
}

// isJoin tells whether err came from joinError.
func isJoin(err error) bool {
	var corrupt *CorruptError
	return errors.As(err, &corrupt) && corrupt.Path == ""
}

// build puts the base into buf and applies the patches, comparing the fingerprint
// at each step.
func (r *Reader) build(ctx context.Context, c *coder, stack Stack, want Fingerprint, buf []byte, byName bool) error {
	if stack.Base.ID.IsZero() {
		clear(buf)
	} else if err := r.readObject(ctx, c, stack.Base, Chunk, byName, func(int) []byte { return buf }); err != nil {
		return err
	}
	h := r.store.cfg.Hasher
	if len(stack.Patches) == 0 && !h.matches(buf, want) {
		return joinError(stack.Base, Chunk, errWrongContent)
	}
	return r.lay(ctx, c, stack.Patches, h.matches, want, buf, byName)
}

// lay applies patches to the content in buf, comparing the fingerprint at
// each step. isBelow tells whether what is there before the first has a fingerprint.
func (r *Reader) lay(
	ctx context.Context, c *coder, patches []Ref, isBelow func([]byte, Fingerprint) bool, want Fingerprint, buf []byte, byName bool,
) error {
	h := r.store.cfg.Hasher
	var below Fingerprint
	for i, ref := range patches {
		err := r.readObject(ctx, c, ref, Patch, byName, func(n int) []byte {
			c.plain = sized(c.plain, n)
			return c.plain
		})
		if err != nil {
			return err
		}
		head, err := parsePatchHead(c.plain, len(buf), len(c.plain))
		if err != nil {
			return joinError(ref, Patch, err)
		}
		last := i == len(patches)-1
		switch {
		case i == 0 && !isBelow(buf, head.below), i > 0 && head.below != below:
			return joinError(ref, Patch, errPatchBelow)
		case last && head.result != want:
			return joinError(ref, Patch, errPatchResult)
		}
		if _, _, err := ApplyPatch(buf, c.plain); err != nil {
			return joinError(ref, Patch, err)
		}
		if !h.matches(buf, head.result) {
			return joinError(ref, Patch, errWrongContent)
		}
		below = head.result
	}
	return nil
}

// Extend turns buf, which holds the content of a chunk with the fingerprint below, into
// what the patches make of it, oldest first, and verifies each step as [Reader.ReadChunk]
// does. So a row of contents that build on each other is put together without reading any
// object twice. After an error buf holds anything.
func (r *Reader) Extend(ctx context.Context, buf []byte, below Fingerprint, patches []Ref, want Fingerprint) error {
	if len(buf) != r.store.cfg.ChunkSize || len(patches) == 0 {
		panic("chunkstore: Extend of what is no chunk, or by nothing")
	}
	c := r.store.coders.take()
	defer r.store.coders.give(c)
	isBelow := func(_ []byte, said Fingerprint) bool { return said == below }
	if err := r.lay(ctx, c, patches, isBelow, want, buf, false); err != nil {
		return fmt.Errorf("read chunk %s: %w", want, err)
	}
	return nil
}

// joinError reports an object that was read without damage and does not fit where
// the map has it.
func joinError(ref Ref, kind Kind, cause error) error {
	return &CorruptError{Pack: ref.Pack, Kind: kind, ID: ref.ID, Cause: cause}
}

// readObject reads an object from its best copy into what room gives for its
// length. With byName its content is compared with its name, too.
func (r *Reader) readObject(ctx context.Context, c *coder, ref Ref, kind Kind, byName bool, room func(n int) []byte) error {
	return r.withCopies(ctx, ref, kind, func(p *packFile, e Entry) error {
		dst := room(e.Plain)
		if len(dst) != e.Plain {
			return p.corruptObject(e, errTableRow)
		}
		if err := p.readObject(c, e, dst); err != nil {
			return err
		}
		if byName && r.store.cfg.Hasher.name(kind, dst) != ref.ID {
			return p.corruptObject(e, errWrongContent)
		}
		return nil
	})
}

// StoredSize tells how many bytes an object takes in its pack.
func (r *Reader) StoredSize(ctx context.Context, ref Ref, kind Kind) (int64, error) {
	var size int64
	err := r.withCopies(ctx, ref, kind, func(_ *packFile, e Entry) error {
		size = int64(e.Stored)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("find %s %s: %w", kind, ref.ID, err)
	}
	return size, nil
}
