package repository_test

import (
	"fmt"
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
)

// collect collects garbage, which must go well.
func (p *place) collect(opts repository.GCOptions) *repository.GCResult {
	p.t.Helper()
	result, err := p.open().CollectGarbage(p.t.Context(), opts)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, finding := range result.Findings {
		p.t.Errorf("finding: %v", finding)
	}
	return result
}

// trash takes a revision away, as rm does.
func (p *place) trash(st *revision.Statement, until time.Time) {
	p.t.Helper()
	r := p.open()
	if err := r.MoveToTrash(p.t.Context(), st, until); err != nil {
		p.t.Fatal(err)
	}
}

func TestGCTakesNothingThatLives(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	before := h.packsOf()
	result := h.collect(repository.GCOptions{})
	if got := h.packsOf(); len(got) != len(before) || result.FreedPacks != 0 || result.Dead != 0 || result.Live == 0 {
		t.Errorf("%d packs of %d are left: %+v", len(got), len(before), result)
	}
	h.checkKept(h.open(), "after gc")
	h.checkNoTemps()
	if left := h.files("runs/"); len(left) != 0 {
		t.Errorf("run records left are %q", left)
	}
}

func TestGCFreesWhatWasInTheTrash(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	kept := randomImage(2, 4)
	kept.resize(4 * chunkSize) // its end is like that of the other
	first := p.mustStore(p.open(), "db1", randomImage(1, 4))
	other := p.mustStore(p.open(), "db2", kept)
	until := testTime.AddDate(30, 0, 0)
	p.trash(first, until)
	result := p.collect(repository.GCOptions{Now: until.Add(-time.Second)})
	if result.FreedPacks != 0 || result.Kept != 1 || len(p.packsOf()) != 2 {
		t.Errorf("before its time: %+v", result)
	}
	foretold := p.collect(repository.GCOptions{Now: until, DryRun: true})
	result = p.collect(repository.GCOptions{Now: until})
	if result.FreedPacks != 1 || len(result.Purged) != 1 || result.Kept != 0 || len(p.packsOf()) != 1 {
		t.Errorf("when its time is over: %+v", result)
	}
	if foretold.FreedPacks != 1 || foretold.FreedBytes != result.FreedBytes || len(foretold.Purged) != 1 {
		t.Errorf("foretold was %+v", foretold)
	}
	if left := append(p.files(string(first.ID)), p.files("runs/")...); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
	p.checkImage(p.open(), other, kept)
	if g := p.generation(p.open()); len(g.Condemned) != 0 || g.Number != result.After {
		t.Errorf("the generation is %+v, told was %d", g, result.After)
	}
}

// Half of a pack is dead: what lives in it is copied out, hints follow, and it goes.
func TestGCCompacts(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := randomImage(1, 6), randomImage(1, 6)
	for i := range 3 {
		b.chunks[uint64(i)] = randomImage(9, 6).chunks[uint64(i)]
	}
	first := p.mustStore(p.open(), "db1", a)
	second := p.mustStore(p.open(), "db2", b)
	p.trash(first, testTime)
	before := p.packsOf()
	result := p.collect(repository.GCOptions{Now: testTime})
	if result.Compacted != 1 || result.FreedPacks != 1 || result.Copied == 0 || result.Dead != 0 {
		t.Errorf("%+v", result)
	}
	if got := p.packsOf(); len(got) != len(before) {
		t.Errorf("%d packs are left", len(got))
	}
	p.state = t.TempDir() // no catalog
	p.checkImage(p.open(), second, b)
	if moved := p.files("gc/moved/"); len(moved) != 1 {
		t.Errorf("moves are noted in %q", moved)
	}
	p.trash(second, testTime)
	result = p.collect(repository.GCOptions{Now: testTime})
	if left := p.packsOf(); len(left) > 0 || len(p.files("gc/moved/")) > 0 {
		t.Errorf("left are %v and %q: %+v", left, p.files("gc/moved/"), result)
	}
}

// A pack that is compacted again and again leaves one step from an old map to its objects.
func TestGCShortensTheWay(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	holding := func(seeds ...uint64) *image {
		im := newImage(4 * chunkSize)
		for i, seed := range seeds {
			im.write(int64(i)*chunkSize, randomImage(seed, 1).at(0, chunkSize))
		}
		return im
	}
	const kept, passing, dead = 1, 100, 200
	r := p.open()
	beside := p.mustStore(r, "beside", holding(kept, passing)) // in one pack
	st := p.mustStore(r, "kept", holding(kept))
	for round := range uint64(5) {
		r := p.open()
		going := p.mustStore(r, revision.Name(fmt.Sprint("going-", round)), holding(passing+round+1, dead+round))
		next := p.mustStore(r, revision.Name(fmt.Sprint("beside-", round)), holding(passing+round+1))
		p.trash(beside, testTime)
		p.trash(going, testTime)
		// Of two packs half is alive: what is kept, and what will be dead the next time.
		if result := p.collect(repository.GCOptions{Now: testTime}); result.Compacted != 2 {
			t.Errorf("round %d: %+v", round, result)
		}
		beside = next
	}
	if moved := p.files("gc/moved/"); len(moved) > 3 {
		t.Errorf("moves are noted in %q", moved)
	}
	p.state = t.TempDir() // no catalog
	p.checkImage(p.open(), st, holding(kept))
}
