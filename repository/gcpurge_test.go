package repository_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// trashedChain makes a full and two deltas, and takes all away.
func trashedChain(t *testing.T) (p *place, chain []*revision.Statement) {
	t.Helper()
	p = newPlace(t)
	im := randomImage(1, 3)
	for night := range 3 {
		im = im.clone()
		im.write(int64(night)*100, []byte("changed"))
		chain = append(chain, p.mustStore(p.open(), "db1", im))
	}
	return p, chain
}

// What a revision in the trash builds on stays there as long as it does.
func TestGCPurgesChildrenFirst(t *testing.T) {
	t.Parallel()
	p, chain := trashedChain(t)
	days := []int{1, 9, 5} // when they are due
	for i, st := range slices.Backward(chain) {
		p.trash(st, testTime.AddDate(0, 0, days[i]))
	}
	for _, step := range []struct{ day, purged, kept int }{{0, 0, 3}, {1, 0, 3}, {5, 1, 2}, {8, 0, 2}, {9, 2, 0}} {
		foretold := p.collect(repository.GCOptions{Now: testTime.AddDate(0, 0, step.day), DryRun: true})
		result := p.collect(repository.GCOptions{Now: testTime.AddDate(0, 0, step.day)})
		if len(result.Purged) != step.purged || result.Kept != step.kept || len(foretold.Purged) != step.purged || foretold.Kept != step.kept {
			t.Errorf("day %d: %d purged, %d kept, foretold %d and %d, want %d and %d", step.day,
				len(result.Purged), result.Kept, len(foretold.Purged), foretold.Kept, step.purged, step.kept)
		}
	}
	if left := append(p.files("trash/"), p.files("copies/")...); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
}

// The copy goes before the file in the trash, durably: alone it could pass for a
// revision that lost its file. The journal says nothing of what was taken away here.
func TestGCPurgesTheCopyFirst(t *testing.T) {
	t.Parallel()
	p, chain := trashedChain(t)
	for _, st := range slices.Backward(chain) {
		p.trash(st, testTime)
	}
	c := &calls{}
	if _, err := p.openOn(durabletest.NewWatched(p.tree(), c.note)).CollectGarbage(t.Context(), repository.GCOptions{Now: testTime}); err != nil {
		t.Fatal(err)
	}
	for _, st := range chain {
		at := 0
		for _, call := range []string{"remove copies/", "fsync directory copies/", "remove trash/", "fsync directory trash/"} {
			suffix := ""
			if strings.HasPrefix(call, "remove") {
				suffix = string(st.ID) + ".rev"
			}
			at = c.after(t, at, call, suffix) + 1
		}
	}
	if len(p.revisions(p.open(), "db1")) != 0 {
		t.Error("something came back")
	}
}

// A power cut left both names of a revision that was being taken away, or that came
// back: what lies in the trash goes, and its copy stays.
func TestGCPurgesATwinAlone(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	im := randomImage(1, 2)
	st := p.mustStore(p.open(), "db1", im)
	file := p.read(repository.RevisionName("db1", st.ID))
	p.trash(st, testTime)
	p.write(repository.RevisionName("db1", st.ID), file)
	result := p.collect(repository.GCOptions{Now: testTime})
	if len(result.Purged) != 0 || result.FreedPacks != 0 || len(p.files("trash/")) != 0 || !p.exists(repository.CopyName(st.Volume.UUID, st.ID)) {
		t.Errorf("%+v, in the trash is %q", result, p.files("trash/"))
	}
	p.checkImage(p.open(), st, im)
}

// A purge takes the copy first and the record last. What has neither was being purged when the power went, and goes;
// what lost its record alone stays, and is named.
func TestGCGoesOnWithAPurge(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{false, true} {
		p, chain := trashedChain(t)
		for _, st := range slices.Backward(chain) {
			p.trash(st, testTime.AddDate(1, 0, 0))
		}
		last := chain[2]
		p.remove(strings.TrimSuffix(repository.TrashName(last.Volume.UUID, last.ID), ".rev") + ".trash")
		want := 0
		if begun {
			p.remove(repository.CopyName(last.Volume.UUID, last.ID))
			want = 1
		}
		result, err := p.open().CollectGarbage(t.Context(), repository.GCOptions{Now: testTime})
		if err != nil || len(result.Purged) != want || len(result.Findings) != 1-want || p.exists(repository.TrashName(last.Volume.UUID, last.ID)) == begun {
			t.Errorf("begun: %t: %+v, %v", begun, result, err)
		}
	}
}

// What nothing tells the time of stays, is named, and goes when the trash is emptied.
func TestGCOfATrashThatIsDamaged(t *testing.T) {
	t.Parallel()
	p, chain := trashedChain(t)
	for _, st := range slices.Backward(chain) {
		p.trash(st, testTime)
	}
	last := chain[2]
	record := strings.TrimSuffix(repository.TrashName(last.Volume.UUID, last.ID), ".rev") + ".trash"
	p.write(record, []byte("torn"))
	stray := strings.TrimSuffix(repository.TrashName(last.Volume.UUID, "20200101T000000Z-aaaa"), ".rev") + ".trash"
	p.write(stray, []byte("torn"))
	result, err := p.open().CollectGarbage(t.Context(), repository.GCOptions{Now: testTime.AddDate(1, 0, 0)})
	if err != nil || len(result.Purged) != 0 || result.Kept != 3 || len(result.Findings) != 1 || !strings.Contains(fmt.Sprint(result.Findings), record) || p.exists(stray) {
		t.Errorf("%+v, %v", result, err)
	}
	p.write(repository.TrashName(last.Volume.UUID, last.ID), []byte("torn too")) // then it may build on any
	p.remove(repository.CopyName(last.Volume.UUID, last.ID))
	result, err = p.open().CollectGarbage(t.Context(), repository.GCOptions{Now: testTime.AddDate(1, 0, 0)})
	if err != nil || len(result.Purged) != 0 || result.Kept != 3 || !result.Incomplete {
		t.Errorf("%+v, %v", result, err)
	}
	if result := p.collect(repository.GCOptions{Now: testTime, EmptyTrash: true}); len(result.Purged) != 3 || result.Kept != 0 || len(p.packsOf()) != 0 {
		t.Errorf("emptied: %+v", result)
	}
}

// A dry run changes nothing, and tells what would be freed.
func TestGCDryRun(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	before := w.disk.Files()
	r := w.openWith(w.disk, "")
	opts := repository.GCOptions{Now: gcTime, DryRun: true}
	foretold, err := r.CollectGarbage(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	after := w.disk.Files()
	delete(before, repository.GateName)
	delete(after, repository.GateName) // a reader's lease came and went
	if !maps.EqualFunc(before, after, func(a, b []byte) bool { return string(a) == string(b) }) {
		t.Error("something was changed")
	}
	opts.DryRun = false
	result, err := r.CollectGarbage(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if foretold.FreedPacks != result.FreedPacks || foretold.FreedBytes != result.FreedBytes || foretold.Copied != result.Copied || foretold.Compacted != result.Compacted ||
		foretold.Live != result.Live || foretold.Dead != result.Dead || len(foretold.Purged) != len(result.Purged) || foretold.Kept != result.Kept {
		t.Errorf("foretold %+v\n     was %+v", foretold, result)
	}
}
