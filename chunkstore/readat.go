package chunkstore

import (
	"context"
	"fmt"
	"math/bits"
	"sync"
)

// ReadAt reads a part of a chunk into p, from off. It decodes only the segments it
// needs, of the base and of those patches that change blocks of the part, and
// verifies these, and that the fingerprints which the patches state join up.
func (r *Reader) ReadAt(ctx context.Context, stack Stack, want Fingerprint, p []byte, off int) error {
	size := r.store.cfg.ChunkSize
	if off < 0 || off > size || len(p) > size-off {
		panic("chunkstore: ReadAt beyond the chunk")
	}
	if len(p) == size {
		return r.ReadChunk(ctx, stack, want, p)
	}
	c := r.store.coders.take()
	defer r.store.coders.give(c)
	err := r.readPart(ctx, c, stack, want, p, off)
	if isJoin(err) {
		// A head does not fit. Whole objects can be compared with their names.
		r.heads.forget(stack.Patches)
		chunk := make([]byte, size)
		if err = r.readChunk(ctx, c, stack, want, chunk); err == nil {
			copy(p, chunk[off:])
		}
	}
	if err != nil {
		return fmt.Errorf("read %d bytes at %d of chunk %s: %w", len(p), off, want, err)
	}
	return nil
}

// readPart puts the part of the base into p and applies the patches, oldest first,
// all only where nothing above replaces whole blocks.
func (r *Reader) readPart(ctx context.Context, c *coder, stack Stack, want Fingerprint, p []byte, off int) error {
	if len(p) == 0 {
		return nil
	}
	heads := make([]patchHead, len(stack.Patches))
	for i := len(heads) - 1; i >= 0; i-- {
		var err error
		if heads[i], err = r.patchHead(ctx, c, stack.Patches[i]); err != nil {
			return err
		}
		if heads[i].result != want {
			return joinError(stack.Patches[i], Patch, errPatchResult)
		}
		want = heads[i].below
	}
	if stack.Base.ID.IsZero() != want.IsZero() {
		return joinError(stack.Base, Chunk, errPatchBelow)
	}
	part := newPart(p, off, heads)
	if stack.Base.ID.IsZero() {
		clear(p)
	} else if part.needs(0, nil) {
		err := r.withCopies(ctx, stack.Base, Chunk, func(f *packFile, e Entry) error { return part.readBase(c, f, e) })
		if err != nil {
			return err
		}
	}
	for i := range heads {
		if !part.needs(i+1, heads[i].changed) {
			continue
		}
		err := r.withCopies(ctx, stack.Patches[i], Patch, func(f *packFile, e Entry) error {
			return part.readPatch(c, f, e, heads[i], i+1)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// part is a part of a chunk being read through a stack of which level 0 is the base.
type part struct {
	p     []byte
	off   int
	first int   // block
	from  []int // for each block touched, the level that has all of its bytes
}

func newPart(p []byte, off int, heads []patchHead) part {
	t := part{p: p, off: off, first: off / BlockSize}
	t.from = make([]int, (off+len(p)-1)/BlockSize-t.first+1)
	for k := range t.from {
		for i := len(heads) - 1; i >= 0 && t.from[k] == 0; i-- {
			if block := t.first + k; heads[i].changes(block) && !heads[i].xors(block) {
				t.from[k] = i + 1
			}
		}
	}
	return t
}

// needs tells whether a level has bytes for any block of the part. A base, which
// has no bitmap, has all blocks.
func (t part) needs(level int, changed []byte) bool {
	for k, from := range t.from {
		if block := t.first + k; from <= level && (changed == nil || changed[block/8]>>(block%8)&1 != 0) {
			return true
		}
	}
	return false
}

// within is where block k of those touched lies in p, and where that begins in the block.
func (t part) within(k int) (dst []byte, skip int) {
	start := (t.first+k)*BlockSize - t.off
	lo, hi := max(0, start), min(len(t.p), start+BlockSize)
	return t.p[lo:hi], lo - start
}

func (t part) readBase(c *coder, f *packFile, e Entry) error {
	frame, err := openFrame(c, f, e)
	if err != nil {
		return err
	}
	for k, from := range t.from {
		if from != 0 {
			continue
		}
		dst, skip := t.within(k)
		if err := frame.read(dst, (t.first+k)*BlockSize+skip); err != nil {
			return err
		}
	}
	return nil
}

// readPatch reads the blocks that a patch has of this part, all before any is
// applied: if this copy turns out to be hurt, the next begins from the same bytes.
func (t part) readPatch(c *coder, f *packFile, e Entry, h patchHead, level int) error {
	if e.Plain != h.length() {
		return f.corruptObject(e, errPatchLength)
	}
	frame, err := openFrame(c, f, e)
	if err != nil {
		return err
	}
	c.chunk = sized(c.chunk, len(t.p))
	for _, apply := range []bool{false, true} {
		at := 0
		for k, from := range t.from {
			block := t.first + k
			if from > level || !h.changes(block) {
				continue
			}
			dst, skip := t.within(k)
			src := c.chunk[at:][:len(dst)]
			at += len(dst)
			switch {
			case !apply:
				if err := frame.read(src, h.position(block)+skip); err != nil {
					return err
				}
			case h.xors(block):
				xorInto(dst, src)
			default:
				copy(dst, src)
			}
		}
	}
	return nil
}

// partialFrame reads parts of one object.
type partialFrame struct {
	c       *coder
	file    *packFile
	entry   Entry
	head    frameHead
	decoded int // the segment that c.segment holds, -1: none
}

// openFrame reads and verifies the head of a frame, with one read in the usual case.
func openFrame(c *coder, f *packFile, e Entry) (*partialFrame, error) {
	n := frameHeader{segmentLog: segmentLog, plain: uint32(e.Plain)}.headLen()
	for {
		n = min(n, e.Stored)
		c.head = sized(c.head, n)
		if err := f.read(f.info.ID, c.head, e.Offset); err != nil {
			return nil, err
		}
		header, err := parseFrameHeader(c.head)
		if err == nil && header.headLen() > n && n < e.Stored {
			n = header.headLen()
			continue
		}
		head, err := parseFrameHead(c.head)
		switch {
		case err != nil:
		case head.kind != e.Kind || head.id != e.ID:
			err = errOtherObject
		case int(head.plain) != e.Plain || int(head.rest) != e.Stored-frameHeaderLen:
			err = errFrameLength
		}
		if err != nil {
			return nil, f.corruptObject(e, err)
		}
		return &partialFrame{c: c, file: f, entry: e, head: head, decoded: -1}, nil
	}
}

// read fills dst with the plain bytes from off.
func (f *partialFrame) read(dst []byte, off int) error {
	for len(dst) > 0 {
		i := off >> f.head.segmentLog
		if err := f.decode(i); err != nil {
			return err
		}
		n := copy(dst, f.c.segment[off-i<<f.head.segmentLog:])
		dst, off = dst[n:], off+n
	}
	return nil
}

// decode makes segment i the one in c.segment.
func (f *partialFrame) decode(i int) error {
	if f.decoded == i {
		return nil
	}
	f.decoded = -1
	f.c.frame = sized(f.c.frame, f.head.storedLen(i))
	if err := f.file.read(f.file.info.ID, f.c.frame, f.entry.Offset+int64(f.head.offset(i))); err != nil {
		return err
	}
	f.c.segment = sized(f.c.segment, f.head.plainLen(i))
	if err := f.head.openSegment(f.c, i, f.c.segment, f.c.frame); err != nil {
		return f.file.corruptObject(f.entry, err)
	}
	f.decoded = i
	return nil
}

// patchHead gives the head of a patch, which tells what it changes.
func (r *Reader) patchHead(ctx context.Context, c *coder, ref Ref) (patchHead, error) {
	if h, ok := r.heads.get(ref.ID); ok {
		return h, nil
	}
	var head patchHead
	err := r.withCopies(ctx, ref, Patch, func(f *packFile, e Entry) error {
		frame, err := openFrame(c, f, e)
		if err != nil {
			return err
		}
		b := make([]byte, min(e.Plain, patchHeadLen(r.store.cfg.ChunkSize)))
		if err := frame.read(b, 0); err != nil {
			return err
		}
		if head, err = parsePatchHead(b, r.store.cfg.ChunkSize, e.Plain); err != nil {
			return f.corruptObject(e, err)
		}
		return nil
	})
	if err != nil {
		return patchHead{}, err
	}
	r.heads.put(ref.ID, head)
	return head, nil
}

// CountBlocks tells how many blocks some patches hold, and how many of the chunk's they
// change together: what one holds of a block that a later one has too, nobody sees. It
// reads no more than the first segment of each.
func (r *Reader) CountBlocks(ctx context.Context, patches []Ref) (held, changed int, err error) {
	c := r.store.coders.take()
	defer r.store.coders.give(c)
	all := make([]byte, r.store.cfg.ChunkSize/BlockSize/8)
	for _, ref := range patches {
		head, err := r.patchHead(ctx, c, ref)
		if err != nil {
			return 0, 0, fmt.Errorf("read what patch %s changes: %w", ref.ID, err)
		}
		for i, b := range head.changed {
			held += bits.OnesCount8(b)
			all[i] |= b
		}
	}
	for _, b := range all {
		changed += bits.OnesCount8(b)
	}
	return held, changed, nil
}

// headCache keeps the heads of patches read from lately: without it, each read
// through a patch decodes its first segment, too.
type headCache struct {
	mu    sync.Mutex
	heads map[ID]patchHead
	bytes int
}

const maxHeadBytes = 4 << 20

func (h *headCache) get(id ID) (patchHead, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	head, ok := h.heads[id]
	return head, ok
}

func (h *headCache) put(id ID, head patchHead) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.heads == nil || h.bytes > maxHeadBytes {
		h.heads, h.bytes = map[ID]patchHead{}, 0
	}
	h.heads[id] = head
	h.bytes += 128 + 2*len(head.changed)
}

func (h *headCache) forget(patches []Ref) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ref := range patches {
		delete(h.heads, ref.ID)
	}
}
