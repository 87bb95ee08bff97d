package repository_test

import (
	"testing"

	"varve/revision"
)

func TestFlatten(t *testing.T) {
	h := newSeries(t, 7)
	full := h.made[4]
	done, err := h.repo.Flatten(t.Context(), h.volume, []revision.ID{h.made[0].ID, full.ID}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(done) != 1 || done[0] != full.ID {
		t.Errorf("%v became fulls, want %s alone", done, full.ID)
	}
	h.check(0, 1, 2, 3, 4, 5, 6)
	revs := h.revisions(h.repo, "db")
	if revs[4].Statement.Kind != revision.Full || revs[5].Statement.Parent.ID != full.ID {
		t.Errorf("it is a %s", revs[4].Statement.Kind)
	}
	h.mustRemove(0, 1, 2, 3)
	h.check(4, 5, 6)

	// What went since it was listed is in nobody's way.
	done, err = h.repo.Flatten(t.Context(), h.volume, []revision.ID{h.made[1].ID, h.made[6].ID}, 0)
	if err != nil || len(done) != 1 || done[0] != h.made[6].ID {
		t.Errorf("%v became fulls, %v", done, err)
	}
	h.check(4, 5, 6)
}
