package fusemount

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"syscall"

	"varve/chunkstore"
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
func (o *opened) readAt(ctx context.Context, room []byte, off int64) (*reading, syscall.Errno) {
	l := o.m.layers.find(o.key)
	if l == nil || off >= o.size {
		return o.readBelow(ctx, room, off)
	}
	room = room[:min(int64(len(room)), o.size-off)]
	rest, err := l.overlay(room, off)
	if err != nil {
		return nil, o.m.trouble("an image cannot be read", err)
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
func (o *opened) readBelow(ctx context.Context, room []byte, off int64) (*reading, syscall.Errno) {
	r := &reading{cache: o.m.cache}
	if off >= o.size {
		return r, 0
	}
	room = room[:min(int64(len(room)), o.size-off)]
	image, done := o.take()
	defer done()
	whole := o.ahead(image, off, int64(len(room)))
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
		f, first := m.flights.join(want)
		if !first {
			if err := f.wait(ctx); err != nil {
				return err
			}
			if f.err != nil && f.whole { // another piece may be hurt, and this one not
				whole = false
			}
			continue // it is kept; or so little is kept that it is gone again; or it is for each to try by its own image
		}
		if r.isKept(m.cache, key, room, within) { // since the look before, by one that has landed
			m.flights.land(want, f, nil)
			return nil
		}
		err := m.decode(image, c, want.index, func(data []byte) {
			if whole {
				data = data[i*pieceSize:]
			}
			copy(room, data[within:])
		})
		m.flights.land(want, f, err)
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
	if len(room) == pieceSize || !isDamage(err) {
		return err
	}
	if _, err := image.ReadAt(room, int64(c.Index)*int64(image.ChunkSize())+int64(i*pieceSize+within)); err != nil {
		return err
	}
	r.add(room)
	return nil
}

// decode decodes one piece, or the whole chunk, shows it to look, and keeps it.
func (m *Mounted) decode(image *repository.Image, c revision.Chunk, i int, look func(data []byte)) error {
	size := pieceSize
	if i == wholeChunk {
		size = image.ChunkSize()
	}
	buf := m.buffers.take(size)
	defer m.buffers.give(buf)
	if i == wholeChunk {
		if err := image.ReadChunk(m.ctx, c, *buf); err != nil {
			return err
		}
	} else if err := decodePiece(image, c, i, *buf); err != nil {
		return err
	}
	look(*buf)
	if i != wholeChunk {
		m.cache.keep(pieceKey{c.Content, i}, *buf)
		return nil
	}
	for k := 0; k*pieceSize < size; k++ {
		m.cache.keep(pieceKey{c.Content, k}, (*buf)[k*pieceSize:][:pieceSize])
	}
	return nil
}

// decodePiece reads a piece of a chunk, of which the last one of an image may have less; what
// lies beyond the end is zeros.
func decodePiece(image *repository.Image, c revision.Chunk, i int, buf []byte) error {
	at := int64(c.Index)*int64(image.ChunkSize()) + int64(i)*pieceSize
	n := min(int64(len(buf)), image.Size()-at)
	clear(buf[n:])
	_, err := image.ReadAt(buf[:n], at)
	return err
}

// wholeChunk stands for all pieces of a chunk.
const wholeChunk = -1

// flights are pieces, and chunks, that are being decoded.
type flights struct {
	mu  sync.Mutex
	all map[pieceKey]*flight
}

// A flight ends with an error, or with what it was for in the cache.
type flight struct {
	landed chan struct{}
	whole  bool  // of all pieces of a chunk
	err    error // once it has landed
}

// join finds the flight, or begins it: then it is to be landed. A piece is waited for with
// its whole chunk, if that is under way.
func (f *flights) join(key pieceKey) (fl *flight, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.all[pieceKey{key.content, wholeChunk}]; fl != nil {
		return fl, false
	}
	if fl := f.all[key]; fl != nil {
		return fl, false
	}
	fl = &flight{landed: make(chan struct{}), whole: key.index == wholeChunk}
	f.all[key] = fl
	return fl, true
}

func (f *flights) land(key pieceKey, fl *flight, err error) {
	f.mu.Lock()
	delete(f.all, key)
	f.mu.Unlock()
	fl.err = err
	close(fl.landed)
}

// wait waits until the flight has landed, or who waits has been interrupted.
func (fl *flight) wait(ctx context.Context) error {
	select {
	case <-fl.landed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// buffers are lent to who decodes.
type buffers struct{ pool sync.Pool }

func (b *buffers) take(size int) *[]byte {
	buf, ok := b.pool.Get().(*[]byte)
	if !ok || cap(*buf) < size {
		made := make([]byte, size)
		buf = &made
	}
	*buf = (*buf)[:size]
	return buf
}

func (b *buffers) give(buf *[]byte) { b.pool.Put(buf) }

// isDamage tells whether stored bytes are to blame.
func isDamage(err error) bool {
	corrupt := new(chunkstore.CorruptError)
	file := new(repository.DamagedFileError)
	wrong := new(revision.CorruptError)
	return errors.As(err, &corrupt) || errors.As(err, &file) || errors.As(err, &wrong) ||
		errors.Is(err, chunkstore.ErrNotFound)
}

// failedRead makes an errno of a read that failed, having told what is lost by it.
func (m *Mounted) failedRead(ctx context.Context, image *repository.Image, off, length int64, err error) syscall.Errno {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return syscall.EINTR
	}
	corrupt := new(chunkstore.CorruptError)
	if piece := new(pieceError); errors.As(err, &piece) {
		off, length = piece.off, piece.length
	}
	if !m.isNews(image, off) {
		return syscall.EIO
	}
	args := []any{"volume", image.Volume().Name, "revision", image.Statement().ID, "offset", off, "length", length, "error", err}
	if !isDamage(err) {
		m.opts.Log.Warn("bytes of an image cannot be read", args...)
		return syscall.EIO
	}
	m.opts.Log.Error("bytes of an image are lost", args...)
	if errors.As(err, &corrupt) {
		if rerr := m.repo.RecordDamage(m.ctx, corrupt); rerr != nil && !errors.Is(rerr, repository.ErrReadOnly) && !errors.Is(rerr, fs.ErrPermission) {
			m.opts.Log.Warn("damage could not be noted", "error", rerr)
		}
	}
	return syscall.EIO
}

// isNews tells whether it was not said before that these bytes cannot be read. The kernel
// asks for the same ones again and again.
func (m *Mounted) isNews(image *repository.Image, off int64) bool {
	place := lostPlace{imageKey{image.Volume().UUID, image.Statement().ID}, off / pieceSize}
	m.lostMu.Lock()
	defer m.lostMu.Unlock()
	if m.lost[place] {
		return false
	}
	if len(m.lost) >= maxLost {
		clear(m.lost)
	}
	m.lost[place] = true
	return true
}

// A lostPlace is a piece of an image that could not be read.
type lostPlace struct {
	image imageKey
	piece int64
}

// maxLost bounds how many places are remembered to have been told of.
const maxLost = 4096
