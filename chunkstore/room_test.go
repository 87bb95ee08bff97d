package chunkstore_test

import (
	"errors"
	"io/fs"
	"path/filepath"
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
		Room: func(int64) error {
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

// Whatever the size of packs: once there is no room, at most a step more than what was
// there is taken, also when all that was begun is finished.
func TestRoomIsAskedForWithinAPack(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	const most = 3 * chunkstore.RoomStep
	errFull := errors.New("full")
	w := p.writerWith(s, chunkstore.WriterConfig{
		Codec: chunkstore.None, Usable: anyPack,
		Room: func(pending int64) error {
			if p.used()+pending > most {
				return errFull
			}
			return nil
		},
	})
	var err error
	put := 0
	for n := uint64(0); err == nil; n++ {
		if _, err = w.PutChunk(t.Context(), p.hasher.ChunkID(chunk(n)), chunk(n)); err == nil {
			put++
		}
		if put*chunkSize > 10*most {
			t.Fatal("nobody asks whether there is room")
		}
	}
	if !errors.Is(err, errFull) {
		t.Fatal(err)
	}
	if _, err := w.PutChunk(t.Context(), p.hasher.ChunkID(chunk(9999)), chunk(9999)); !errors.Is(err, errFull) {
		t.Errorf("another put without room: %v", err)
	}
	if put*chunkSize < most-chunkSize {
		t.Errorf("%d bytes were put, of %d for which there is room", put*chunkSize, most)
	}
	if err := w.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if used := p.used(); used > most+chunkstore.RoomStep {
		t.Errorf("%d bytes are used, %d were to be free", used, most)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// What packs will take is nothing once all are finished.
func TestNothingIsPendingWhenAllIsWritten(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var asked []int64
	w := p.writerWith(p.open(), chunkstore.WriterConfig{
		Codec: chunkstore.LZ4, Usable: anyPack, PackSize: 2 * chunkSize,
		Room: func(pending int64) error {
			asked = append(asked, pending)
			return nil
		},
	})
	for n := range uint64(20) {
		p.put(w, chunk(n))
		if err := w.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, pending := range asked {
		if pending <= 0 || pending > chunkSize+4096 {
			t.Errorf("pack %d: %d bytes are pending, want those of a chunk", i, pending)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// used is what all files of the place take.
func (p *place) used() (total int64) {
	p.t.Helper()
	err := filepath.WalkDir(p.dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return total
}
