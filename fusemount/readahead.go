package fusemount

import (
	"runtime"
	"sync"

	"varve/repository"
)

// A stream is somebody who reads on and on. Of one open file there may be several: a file
// system in the image, say.
type stream struct {
	next  int64 // where it is expected to go on
	run   int64 // bytes that it has read so far
	ahead int64 // up to where was read ahead
	used  uint64
}

// streams are those of one open image.
type streams struct {
	mu    sync.Mutex
	all   [maxStreams]stream
	clock uint64
}

const (
	maxStreams = 8
	// slack is how far from where it is expected a read may be: the kernel sends several at
	// the same moment, in any order.
	slack = 1 << 20
	// wholeFrom is what a stream has to have read until whole chunks are decoded for it.
	wholeFrom = 256 << 10
	// minAhead and maxAhead are how far is read ahead, in bytes.
	minAhead, maxAhead = 2 << 20, 16 << 20
)

// advance takes note of a read, and tells whether it is one of many in a row, and what is to
// be read ahead then.
func (s *streams) advance(off, length, limit int64) (sequential bool, from, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	var st *stream
	for i := range s.all {
		each := &s.all[i]
		if each.used > 0 && off >= each.next-slack && off <= each.next+slack {
			st = each
			break
		}
		if st == nil || each.used < st.used {
			st = each
		}
	}
	if off < st.next-slack || off > st.next+slack || st.used == 0 {
		*st = stream{next: off + length, ahead: off + length}
	}
	st.used = s.clock
	st.run += length
	st.next = max(st.next, off+length)
	if st.run < wholeFrom {
		return false, 0, 0
	}
	from = max(st.ahead, st.next)
	to = st.next + min(limit, max(minAhead, st.run))
	if to-from < min(limit, minAhead)/2 { // it is not worth it yet
		return true, 0, 0
	}
	st.ahead = to
	return true, from, to
}

// readAhead has the chunks decoded that are likely to be read next, and tells whether it is worth
// decoding whole chunks at all.
func (o *openImage) readAhead(image *repository.Image, off, length int64) (whole bool) {
	limit := min(maxAhead, o.m.opts.Cache/4)
	whole, from, to := o.streams.advance(off, length, limit)
	if from == to {
		return whole
	}
	chunkSize := int64(image.ChunkSize())
	for index := from / chunkSize; index*chunkSize < min(to, o.size); index++ {
		select {
		case o.m.prefetches <- prefetch{o, uint64(index)}:
		default: // all are busy: who reads will do it
			return whole
		}
	}
	return whole
}

// A prefetch is a chunk to be decoded before somebody asks for it.
type prefetch struct {
	o     *openImage
	index uint64
}

// runPrefetches decodes what is likely to be read, until the mount ends.
func (m *Mounted) runPrefetches() {
	for {
		select {
		case p := <-m.prefetches:
			m.prefetch(p)
		case <-m.ctx.Done():
			return
		}
	}
}

// prefetch decodes a chunk, unless it is here or somebody does. That it fails, who reads it will
// find out.
func (m *Mounted) prefetch(p prefetch) {
	image, done, open := p.o.acquireIfOpen()
	if !open {
		return
	}
	defer done()
	c, found, err := image.Chunk(p.index)
	if err != nil || !found || m.cache.has(pieceKey{c.Content, image.ChunkSize()/pieceSize - 1}) {
		return
	}
	key := pieceKey{c.Content, wholeChunk}
	call, first := m.decodes.begin(key)
	if !first {
		return
	}
	m.decodes.finish(key, call, m.decode(image, c, wholeChunk, func([]byte) {}))
}

// workers is how many decode ahead: a few more than there are processors, for some wait for a
// disk.
func workers() int { return runtime.GOMAXPROCS(0) + 2 }
