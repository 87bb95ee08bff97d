package fusemount

import (
	"bytes"
	"testing"

	"varve/chunkstore"
)

// A cache holds what was used last, no more than it has room for, and leaves alone what is
// pinned.
func TestCache(t *testing.T) {
	const room = 4 * cacheShards
	c := newCache(room * pieceSize)
	defer func() { _ = c.close() }()
	key := func(i int) pieceKey { return pieceKey{chunkstore.ID{byte(i), byte(i >> 8), 1}, 0} }
	data := func(i int) []byte { return bytes.Repeat([]byte{byte(i), byte(i >> 8)}, pieceSize/2) }
	c.keep(key(0), data(0))
	pinned := c.pin(key(0))
	for i := 1; i < 4*room; i++ {
		c.keep(key(i), data(i))
		if p := c.pin(key(i)); p == nil || !bytes.Equal(p.data, data(i)) {
			t.Fatalf("piece %d is not what was kept", i)
		} else {
			c.unpin(p)
		}
	}
	if !bytes.Equal(pinned.data, data(0)) {
		t.Error("what was pinned holds something else")
	}
	c.unpin(pinned)
	held := 0
	for i := range 4 * room {
		if c.has(key(i)) {
			held++
		}
	}
	if held != room {
		t.Errorf("%d pieces are held, with room for %d", held, room)
	}
	if c.has(key(1)) || !c.has(key(4*room-1)) {
		t.Error("it is not the oldest that went")
	}
	var taken int
	for _, slab := range c.slabs.taken {
		taken += len(slab)
	}
	if taken != room*pieceSize {
		t.Errorf("%d bytes are taken, with room for %d", taken, room*pieceSize)
	}
}

// All pieces pinned, nothing more is kept, and nothing breaks.
func TestCacheOfPinnedPieces(t *testing.T) {
	c := newCache(cacheShards * pieceSize)
	defer func() { _ = c.close() }()
	a, b := pieceKey{chunkstore.ID{1}, 0}, pieceKey{chunkstore.ID{1}, cacheShards}
	c.keep(a, bytes.Repeat([]byte{1}, pieceSize))
	p := c.pin(a)
	c.keep(b, bytes.Repeat([]byte{2}, pieceSize))
	if c.has(b) || p.data[0] != 1 {
		t.Error("a pinned piece gave way")
	}
	c.unpin(p)
	c.keep(b, bytes.Repeat([]byte{2}, pieceSize))
	if !c.has(b) || c.has(a) {
		t.Error("a piece that is pinned no more did not give way")
	}
}
