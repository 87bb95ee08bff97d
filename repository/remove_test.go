package repository_test

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// series is a volume with some revisions, and what each of them holds.
type series struct {
	*place
	repo   *repository.Repository
	volume repository.Volume
	made   []*revision.Statement
	images []*image
}

// newSeries makes n revisions, a full and deltas. From one to the next, a chunk gets
// a few bytes, and every third night another gets wholly new.
func newSeries(t testing.TB, n int) *series {
	p := newPlace(t)
	h := &series{place: p, repo: p.open()}
	im := randomImage(1, 3)
	for i := range n {
		im = im.clone()
		im.write(int64(i%3)*chunkSize+int64(i%12)*5000, []byte{1, byte(i + 1)})
		if i%3 == 2 {
			im.write(chunkSize, randomImage(uint64(i), 1).chunks[0])
		}
		h.store(im)
	}
	return h
}

func (h *series) store(im *image) {
	h.t.Helper()
	h.storeWith(im, storeOptions{})
}

func (h *series) storeWith(im *image, opts storeOptions) {
	h.t.Helper()
	st := h.mustStoreWith(h.repo, "db", im, opts)
	h.made, h.images = append(h.made, st), append(h.images, im)
	v, err := h.repo.Volume("db")
	if err != nil {
		h.t.Fatal(err)
	}
	h.volume = v
}

func (h *series) remove(opts repository.RemoveOptions, numbers ...int) (*repository.Removed, error) {
	var ids []revision.ID
	for _, n := range numbers {
		ids = append(ids, h.made[n].ID)
	}
	if opts.Op == "" {
		opts.Op, opts.Undelete = repository.OpRemove, 7*24*time.Hour
	}
	return h.repo.Remove(h.t.Context(), h.volume, ids, opts)
}

func (h *series) mustRemove(numbers ...int) *repository.Removed {
	h.t.Helper()
	out, err := h.remove(repository.RemoveOptions{}, numbers...)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// check makes sure that just these revisions are listed, that each holds what it did,
// and that what lies beside each is in order.
func (h *series) check(numbers ...int) {
	h.t.Helper()
	var want []revision.ID
	for _, n := range numbers {
		want = append(want, h.made[n].ID)
	}
	revs := h.revisions(h.repo, h.volume.Name)
	if got := ids(revs); !slices.Equal(got, want) {
		h.t.Fatalf("revisions %v are listed, want %v", got, want)
	}
	for i, rev := range revs {
		made := h.made[numbers[i]]
		if rev.Info.State != repository.Good && rev.Info.State != repository.Suspect {
			h.t.Errorf("revision %d is %s: %s", numbers[i], rev.Info.State, rev.Info.Reason)
			continue
		}
		now := *rev.Statement
		now.Kind, now.Parent, now.Nonce = made.Kind, made.Parent, made.Nonce
		if a, b := encode(h.t, &now), encode(h.t, made); a != b {
			h.t.Errorf("revision %d says of itself\n%s, and said\n%s", numbers[i], a, b)
		}
		h.checkImage(h.repo, rev.Statement, h.images[numbers[i]])
		name := "volumes/db/" + string(rev.ID) + ".rev"
		second := "copies/" + h.volume.UUID.String() + "/" + string(rev.ID) + ".rev"
		if string(h.read(name)) != string(h.read(second)) {
			h.t.Errorf("the copy of revision %d is not what it copies", numbers[i])
		}
	}
	h.checkNoTemps()
	if leases, runs := h.files("leases/"), h.files("runs/"); len(leases)+len(runs) > 0 {
		h.t.Errorf("leases %q and runs %q are left", leases, runs)
	}
}

func encode(t testing.TB, st *revision.Statement) string {
	t.Helper()
	data, err := st.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// trash gives the numbers of what lies in the trash.
func (h *series) trash() (numbers []int) {
	h.t.Helper()
	trashed, err := h.repo.Trash()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, t := range trashed {
		numbers = append(numbers, slices.IndexFunc(h.made, func(st *revision.Statement) bool { return st.ID == t.ID }))
	}
	return numbers
}

func TestRemove(t *testing.T) {
	for name, c := range map[string]struct {
		nights    int
		remove    []int
		stay      []int
		rewritten int
	}{
		"the newest":              {4, []int{3}, []int{0, 1, 2}, 0},
		"one in between":          {4, []int{1}, []int{0, 2, 3}, 1},
		"the oldest, a full":      {4, []int{0}, []int{1, 2, 3}, 1},
		"several neighbours":      {6, []int{1, 2, 3}, []int{0, 4, 5}, 1},
		"the oldest and the next": {6, []int{0, 1, 2}, []int{3, 4, 5}, 1},
		"here and there":          {8, []int{1, 3, 4, 7}, []int{0, 2, 5, 6}, 2},
		"all but one":             {5, []int{0, 1, 3, 4}, []int{2}, 1},
		"more than are read at once": {
			70, func() (all []int) {
				for i := 1; i < 69; i++ {
					all = append(all, i)
				}
				return all
			}(), []int{0, 69}, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newSeries(t, c.nights)
			packs := h.files("packs/")
			out := h.mustRemove(c.remove...)
			h.check(c.stay...)
			if len(out.Revisions) != len(c.remove) || len(out.Rewritten) != c.rewritten {
				t.Errorf("%d went and %d were rewritten, want %d and %d", len(out.Revisions), len(out.Rewritten), len(c.remove), c.rewritten)
			}
			if got := h.trash(); !slices.Equal(got, c.remove) {
				t.Errorf("%v are in the trash, want %v", got, c.remove)
			}
			if !slices.Equal(h.files("packs/"), packs) {
				t.Error("packs came or went")
			}
		})
	}
}

// A volume that shrank, grew and shrank: what lay beyond an end never comes back.
func TestRemoveAcrossResizes(t *testing.T) {
	sizes := []int64{5*chunkSize + 777, 2*chunkSize + 1, 7 * chunkSize, 3*chunkSize - 1, 6*chunkSize + 5}
	for gone := range len(sizes) - 1 {
		t.Run(string('0'+rune(gone)), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			h := &series{place: p, repo: p.open()}
			im := randomImage(3, 5)
			for i, size := range sizes {
				im = im.clone()
				im.resize(size)
				im.write(size-1, []byte{byte(i + 1)})
				h.store(im)
			}
			h.mustRemove(gone)
			var stay []int
			for i := range sizes {
				if i != gone {
					stay = append(stay, i)
				}
			}
			h.check(stay...)
		})
	}
}

// Two revisions build on the one that goes: one that came back, and the one after it.
func TestRemoveWhatHasSeveralChildren(t *testing.T) {
	h := newSeries(t, 4)
	h.mustRemove(2)
	h.undelete(2)
	h.check(0, 1, 2, 3)
	out := h.mustRemove(1)
	if len(out.Rewritten) != 2 {
		t.Errorf("%d were rewritten, want both that built on it", len(out.Rewritten))
	}
	h.check(0, 2, 3)
}

func TestRemoveAcrossAForcedFull(t *testing.T) {
	h := newSeries(t, 3)
	h.storeWith(h.images[2].clone(), storeOptions{full: true})
	h.store(h.images[3].clone())
	h.mustRemove(2, 3)
	h.check(0, 1, 4)
	if kind := h.revisions(h.repo, "db")[2].Statement.Kind; kind != revision.Full {
		t.Errorf("what built on a full that went is a %s", kind)
	}
}

func TestRemoveRefusesWhatIsPinned(t *testing.T) {
	h := newSeries(t, 3)
	pin := func(until time.Time) {
		t.Helper()
		rev := h.revisions(h.repo, "db")[1]
		err := h.repo.Mark(t.Context(), rev, func(i *repository.Info) { i.Pin = &revision.Pin{Until: until} })
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, until := range []time.Time{{}, time.Now().Add(time.Hour)} {
		pin(until)
		_, err := h.remove(repository.RemoveOptions{}, 0, 1)
		if pinned := new(repository.PinnedError); !errors.As(err, &pinned) || pinned.ID != h.made[1].ID {
			t.Fatalf("removing what is pinned gives %v", err)
		}
		h.check(0, 1, 2)
	}
	pin(time.Now().Add(-time.Hour))
	h.mustRemove(1)
	h.check(0, 2)
}

func TestRemoveWhatIsNotThere(t *testing.T) {
	h := newSeries(t, 2)
	h.mustRemove(1)
	if _, err := h.remove(repository.RemoveOptions{}, 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removing it twice gives %v", err)
	}
	h.check(0)
}

// The number and the id of what lies in the trash are not given again.
func TestBackupAfterARemoval(t *testing.T) {
	h := newSeries(t, 3)
	h.mustRemove(2)
	h.store(h.images[2].clone())
	if got := h.made[3].Sequence; got != 4 {
		t.Errorf("the next backup has number %d, want 4", got)
	}
	h.check(0, 1, 3)
}

func TestRemoveLeavesABackupAlone(t *testing.T) {
	h := newSeries(t, 2)
	b, err := h.repo.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db"})
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, b)
	_, err = h.remove(repository.RemoveOptions{}, 0)
	if busy := new(repository.BusyError); !errors.As(err, &busy) {
		t.Errorf("removing while a backup is under way gives %v", err)
	}
}

func TestRemoveIsInTheJournal(t *testing.T) {
	h := newSeries(t, 4)
	if _, err := h.remove(repository.RemoveOptions{Op: repository.OpPrune}, 1, 2); err != nil {
		t.Fatal(err)
	}
	events, err := h.repo.Events()
	if err != nil {
		t.Fatal(err)
	}
	var gone []revision.ID
	for _, e := range events {
		if e.Op == repository.OpPrune && e.Result == repository.ResultOK {
			gone = append(gone, e.Revision)
		}
	}
	if want := []revision.ID{h.made[2].ID, h.made[1].ID}; !slices.Equal(gone, want) {
		t.Errorf("the journal says that %v went, want %v", gone, want)
	}
	// So a copy that is left of one that is gone for good is no lost revision.
	h.place.remove("trash/" + h.volume.UUID.String() + "/" + string(h.made[1].ID) + ".rev")
	h.check(0, 3)
}

// A copy that a cut left behind is made what its revision is, before it stands on nothing.
func TestRemoveMendsCopies(t *testing.T) {
	for name, hurt := range map[string]func(h *series, copied string, former []byte){
		"another writing": func(h *series, copied string, former []byte) { h.write(copied, former) },
		"none":            func(h *series, copied string, _ []byte) { h.place.remove(copied) },
		"damaged":         func(h *series, copied string, _ []byte) { h.write(copied, []byte("rot")) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newSeries(t, 5)
			copied := repository.CopyName(h.volume.UUID, h.made[2].ID)
			former := h.read(copied)
			h.mustRemove(1)
			hurt(h, copied, former)
			h.mustRemove(4)
			if !bytes.Equal(h.read(copied), h.read(repository.RevisionName("db", h.made[2].ID))) {
				t.Error("the copy is another writing than the file")
			}
			h.check(0, 2, 3)
		})
	}
}

// Whoever dies while a revision is about to go has not told that it went.
func TestRemoveTellsOnlyWhatWent(t *testing.T) {
	h := newSeries(t, 3)
	tree := h.tree()
	told := func() (events []repository.Event) {
		all, err := h.openOn(tree).Events()
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(all, func(e repository.Event) bool { return e.Op != repository.OpRemove && e.Op != repository.OpUndelete })
	}
	killed := errors.New("killed")
	h.repo = h.openOn(durabletest.NewWatched(tree, func(op, name string) error {
		if op == "rename" && strings.HasPrefix(name, "trash/") && strings.HasSuffix(name, ".rev") {
			if events := told(); len(events) > 0 {
				t.Errorf("before it went, %+v is told", events)
			}
			return killed
		}
		return nil
	}))
	if _, err := h.remove(repository.RemoveOptions{}, 2); !errors.Is(err, killed) {
		t.Errorf("the removal gives %v", err)
	}
	if events := told(); len(events) > 0 {
		t.Errorf("of what stays, %+v is told", events)
	}
	h.repo = h.openOn(tree)
	h.mustRemove(2)
	if events := told(); len(events) != 1 || events[0].Revision != h.made[2].ID {
		t.Errorf("of what went, %+v is told", events)
	}
}

// What could not be made durable is undone, so that the next run is not misled: see
// the proof for the rest.
func TestRemoveThatFailsLeavesEverything(t *testing.T) {
	h := newSeries(t, 4)
	tree := h.tree()
	fails := 0
	failing := durabletest.NewWatched(tree, func(op, name string) error {
		if op == "fsync directory" && name == "volumes/db" {
			if fails++; fails == 2 {
				return errors.New("the disk is gone")
			}
		}
		return nil
	})
	h.repo = h.openOn(failing)
	if _, err := h.remove(repository.RemoveOptions{}, 1); err == nil {
		t.Fatal("a sync failed, and the removal did not")
	}
	h.repo = h.openOn(tree)
	h.check(0, 1, 2, 3)
	if parent := h.revisions(h.repo, "db")[2].Statement.Parent.ID; parent != h.made[1].ID {
		t.Errorf("it builds on %s, and that is not durable", parent)
	}
}

// Whoever waited, or thought about it, until another volume had the name takes nothing of that.
func TestRemoveTakesNothingOfAnotherVolume(t *testing.T) {
	h := newSeries(t, 2)
	former := h.volume
	h.mustRemoveAll()
	other := &series{place: h.place, repo: h.repo}
	other.store(randomImage(7, 2))
	h.volume = former
	for _, opts := range []repository.RemoveOptions{{Op: repository.OpRemove, All: true}, {Op: repository.OpPrune}} {
		if _, err := h.repo.Remove(t.Context(), former, nil, opts); !errors.Is(err, repository.ErrNoVolume) {
			t.Errorf("%s of a volume whose name another has gives %v", opts.Op, err)
		}
	}
	if _, err := h.repo.Revisions(former); !errors.Is(err, repository.ErrNoVolume) {
		t.Errorf("listing it gives %v", err)
	}
	other.check(0)
}

func (h *series) mustRemoveAll() {
	h.t.Helper()
	if _, err := h.remove(repository.RemoveOptions{Op: repository.OpRemove, Undelete: time.Hour, All: true}); err != nil {
		h.t.Fatal(err)
	}
}

// What a revision below has lost is only its file.
func TestUndeleteOnWhatLostItsFile(t *testing.T) {
	h := newSeries(t, 3)
	h.mustRemove(2)
	h.place.remove("volumes/db/" + string(h.made[1].ID) + ".rev")
	h.undelete(2)
	if err := compare(t.Context(), h.repo, h.made[2], h.images[2]); err != nil {
		t.Error(err)
	}
}

// A rehearsal tells what would go, refuses what would be refused, and changes nothing.
func TestRemoveRehearsed(t *testing.T) {
	h := newSeries(t, 4)
	before := h.files("")
	out, err := h.remove(repository.RemoveOptions{Op: repository.OpRemove, DryRun: true}, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if want := []revision.ID{h.made[2].ID, h.made[1].ID}; !slices.Equal(out.Revisions, want) || !slices.Equal(out.Rewritten, []revision.ID{h.made[3].ID}) {
		t.Errorf("%v would go and %v be rewritten", out.Revisions, out.Rewritten)
	}
	_, err = h.remove(repository.RemoveOptions{Op: repository.OpMerge, DryRun: true}, 3)
	if childless := new(repository.ChildlessError); !errors.As(err, &childless) {
		t.Errorf("merging what nothing builds on gives %v", err)
	}
	if !slices.Equal(h.files(""), before) {
		t.Error("files came or went")
	}
	h.check(0, 1, 2, 3)
}
