package fusemount

import (
	"fmt"
	"sync"
	"syscall"

	"varve/chunkstore"
)

// pieceSize is how chunks are kept, in bytes: as large as what is decoded to read a few
// bytes, and no larger than a chunk.
const pieceSize = 64 << 10

// A pieceKey names a piece by what its chunk holds, so that all revisions share it.
type pieceKey struct {
	content chunkstore.ID
	index   int // in the chunk
}

// A cache keeps the pieces that were used last. Its bytes lie outside of what the garbage
// collector looks after, which otherwise would let as much again be garbage.
type cache struct {
	shards [cacheShards]cacheShard
	slabs  slabs
}

const cacheShards = 16

type cacheShard struct {
	mu     sync.Mutex
	pieces map[pieceKey]*piece
	newest *piece // of a ring
	free   [][]byte
	room   int // pieces that may be taken still
}

// A piece is in a ring, in the order of use.
type piece struct {
	key          pieceKey
	data         []byte
	pins         int // by who hands its bytes to the kernel: it stays
	older, newer *piece
}

func newCache(bytes int64) *cache {
	c := &cache{}
	for i := range c.shards {
		c.shards[i] = cacheShard{pieces: map[pieceKey]*piece{}, room: int(bytes / pieceSize / cacheShards)}
	}
	return c
}

// shard is where a piece lies; those of one chunk lie in all.
func (c *cache) shard(key pieceKey) *cacheShard {
	return &c.shards[(int(key.content[0])+key.index)%cacheShards]
}

// pin finds a piece, and keeps it as it is until unpin.
func (c *cache) pin(key pieceKey) *piece {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pieces[key]
	if p == nil {
		return nil
	}
	s.unlink(p)
	s.link(p)
	p.pins++
	return p
}

func (c *cache) unpin(p *piece) {
	s := c.shard(p.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	p.pins--
}

// has tells whether a piece is here. It does not count as a use.
func (c *cache) has(key pieceKey) bool {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pieces[key] != nil
}

// keep copies a piece, and gives up what was not used for the longest time.
func (c *cache) keep(key pieceKey, data []byte) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pieces[key] != nil {
		return
	}
	var room []byte
	switch {
	case len(s.free) > 0:
		room = s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
	case s.room > 0:
		taken, err := c.slabs.take(min(s.room, slabPieces) * pieceSize)
		if err != nil { // then what there is has to do
			s.room = 0
			s.keepIn(key, data)
			return
		}
		for ; len(taken) > pieceSize; taken = taken[pieceSize:] {
			s.free = append(s.free, taken[:pieceSize:pieceSize])
			s.room--
		}
		room = taken
		s.room--
	default:
		s.keepIn(key, data)
		return
	}
	s.add(key, room, data)
}

// keepIn puts a piece in the place of another, unless all of them are pinned.
func (s *cacheShard) keepIn(key pieceKey, data []byte) {
	if s.newest == nil {
		return
	}
	oldest := s.newest.newer // the ring closes there
	for oldest.pins > 0 {
		if oldest == s.newest {
			return
		}
		oldest = oldest.newer
	}
	s.unlink(oldest)
	delete(s.pieces, oldest.key)
	s.add(key, oldest.data, data)
}

func (s *cacheShard) add(key pieceKey, room, data []byte) {
	p := &piece{key: key, data: room}
	copy(p.data, data)
	s.pieces[key] = p
	s.link(p)
}

// link puts a piece into the ring, as the newest.
func (s *cacheShard) link(p *piece) {
	if s.newest == nil {
		p.older, p.newer = p, p
	} else {
		p.older, p.newer = s.newest, s.newest.newer
		p.older.newer, p.newer.older = p, p
	}
	s.newest = p
}

func (s *cacheShard) unlink(p *piece) {
	if p.older == p {
		s.newest = nil
		return
	}
	p.older.newer, p.newer.older = p.newer, p.older
	if s.newest == p {
		s.newest = p.older
	}
}

// close gives the memory back. Nobody may use the cache any more.
func (c *cache) close() error { return c.slabs.close() }

// slabs is memory from the kernel.
type slabs struct {
	mu    sync.Mutex
	taken [][]byte
}

// slabPieces is how many pieces are taken at once.
const slabPieces = 16

func (s *slabs) take(size int) ([]byte, error) {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("take memory: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, b)
	return b, nil
}

func (s *slabs) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.taken {
		if err := syscall.Munmap(b); err != nil {
			return fmt.Errorf("give memory back: %w", err)
		}
	}
	s.taken = nil
	return nil
}
