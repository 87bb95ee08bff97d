package chunkstore_test

import (
	"errors"
	"testing"

	"varve/chunkstore"
)

// Where there is no room for another pack, nothing that was finished is lost, not
// even what is being sealed just then.
func TestWithoutRoomFinishedPacksStay(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	errFull := errors.New("full")
	room := 2
	w := p.writerWith(s, chunkstore.WriterConfig{
		Codec: chunkstore.None, Usable: anyPack, PackSize: 3 * chunkSize,
		Room: func() error {
			if room--; room < 0 {
				return errFull
			}
			return nil
		},
	})
	var puts []chunkstore.Put
	const fit = 2 * 3
	for n := range uint64(fit) {
		puts = append(puts, p.put(w, chunk(n)))
	}
	for range 2 {
		if _, err := w.PutChunk(t.Context(), p.hasher.ChunkID(chunk(99)), chunk(99)); !errors.Is(err, errFull) {
			t.Fatalf("a put without room: %v", err)
		}
	}
	if put := p.put(w, chunk(0)); !put.Found {
		t.Error("what is there already needs no room")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	next := p.writer(s)
	for n, before := range puts {
		if put := p.put(next, chunk(uint64(n))); !put.Found || put.Ref != before.Ref {
			t.Errorf("chunk %d: %+v, was %+v", n, put, before)
		}
	}
	if put := p.put(next, chunk(99)); put.Found {
		t.Error("what was refused is there")
	}
}
