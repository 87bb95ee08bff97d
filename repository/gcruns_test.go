package repository_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/durable/durabletest"
	"varve/repository"
)

// What a backup that died has stored waits for the next one of the volume; that makes
// what it does not use garbage, and so does a month.
func TestGCOfARunThatDied(t *testing.T) {
	t.Parallel()
	original := newPlace(t)
	original.interrupt(original.open(), "db1", randomImage(1, 3))
	now := time.Now()
	if result := original.collect(repository.GCOptions{Now: now.AddDate(0, 0, 29)}); result.FreedPacks != 0 || len(original.files("runs/")) != 1 {
		t.Errorf("after 29 days: %+v", result)
	}
	for what, then := range map[string]func(p *place) time.Time{
		"a month later":           func(*place) time.Time { return now.AddDate(0, 0, 31) },
		"after the next revision": func(p *place) time.Time { p.mustStore(p.open(), "db1", randomImage(2, 2)); return now },
	} {
		p := copyOf(t, original)
		result := p.collect(repository.GCOptions{Now: then(p)})
		if result.FreedPacks != 1 || len(p.files("runs/")) != 0 {
			t.Errorf("%s: %+v, run records %q", what, result, p.files("runs/"))
		}
	}
	p := copyOf(t, original)
	st := p.mustStore(p.open(), "db1", randomImage(1, 3)) // it goes on with what is there
	if result := p.collect(repository.GCOptions{Now: now.AddDate(0, 0, 31)}); result.FreedPacks != 0 || len(p.packsOf()) != 1 || len(p.files("runs/")) != 0 {
		t.Errorf("after the next one used it: %+v", result)
	}
	p.checkImage(p.open(), st, randomImage(1, 3))
}

// While a run lives, its packs are its own, whatever the clock says.
func TestGCLeavesALivingRunAlone(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	im := randomImage(1, 3)
	st, err := store(t.Context(), p.open(), "db1", im, storeOptions{before: func(b *repository.Backup) {
		if err := b.Chunks().Barrier(t.Context()); err != nil {
			t.Error(err)
		}
		if result := p.collect(repository.GCOptions{Now: time.Now().AddDate(10, 0, 0)}); result.FreedPacks+result.WaitingPacks > 0 || len(p.packsOf()) != 1 {
			t.Errorf("%+v", result)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.checkImage(p.open(), st, im)
	p.collect(repository.GCOptions{})
	p.checkImage(p.open(), st, im)
}

// For one night, the clock of the host is ten years ahead. What is visible stays, and so
// does what is in the trash for longer; the nights after are as the ones before.
func TestTrapGCWithTheClockTenYearsAhead(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	w.interrupt(w.openWith(w.disk, ""), "db1", randomImage(8, 2))
	r := w.openWith(w.disk, "")
	if _, err := r.CollectGarbage(t.Context(), repository.GCOptions{Now: gcTime.AddDate(10, 0, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := w.check(w.disk); err != nil {
		t.Error(err)
	}
	st, err := store(t.Context(), r, "db1", randomImage(8, 2), storeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.kept[st] = randomImage(8, 2)
	if err := w.finish(w.disk); err != nil {
		t.Error(err)
	}
}

// The record of a run that succeeded survived: it goes, and what it holds up is free.
func TestGCRemovesRecordsOfRunsThatAreOver(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	var record []byte
	name := ""
	st, err := store(t.Context(), h.open(), "db1", h.next(), storeOptions{before: func(*repository.Backup) {
		name = h.files("runs/")[0]
		record = h.read(name)
	}})
	if err != nil {
		t.Fatal(err)
	}
	h.write(name, record)
	h.write("runs/0123456789abcdef0123456789abcdef.json", []byte("torn"))
	packs := len(h.packsOf())
	c := &calls{}
	result, err := h.openOn(durabletest.NewWatched(h.tree(), c.note)).CollectGarbage(t.Context(), repository.GCOptions{})
	c.after(t, c.after(t, 0, "fsync directory packs/", ""), "remove "+name, "") // anybody may rely on its packs from then on
	if err != nil || result.FreedPacks != 0 || len(result.Findings) != 1 || !strings.Contains(result.Findings[0].Error(), "runs/0123") {
		t.Errorf("%+v, %v", result, err)
	}
	if left := h.files("runs/"); !slices.Equal(left, []string{"runs/0123456789abcdef0123456789abcdef.json"}) {
		t.Errorf("run records left are %q", left)
	}
	h.checkImage(h.open(), st, h.next())
	if h.mustStore(h.open(), "db2", h.next()); len(h.packsOf()) > packs+1 {
		t.Errorf("%d packs, after %d", len(h.packsOf()), packs)
	}
}

// A few generations stay for who wants to know what happened.
func TestGCKeepsAFewGenerations(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for range 12 {
		p.trash(p.mustStore(p.open(), "db1", randomImage(1, 2)), testTime)
		p.collect(repository.GCOptions{})
	}
	if g := p.generation(p.open()); g.Number < 20 || len(p.files("gc/")) != 8 {
		t.Errorf("generation %d, files %q", g.Number, p.files("gc/"))
	}
	if len(p.packsOf()) != 0 {
		t.Errorf("%d packs are left", len(p.packsOf()))
	}
}
