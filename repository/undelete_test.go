package repository_test

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// undelete brings a revision back.
func (h *series) undelete(n int) {
	h.t.Helper()
	rev, err := h.tryUndelete(n)
	if err != nil {
		h.t.Fatal(err)
	}
	if rev.ID != h.made[n].ID {
		h.t.Errorf("%s came back, want %s", rev.ID, h.made[n].ID)
	}
	h.volume = rev.Volume
}

func (h *series) tryUndelete(n int) (*repository.Revision, error) {
	h.t.Helper()
	trashed, err := h.repo.Trash()
	if err != nil {
		h.t.Fatal(err)
	}
	i := slices.IndexFunc(trashed, func(t repository.Trashed) bool { return t.ID == h.made[n].ID })
	if i < 0 {
		h.t.Fatalf("revision %d is not in the trash", n)
	}
	return h.repo.Undelete(h.t.Context(), trashed[i], 0)
}

func TestUndelete(t *testing.T) {
	for name, c := range map[string]struct {
		remove [][]int
		back   []int
		stay   []int
		parent map[int]int // by number, -1: it is a full
	}{
		"the newest":                     {[][]int{{3}}, []int{3}, []int{0, 1, 2, 3}, map[int]int{3: 2}},
		"one in between":                 {[][]int{{1}}, []int{1}, []int{0, 1, 2, 3}, map[int]int{1: 0, 2: 0}},
		"the oldest":                     {[][]int{{0}}, []int{0}, []int{0, 1, 2, 3}, map[int]int{0: -1, 1: -1}},
		"above others that are gone":     {[][]int{{1, 2}}, []int{2}, []int{0, 2, 3}, map[int]int{2: 0}},
		"above what went later":          {[][]int{{2}, {1}, {0}}, []int{2}, []int{2, 3}, map[int]int{2: -1, 3: -1}},
		"one after the other":            {[][]int{{1, 2}}, []int{1, 2}, []int{0, 1, 2, 3}, map[int]int{1: 0, 2: 1}},
		"one after the other, downwards": {[][]int{{1, 2}}, []int{2, 1}, []int{0, 1, 2, 3}, map[int]int{1: 0, 2: 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newSeries(t, 4)
			for _, gone := range c.remove {
				h.mustRemove(gone...)
			}
			for _, n := range c.back {
				h.undelete(n)
			}
			h.check(c.stay...)
			for n, parent := range c.parent {
				st := h.revisions(h.repo, "db")[slices.Index(c.stay, n)].Statement
				switch {
				case parent < 0 && st.Kind != revision.Full:
					t.Errorf("revision %d builds on %s, want a full", n, st.Parent.ID)
				case parent >= 0 && (st.Parent == nil || st.Parent.ID != h.made[parent].ID):
					t.Errorf("revision %d does not build on %d", n, parent)
				}
			}
			h.store(h.images[3].clone())
			h.check(append(c.stay, 4)...)
		})
	}
}

// What was noted of it comes back with it.
func TestUndeleteKeepsWhatWasNoted(t *testing.T) {
	h := newSeries(t, 3)
	rev := h.revisions(h.repo, "db")[1]
	err := h.repo.Mark(t.Context(), rev, func(i *repository.Info) { i.Tags, i.State, i.Reason = []string{"v1"}, repository.Suspect, "a lie" })
	if err != nil {
		t.Fatal(err)
	}
	h.mustRemove(1)
	trashed, err := h.repo.Trash()
	if err != nil || len(trashed) != 1 || trashed[0].Info.State != repository.Suspect || trashed[0].Op != repository.OpRemove {
		t.Fatalf("the trash holds %+v, %v", trashed, err)
	}
	if files := h.files("volumes/db/" + string(rev.ID)); len(files) > 0 {
		t.Errorf("of the revision that went, %q is left", files)
	}
	h.undelete(1)
	info := h.revisions(h.repo, "db")[1].Info
	if info.State != repository.Suspect || info.Reason != "a lie" || !slices.Equal(info.Tags, []string{"v1"}) {
		t.Errorf("it came back as %+v", info)
	}
	h.check(0, 1, 2)
	if files := h.files("trash/"); len(files) > 0 {
		t.Errorf("in the trash are %q still", files)
	}
}

func TestUndeleteWhereAnotherHasTheName(t *testing.T) {
	h := newSeries(t, 2)
	if _, err := h.remove(repository.RemoveOptions{Op: repository.OpRemove, All: true}); err != nil {
		t.Fatal(err)
	}
	former := h.made
	h.store(randomImage(9, 1))
	h.made, h.images = former, h.images[:2]
	if _, err := h.tryUndelete(0); !errors.Is(err, repository.ErrVolumeExists) {
		t.Errorf("bringing back what has lost its name gives %v", err)
	}
}

// A volume that was renamed gets its revision back under its new name.
func TestUndeleteAfterARename(t *testing.T) {
	h := newSeries(t, 3)
	h.mustRemove(1)
	v, err := h.repo.Rename(t.Context(), "db", "db2", 0)
	if err != nil {
		t.Fatal(err)
	}
	h.undelete(1)
	if h.volume.Name != v.Name {
		t.Errorf("it came back to %s", h.volume.Name)
	}
	if got := len(h.revisions(h.repo, "db2")); got != 3 {
		t.Errorf("%d revisions are there", got)
	}
}

// What was taken away is found by the id of it, or the short part, under the name that its
// volume had then and the one that it has.
func TestFindTrashed(t *testing.T) {
	h := newSeries(t, 3)
	h.mustRemove(1)
	gone := h.made[1].ID
	if _, err := h.repo.Rename(t.Context(), "db", "db2", 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []revision.Name{"db", "db2"} {
		for _, id := range []string{gone.String(), gone.Short()} {
			if found, err := h.repo.FindTrashed(name, id); err != nil || found.ID != gone {
				t.Errorf("%s@%s: found %s, %v", name, id, found.ID, err)
			}
		}
	}
	missing := new(repository.NotInTrashError)
	for name, id := range map[revision.Name]string{"db": h.made[0].ID.Short(), "other": gone.Short(), "db2": "latest"} {
		if found, err := h.repo.FindTrashed(name, id); !errors.As(err, &missing) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s@%s: found %s, %v", name, id, found.ID, err)
		}
	}
	twin := h.path("trash/" + revision.UUID{1}.String())
	if err := os.CopyFS(twin, os.DirFS(h.path("trash/"+h.volume.UUID.String()))); err != nil {
		t.Fatal(err)
	}
	several := new(repository.SeveralInTrashError)
	if _, err := h.repo.FindTrashed("db", gone.Short()); !errors.As(err, &several) || several.N != 2 {
		t.Errorf("of two, one is found: %v", err)
	}
}

// A power cut may leave both names of what was moved: then it never went.
func TestWhatIsVisibleIsNotInTheTrash(t *testing.T) {
	h := newSeries(t, 3)
	h.mustRemove(2)
	trashed, err := h.repo.Trash()
	if err != nil || len(trashed) != 1 {
		t.Fatal(trashed, err)
	}
	file := string(h.made[2].ID) + ".rev"
	if err := os.Link(h.path("trash/"+h.volume.UUID.String()+"/"+file), h.path("volumes/db/"+file)); err != nil {
		t.Fatal(err)
	}
	if got := h.trash(); len(got) > 0 {
		t.Errorf("%v are in the trash", got)
	}
	if _, err := h.repo.Undelete(t.Context(), trashed[0], 0); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("bringing back what is there gives %v", err)
	}
	h.check(0, 1, 2)
	h.mustRemove(2)
	h.check(0, 1)
	h.undelete(2)
	h.check(0, 1, 2)
}

func TestUndeleteThatFailsLeavesItInTheTrash(t *testing.T) {
	h := newSeries(t, 3)
	h.mustRemove(1)
	tree := h.tree()
	var named atomic.Bool
	h.repo = h.openOn(durabletest.NewWatched(tree, func(op, name string) error {
		if op == "rename" && name == "volumes/db/"+string(h.made[1].ID)+".rev" {
			named.Store(true)
		}
		if op == "fsync directory" && name == "volumes/db" && named.CompareAndSwap(true, false) {
			return errors.New("the disk is gone")
		}
		return nil
	}))
	if _, err := h.tryUndelete(1); err == nil {
		t.Fatal("a sync failed, and the undeletion did not")
	}
	h.repo = h.openOn(tree)
	h.check(0, 2)
	h.undelete(1)
	h.check(0, 1, 2)
}
