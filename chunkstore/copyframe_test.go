package chunkstore_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"

	"varve/chunkstore"
)

// entry finds an object in a pack's table of contents.
func (p *place) entry(s *chunkstore.Store, ref chunkstore.Ref) chunkstore.Entry {
	p.t.Helper()
	pack, err := s.Pack(ref.Pack)
	if err != nil {
		p.t.Fatal(err)
	}
	for e := range pack.Entries() {
		if e.ID == ref.ID {
			return e
		}
	}
	p.t.Fatalf("%s is not in pack %s", ref.ID, ref.Pack)
	return chunkstore.Entry{}
}

func (p *place) frame(s *chunkstore.Store, ref chunkstore.Ref) []byte {
	p.t.Helper()
	e := p.entry(s, ref)
	data, err := os.ReadFile(p.path(ref.Pack))
	if err != nil {
		p.t.Fatal(err)
	}
	return data[e.Offset:][:e.Stored]
}

func TestCopyTakesFramesOverBitForBit(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	base := p.store(s, chunk(1))[0]
	below := p.writer(s)
	now := bytes.Clone(chunk(1))
	now[5000] ^= 1
	patch, _, err := below.PutPatch(t.Context(), chunk(1), now, p.hasher.Fingerprint(chunk(1)), p.hasher.Fingerprint(now))
	if err != nil {
		t.Fatal(err)
	}
	p.barrier(below)

	w := p.writerWith(s, chunkstore.WriterConfig{Codec: chunkstore.None}) // whatever the codec
	var moved []chunkstore.Ref
	for _, ref := range []chunkstore.Ref{base.Ref, patch.Ref} {
		put, err := w.Copy(t.Context(), ref.Pack, p.entry(s, ref))
		if err != nil || put.Found || put.Ref.ID != ref.ID || put.Ref.Pack == ref.Pack || put.Stored != int64(p.entry(s, ref).Stored) {
			t.Fatalf("Copy = %+v, %v", put, err)
		}
		again, err := w.Copy(t.Context(), ref.Pack, p.entry(s, ref))
		if err != nil || !again.Found || again.Ref != put.Ref {
			t.Errorf("once more: %+v, %v", again, err)
		}
		moved = append(moved, put.Ref)
	}
	p.barrier(w)
	for i, ref := range []chunkstore.Ref{base.Ref, patch.Ref} {
		if !bytes.Equal(p.frame(s, moved[i]), p.frame(s, ref)) {
			t.Errorf("frame %d is another one", i)
		}
	}
	p.remove(base.Ref.Pack)
	p.remove(patch.Ref.Pack)
	r := s.Reader(nil)
	defer closeReader(t, r)
	p.mustRead(r, chunkstore.Stack{Base: moved[0], Patches: moved[1:]}, now)
}

// Of what is damaged there is no copy, and the Writer goes on.
func TestCopyRefusesDamage(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	puts := p.store(s, chunk(1), chunk(2))
	first, second := p.entry(s, puts[0].Ref), p.entry(s, puts[1].Ref)
	flip(t, p.path(puts[0].Ref.Pack), first.Offset+int64(first.Stored)-1)
	w := p.writer(s)
	if _, err := w.Copy(t.Context(), puts[0].Ref.Pack, first); !isCorrupt(err) {
		t.Errorf("Copy of a damaged frame = %v", err)
	}
	wrong := second
	wrong.ID[0] ^= 1
	if _, err := w.Copy(t.Context(), puts[1].Ref.Pack, wrong); !isCorrupt(err) {
		t.Errorf("Copy of another object = %v", err)
	}
	liar := p.writerWith(s, chunkstore.WriterConfig{})
	lie, err := liar.PutChunk(t.Context(), p.hasher.ChunkID(chunk(4)), chunk(5)) // by bad memory
	if err != nil {
		t.Fatal(err)
	}
	p.barrier(liar)
	if _, err := w.Copy(t.Context(), lie.Ref.Pack, p.entry(s, lie.Ref)); !isCorrupt(err) {
		t.Errorf("Copy of what was written wrong = %v", err)
	}
	put, err := w.Copy(t.Context(), puts[1].Ref.Pack, second)
	if err != nil || w.Err() != nil {
		t.Fatalf("Copy = %v, then %v", err, w.Err())
	}
	p.barrier(w)
	if err := s.CheckObjects(t.Context(), put.Ref.Pack, []chunkstore.Entry{second}, func(_ chunkstore.Entry, err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
}

func TestCheckObjects(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	puts := p.store(s, chunk(1), chunk(2))
	other := p.store(s, chunk(3))[0]
	pack := puts[0].Ref.Pack
	entries := []chunkstore.Entry{p.entry(s, puts[0].Ref), p.entry(s, puts[1].Ref), p.entry(s, other.Ref)}
	flip(t, p.path(pack), entries[0].Offset+int64(entries[0].Stored)-1)
	var bad []chunkstore.ID
	err := s.CheckObjects(t.Context(), pack, entries, func(e chunkstore.Entry, err error) {
		bad = append(bad, e.ID)
		if absent := e.ID == other.Ref.ID; errors.Is(err, chunkstore.ErrNotFound) != absent || isCorrupt(err) == absent {
			t.Errorf("%s: %v", e.ID, err)
		}
	})
	if want := []chunkstore.ID{puts[0].Ref.ID, other.Ref.ID}; err != nil || !slices.Equal(bad, want) {
		t.Errorf("bad are %v, %v, want %v", bad, err, want)
	}
	flip(t, p.path(pack), -90)
	if err := s.CheckObjects(t.Context(), pack, entries, func(chunkstore.Entry, error) {}); !isCorrupt(err) {
		t.Errorf("of a pack that is damaged: %v", err)
	}
}

// What a Writer sealed can be taken back, and what others sealed stays.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	put := p.store(s, chunk(1))[0]
	w := p.writer(s)
	p.put(w, chunk(1)) // found
	own := p.put(w, chunk(2))
	p.barrier(w)
	for range 2 {
		if err := errors.Join(w.Close(), w.Withdraw()); err != nil {
			t.Fatal(err)
		}
		if packs, err := s.PackIDs(); err != nil || !slices.Equal(packs, []chunkstore.PackID{put.Ref.Pack}) {
			t.Errorf("packs are %v, %v", packs, err)
		}
	}
	if again := p.put(p.writer(s), chunk(2)); again.Found || again.Ref.Pack == own.Ref.Pack {
		t.Errorf("found again: %+v", again)
	}
}
