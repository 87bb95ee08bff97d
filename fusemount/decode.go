package fusemount

import (
	"context"
	"sync"

	"varve/repository"
	"varve/revision"
)

// decode decodes one piece, or the whole chunk, shows it to look, and keeps it.
func (m *Mounted) decode(image *repository.Image, c revision.Chunk, i int, look func(data []byte)) error {
	size := pieceSize
	if i == wholeChunk {
		size = image.ChunkSize()
	}
	buf := m.buffers.get(size)
	defer m.buffers.put(buf)
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

// A decodeGroup knows which pieces, and chunks, are being decoded, so that who needs one of
// them waits instead of decoding it again. Other than with singleflight of x/sync, who needs
// a piece waits for its whole chunk, too, and leaves when interrupted.
type decodeGroup struct {
	mu  sync.Mutex
	all map[pieceKey]*decodeCall
}

// A decodeCall ends with an error, or with what it was for in the cache.
type decodeCall struct {
	done  chan struct{}
	whole bool  // of all pieces of a chunk
	err   error // once it is done
}

// begin finds the call that is under way, or makes one: then it is to be finished. A piece is
// waited for with its whole chunk, if that is under way.
func (g *decodeGroup) begin(key pieceKey) (c *decodeCall, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.all[pieceKey{key.content, wholeChunk}]; c != nil {
		return c, false
	}
	if c := g.all[key]; c != nil {
		return c, false
	}
	c = &decodeCall{done: make(chan struct{}), whole: key.index == wholeChunk}
	g.all[key] = c
	return c, true
}

func (g *decodeGroup) finish(key pieceKey, c *decodeCall, err error) {
	g.mu.Lock()
	delete(g.all, key)
	g.mu.Unlock()
	c.err = err
	close(c.done)
}

// wait waits until the call is done, or who waits has been interrupted.
func (c *decodeCall) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// buffers are lent to who decodes.
type buffers struct{ pool sync.Pool }

func (b *buffers) get(size int) *[]byte {
	buf, ok := b.pool.Get().(*[]byte)
	if !ok || cap(*buf) < size {
		made := make([]byte, size)
		buf = &made
	}
	*buf = (*buf)[:size]
	return buf
}

func (b *buffers) put(buf *[]byte) { b.pool.Put(buf) }
