package fusemount

import (
	"context"
	"syscall"

	"varve/repository"
	"varve/revision"
)

// A reading is what a read came to: slices of room that the caller gave, and pieces of the
// cache, which are pinned until done is called.
type reading struct {
	cache  *cache
	slices [][]byte
	pins   []*piece
}

// add appends bytes that lie in memory.
func (r *reading) add(p []byte) {
	if len(p) > 0 {
		r.slices = append(r.slices, p)
	}
}

func (r *reading) done() {
	for _, p := range r.pins {
		r.cache.unpin(p)
	}
	r.pins = nil
}

// readAt reads what the image holds at off, up to len(room) bytes: less at its end only.
func (o *openImage) readAt(ctx context.Context, room []byte, off int64) (*reading, syscall.Errno) {
	l := o.m.layers.find(o.key)
	if l == nil || off >= o.size {
		return o.readBelow(ctx, room, off)
	}
	room = room[:min(int64(len(room)), o.size-off)]
	rest, err := l.overlay(room, off)
	if err != nil {
		return nil, o.m.ioError("an image cannot be read", err)
	}
	all := &reading{cache: o.m.cache}
	at := int64(0)
	for _, s := range rest {
		all.add(room[at:s.from])
		r, errno := o.readBelow(ctx, room[s.from:s.to], off+s.from)
		if errno != 0 {
			all.done()
			return nil, errno
		}
		all.slices, all.pins = append(all.slices, r.slices...), append(all.pins, r.pins...)
		at = s.to
	}
	all.add(room[at:])
	return all, 0
}

// readBelow reads what the revision holds, whatever was written above it.
func (o *openImage) readBelow(ctx context.Context, room []byte, off int64) (*reading, syscall.Errno) {
	r := &reading{cache: o.m.cache}
	if off >= o.size {
		return r, 0
	}
	room = room[:min(int64(len(room)), o.size-off)]
	image, done := o.acquire()
	defer done()
	whole := o.readAhead(image, off, int64(len(room)))
	chunkSize := int64(image.ChunkSize())
	for at := int64(0); at < int64(len(room)); {
		inChunk := (off + at) % chunkSize
		part := room[at:min(at+chunkSize-inChunk, int64(len(room)))]
		if err := r.readPart(ctx, o.m, image, uint64((off+at)/chunkSize), part, int(inChunk), whole); err != nil {
			r.done()
			return nil, o.m.failedRead(ctx, image, off+at, int64(len(part)), err)
		}
		at += int64(len(part))
	}
	return r, 0
}

// readPart reads a part of one chunk: of what is kept, or else by decoding the pieces that it
// touches, or all of the chunk.
func (r *reading) readPart(ctx context.Context, m *Mounted, image *repository.Image, index uint64, room []byte, off int, whole bool) error {
	c, found, err := image.Chunk(index)
	if err != nil {
		return err
	}
	if !found {
		clear(room)
		r.add(room)
		return nil
	}
	for len(room) > 0 {
		i, within := off/pieceSize, off%pieceSize
		n := min(pieceSize-within, len(room))
		if err := r.readPiece(ctx, m, image, c, i, room[:n], within, whole); err != nil {
			at := int64(index)*int64(image.ChunkSize()) + int64(i)*pieceSize
			return &pieceError{off: at, length: min(pieceSize, image.Size()-at), cause: err}
		}
		room, off = room[n:], off+n
	}
	return nil
}

// A pieceError reports a piece of an image that could not be read, or not all of it.
type pieceError struct {
	off, length int64
	cause       error
}

func (e *pieceError) Error() string { return e.cause.Error() }

func (e *pieceError) Unwrap() error { return e.cause }

// readPiece reads a part of one piece, and keeps the piece. While somebody decodes it, or its
// chunk, others wait for that.
func (r *reading) readPiece(ctx context.Context, m *Mounted, image *repository.Image, c revision.Chunk, i int, room []byte, within int, whole bool) error {
	key := pieceKey{c.Content, i}
	for {
		if r.isKept(m.cache, key, room, within) {
			return nil
		}
		want := key
		if whole {
			want.index = wholeChunk
		}
		call, first := m.decodes.begin(want)
		if !first {
			if err := call.wait(ctx); err != nil {
				return err
			}
			if call.err != nil && call.whole { // another piece may be hurt, and this one not
				whole = false
			}
			continue // it is kept; or so little is kept that it is gone again; or it is for each to try by its own image
		}
		if r.isKept(m.cache, key, room, within) { // since the look before, by a call that is done
			m.decodes.finish(want, call, nil)
			return nil
		}
		err := m.decode(image, c, want.index, func(data []byte) {
			if whole {
				data = data[i*pieceSize:]
			}
			copy(room, data[within:])
		})
		m.decodes.finish(want, call, err)
		switch {
		case err == nil:
			r.add(room)
			return nil
		case !whole:
			return r.exactly(image, c, i, room, within, err)
		}
		whole = false
	}
}

// isKept takes a part of a piece from the cache, if that has it.
func (r *reading) isKept(cache *cache, key pieceKey, room []byte, within int) bool {
	p := cache.pin(key)
	if p == nil {
		return false
	}
	r.pins = append(r.pins, p)
	r.add(p.data[within:][:len(room)])
	return true
}

// exactly reads no more than what is wanted of a piece that could not be read as a whole: the
// damage may lie beside it.
func (r *reading) exactly(image *repository.Image, c revision.Chunk, i int, room []byte, within int, err error) error {
	if len(room) == pieceSize || !repository.IsDamage(err) {
		return err
	}
	if _, err := image.ReadAt(room, int64(c.Index)*int64(image.ChunkSize())+int64(i*pieceSize+within)); err != nil {
		return err
	}
	r.add(room)
	return nil
}
