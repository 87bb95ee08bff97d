package chunkstore_test

import (
	"bytes"
	"math"
	"testing"

	"varve/chunkstore"
)

// What takes more room than it may is not stored, and hurts nothing else.
func TestPutWithin(t *testing.T) {
	p := newPlace(t)
	s := p.open()
	below := chunk(1)
	above := bytes.Clone(below)
	copy(above[5*chunkstore.BlockSize:], chunk(2)[:2*chunkstore.BlockSize])
	w := p.writerWith(s, chunkstore.WriterConfig{Codec: chunkstore.Zstd})
	chunkWithin := func(most int64) (chunkstore.Put, bool, error) {
		return w.PutChunkWithin(t.Context(), p.hasher.ChunkID(below), below, most)
	}
	patchWithin := func(most int64) (chunkstore.Put, bool, error) {
		return w.PutPatchWithin(t.Context(), below, above, p.fingerprint(below), p.fingerprint(above), most)
	}
	for name, put := range map[string]func(int64) (chunkstore.Put, bool, error){"chunk": chunkWithin, "patch": patchWithin} {
		if got, within, err := put(100); within || err != nil || got != (chunkstore.Put{}) {
			t.Errorf("%s within 100 bytes: %+v, %t, %v", name, got, within, err)
		}
		got, within, err := put(math.MaxInt64)
		if !within || err != nil || got.Stored == 0 {
			t.Fatalf("%s within any room: %+v, %t, %v", name, got, within, err)
		}
	}
	p.barrier(w)
	again := p.writerWith(s, chunkstore.WriterConfig{Codec: chunkstore.Zstd})
	exact, within, err := again.PutPatchWithin(t.Context(), below, above, p.fingerprint(below), p.fingerprint(above), 1<<20)
	if err != nil || !within {
		t.Fatal(within, err)
	}
	if _, within, err = p.writerWith(s, chunkstore.WriterConfig{Codec: chunkstore.Zstd}).PutPatchWithin(
		t.Context(), below, above, p.fingerprint(below), p.fingerprint(above), exact.Stored); err != nil || !within {
		t.Errorf("a patch of just as many bytes as it may take: %t, %v", within, err)
	}
}

func TestCountBlocks(t *testing.T) {
	p := newPlace(t)
	s := p.open()
	w := p.writer(s)
	now := chunk(1)
	var patches []chunkstore.Ref
	for _, blocks := range [][]int{{1, 2, 3}, {3, 4}, {9}, {1}} {
		was := bytes.Clone(now)
		for _, b := range blocks {
			copy(now[b*chunkstore.BlockSize:], chunk(uint64(100 + 10*len(patches) + b))[:chunkstore.BlockSize])
		}
		put, _, err := w.PutPatch(t.Context(), was, now, p.fingerprint(was), p.fingerprint(now))
		if err != nil {
			t.Fatal(err)
		}
		patches = append(patches, put.Ref)
	}
	p.barrier(w)
	r := s.Reader(nil)
	defer closeReader(t, r)
	held, changed, err := r.CountBlocks(t.Context(), patches)
	if err != nil || held != 7 || changed != 5 {
		t.Errorf("%d blocks in %d places, %v; want 7 in 5", held, changed, err)
	}
	if _, _, err := r.CountBlocks(t.Context(), []chunkstore.Ref{{ID: chunkstore.ID{1}}}); err == nil {
		t.Error("a patch that is not there has blocks")
	}
}
