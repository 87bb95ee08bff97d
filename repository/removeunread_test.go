package repository_test

import (
	"errors"
	"slices"
	"testing"

	"varve/repository"
	"varve/revision"
)

// What was taken from a revision whose file is gone comes from its copy.
func TestRemoveWhatLostItsFile(t *testing.T) {
	for name, lost := range map[string]int{"what goes": 1, "what stays": 2, "the newest": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newSeries(t, 4)
			h.place.remove("volumes/db/" + string(h.made[lost].ID) + ".rev")
			gone := 1
			if lost == 3 {
				gone = 3
			}
			h.mustRemove(gone)
			h.check(slices.DeleteFunc([]int{0, 1, 2, 3}, func(i int) bool { return i == gone })...)
		})
	}
}

// A rotten map gives way to its copy, when it goes and when it stays.
func TestRemoveReadsTheCopyOfADamagedMap(t *testing.T) {
	for name, hurt := range map[string]int{"what goes": 1, "what stays": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newSeries(t, 4)
			file := "volumes/db/" + string(h.made[hurt].ID) + ".rev"
			data := h.read(file)
			data[100] ^= 1
			h.write(file, data)
			h.mustRemove(1)
			h.check(0, 2, 3)
		})
	}
}

// Nothing goes of which the map that would stay cannot be read.
func TestRemoveNeedsWhatItFolds(t *testing.T) {
	h := newSeries(t, 4)
	for _, name := range h.files(string(h.made[1].ID) + ".rev") {
		h.write(name, []byte("rot"))
	}
	_, err := h.remove(repository.RemoveOptions{}, 1)
	if damaged := new(repository.DamagedRevisionError); !errors.As(err, &damaged) {
		t.Fatalf("removing what cannot be folded gives %v", err)
	}
	// From the newest on, they can go all the same.
	h.mustRemove(1, 2, 3)
	h.check(0)
}

// What may be pinned, for all that can be told, is.
func TestRemoveRefusesWhatMayBePinned(t *testing.T) {
	pin := func(h *series, n int) string {
		rev := h.revisions(h.repo, "db")[n]
		err := h.repo.Mark(h.t.Context(), rev, func(i *repository.Info) { i.Pin = &revision.Pin{Reason: "audit"} })
		if err != nil {
			h.t.Fatal(err)
		}
		return "volumes/db/" + string(rev.ID)
	}
	t.Run("the note is damaged", func(t *testing.T) {
		h := newSeries(t, 3)
		h.write(pin(h, 1)+".json", []byte("rot"))
		_, err := h.remove(repository.RemoveOptions{}, 1)
		if pinned := new(repository.PinnedError); !errors.As(err, &pinned) {
			t.Errorf("removing it gives %v", err)
		}
		h.check(0, 1, 2)
	})
	t.Run("the revision is damaged", func(t *testing.T) {
		h := newSeries(t, 3)
		pin(h, 2)
		for _, name := range h.files(string(h.made[2].ID) + ".rev") {
			h.write(name, []byte("rot"))
		}
		_, err := h.remove(repository.RemoveOptions{}, 2)
		if pinned := new(repository.PinnedError); !errors.As(err, &pinned) {
			t.Errorf("removing it gives %v", err)
		}
	})
}

// What cannot be read may build on whatever is older.
func TestRemoveKeepsWhatAnUnreadableOneMayBuildOn(t *testing.T) {
	h := newSeries(t, 4)
	for _, name := range h.files(string(h.made[2].ID) + ".rev") {
		h.write(name, []byte("rot"))
	}
	_, err := h.remove(repository.RemoveOptions{}, 1)
	if damaged := new(repository.DamagedRevisionError); !errors.As(err, &damaged) || damaged.ID != h.made[2].ID {
		t.Errorf("removing what it may build on gives %v", err)
	}
	h.mustRemove(2, 3)
	h.check(0, 1)
}
