package repository_test

import (
	"testing"

	"varve/chunkstore"
	"varve/revision"
)

func TestAdoptCopy(t *testing.T) {
	t.Parallel()
	original := newHistory(t)
	h := original.copy(t)
	r := h.open()
	before := r.Descriptor()
	d, err := r.AdoptCopy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Repository == before.Repository || d.Lineage != before.Lineage || d.Serial != 2 || len(d.Former) != 1 || d.Former[0] != before.Repository {
		t.Errorf("adopted as %+v, was %+v", d, before)
	}
	adopted := h.open()
	if adopted.ID() != d.Repository {
		t.Errorf("opened as %s, want %s", adopted.ID(), d.Repository)
	}
	h.checkKept(adopted, "adopted")
	st, err := store(t.Context(), adopted, "db1", h.next(), storeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if st.Repository != d.Repository || st.Kind != revision.Delta || st.Lineage != before.Lineage {
		t.Errorf("the next revision is %+v", st)
	}
	if err := compare(t.Context(), adopted, st, h.next()); err != nil {
		t.Error(err)
	}
	again, err := adopted.AdoptCopy(t.Context())
	if err != nil || len(again.Former) != 2 || again.Former[1] != d.Repository {
		t.Errorf("adopted again as %+v, %v", again, err)
	}
	if original.open().ID() != before.Repository {
		t.Error("the original changed")
	}
	h.checkNoTemps()
}

// A lost catalog costs duplicates, until it is made anew.
func TestRebuild(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.state = t.TempDir()
	r := h.open()
	calls := 0
	result, err := r.Rebuild(t.Context(), func(done, total int) { calls++ })
	if err != nil {
		t.Fatal(err)
	}
	if calls == 0 || result.Packs != len(h.packsOf()) {
		t.Errorf("rebuilt from %d packs, told of progress %d times", result.Packs, calls)
	}
	packs := len(h.packsOf())
	h.mustStore(r, "db2", h.images[0])
	if got := len(h.packsOf()); got != packs {
		t.Errorf("%d packs are new, want none", got-packs)
	}
}

func TestRecordDamage(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	im := h.openImage(r, h.made[0])
	chunks, err := im.Chunks(0)
	if err != nil {
		t.Fatal(err)
	}
	ref := chunks[0].Stack.Base
	if im.Hurt(chunks[0].Stack) {
		t.Error("hurt before anybody said so")
	}
	hurt := &chunkstore.CorruptError{Pack: ref.Pack, Kind: chunkstore.Chunk, ID: ref.ID}
	for range 2 {
		if err := r.RecordDamage(t.Context(), hurt); err != nil {
			t.Fatal(err)
		}
		if err := h.open().RecordDamage(t.Context(), hurt); err != nil { // who does not know it yet
			t.Fatal(err)
		}
	}
	if err := r.RecordDamage(t.Context(), &chunkstore.CorruptError{}); err != nil {
		t.Errorf("damage of nothing in particular: %v", err)
	}
	if records := h.files("damage/"); len(records) != 1 {
		t.Errorf("records are %q, want one", records)
	}
	if !im.Hurt(chunks[0].Stack) || im.Hurt(chunks[1].Stack) {
		t.Errorf("hurt: %v and %v, want only the first", im.Hurt(chunks[0].Stack), im.Hurt(chunks[1].Stack))
	}
	h.write("damage/notes.json", nil)
	h.write("damage/x-y.json", nil)
	other := h.openImage(h.open(), h.made[0])
	if !other.Hurt(chunks[0].Stack) || other.Hurt(chunks[1].Stack) {
		t.Error("another process does not know of the damage")
	}
	h.checkNoTemps()
}
