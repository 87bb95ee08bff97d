package repository_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve/internal/durable/durabletest"
	"varve/internal/proof/tally"
	"varve/repository"
	"varve/revision"
)

// years is the life of a volume, as a model: what is visible, what is in the trash, and
// what each of them holds.
type years struct {
	rt      *rapid.T
	disk    *durabletest.Disk
	state   string
	repo    *repository.Repository
	now     *image // what there is to back up
	visible []revision.ID
	trashed []revision.ID
	pinned  map[revision.ID]bool
	images  map[revision.ID]*image
	digests map[revision.ID]revision.Digest
	clock   time.Time
	dirty   bool // the repository changed since it was checked
}

// A volume is written to, resized, backed up, pinned, thinned out and brought back, by
// processes that come and go, and after each step every revision reads as it did.
func TestYears(t *testing.T) {
	t.Parallel()
	state := durabletest.TempDir(t)
	rapid.Check(t, func(rt *rapid.T) { liveYears(rt, state) })
}

// TestMain makes lives short, so that there can be many, unless -rapid.steps says otherwise;
// and there are fewer of them where the race detector looks on.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.steps", "12"); err != nil {
		panic(err)
	}
	if durabletest.Race {
		if err := flag.Set("rapid.checks", "15"); err != nil {
			panic(err)
		}
	}
	flag.Parse()
	os.Exit(m.Run())
}

// The same, two thousand times.
func TestEnumerateYears(t *testing.T) {
	state := durabletest.TempDir(t)
	for range 20 {
		rapid.Check(t, func(rt *rapid.T) { liveYears(rt, state) })
	}
}

// The same, with longer lives, for as long as there is time.
func TestTortureYears(t *testing.T) {
	const goal = 1000 // times a hundred lives
	book := tally.Open(t, "years")
	state := durabletest.TempDir(t)
	if err := flag.Set("rapid.steps", "40"); err != nil {
		t.Fatal(err)
	}
	for seed, ok := book.Next("hundreds of lives", goal); ok; seed, ok = book.Next("hundreds of lives", goal) {
		if err := flag.Set("rapid.seed", strconv.FormatUint(seed, 10)); err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(rt *rapid.T) { liveYears(rt, state) })
		book.Done(seed, tally.Figures{"hundreds of lives": 1})
	}
}

func liveYears(rt *rapid.T, state string) {
	y := &years{
		rt: rt, disk: durabletest.NewDisk(), state: state, now: randomImage(1, 2),
		pinned: map[revision.ID]bool{}, images: map[revision.ID]*image{}, digests: map[revision.ID]revision.Digest{}, clock: testTime,
	}
	if _, err := repository.Init(rt.Context(), y.disk, repository.InitOptions{ChunkSize: chunkSize, Codec: "lz4"}); err != nil {
		rt.Fatal(err)
	}
	y.open()
	y.backup(false)
	rt.Repeat(map[string]func(*rapid.T){
		"write":       func(rt *rapid.T) { y.rt = rt; y.write() },
		"resize":      func(rt *rapid.T) { y.rt = rt; y.resize() },
		"backup":      func(rt *rapid.T) { y.rt = rt; y.write(); y.backup(false) },
		"forced full": func(rt *rapid.T) { y.rt = rt; y.backup(true) },
		"pin":         func(rt *rapid.T) { y.rt = rt; y.pin() },
		"remove":      func(rt *rapid.T) { y.rt = rt; y.remove() },
		"remove many": func(rt *rapid.T) { y.rt = rt; y.remove() },
		"undelete":    func(rt *rapid.T) { y.rt = rt; y.undelete() },
		"gc":          func(rt *rapid.T) { y.rt = rt; y.collect() },
		"scrub":       func(rt *rapid.T) { scrubRandomly(rt, y.repo) },
		"reopen":      func(rt *rapid.T) { y.rt = rt; y.reopen() },
		"":            func(rt *rapid.T) { y.rt = rt; y.check() },
	})
	if err := y.repo.Close(); err != nil {
		rt.Fatal(err)
	}
}

func (y *years) open() {
	var err error
	y.repo, err = repository.Open(y.disk, repository.Options{StateDir: y.state, Command: "backup", PackSize: chunkSize * 2})
	if err != nil {
		y.rt.Fatal(err)
	}
}

func (y *years) reopen() {
	if err := y.repo.Close(); err != nil {
		y.rt.Fatal(err)
	}
	y.open()
}

func (y *years) write() {
	y.now = y.now.clone()
	for range rapid.IntRange(1, 3).Draw(y.rt, "writes") {
		if y.now.size == 0 {
			return
		}
		at := rapid.Int64Range(0, y.now.size-1).Draw(y.rt, "at")
		y.now.write(at, []byte{byte(rapid.IntRange(0, 3).Draw(y.rt, "byte"))})
	}
}

func (y *years) resize() {
	y.now = y.now.clone()
	y.now.resize(rapid.SampledFrom([]int64{0, 1, chunkSize - 1, chunkSize, 2*chunkSize + 5, 4 * chunkSize}).Draw(y.rt, "size"))
}

func (y *years) backup(full bool) {
	y.clock = y.clock.Add(time.Hour)
	st, err := store(y.rt.Context(), y.repo, "db", y.now, storeOptions{full: full, begun: y.clock})
	if err != nil {
		y.rt.Fatal(err)
	}
	y.visible, y.dirty = append(y.visible, st.ID), true
	y.images[st.ID], y.digests[st.ID] = y.now, st.Digest
}

func (y *years) volume() repository.Volume {
	v, err := y.repo.Volume("db")
	if err != nil {
		y.rt.Fatal(err)
	}
	return v
}

func (y *years) pin() {
	if len(y.visible) == 0 {
		y.rt.Skip("there is nothing to pin")
	}
	id := rapid.SampledFrom(y.visible).Draw(y.rt, "which")
	revs, err := y.repo.Revisions(y.volume())
	if err != nil {
		y.rt.Fatal(err)
	}
	rev := revs[slices.IndexFunc(revs, func(r repository.Revision) bool { return r.ID == id })]
	y.pinned[id], y.dirty = !y.pinned[id], true
	err = y.repo.Mark(y.rt.Context(), rev, func(i *repository.Info) {
		if i.Pin = nil; y.pinned[id] {
			i.Pin = &revision.Pin{Reason: "a test"}
		}
	})
	if err != nil {
		y.rt.Fatal(err)
	}
}

func (y *years) remove() {
	if len(y.visible) == 0 {
		y.rt.Skip("there is nothing to remove")
	}
	going := rapid.SliceOfNDistinct(rapid.SampledFrom(y.visible), 1, len(y.visible), func(id revision.ID) revision.ID { return id }).Draw(y.rt, "going")
	_, err := y.repo.Remove(y.rt.Context(), y.volume(), going, repository.RemoveOptions{Op: repository.OpPrune, Undelete: time.Hour})
	pinned := new(repository.PinnedError)
	refused := slices.ContainsFunc(going, func(id revision.ID) bool { return y.pinned[id] })
	if refused != errors.As(err, &pinned) || err != nil && !refused {
		y.rt.Fatalf("removing %v of which some are pinned (%v) gives %v", going, refused, err)
	}
	if refused {
		return
	}
	y.dirty = true
	y.visible = slices.DeleteFunc(y.visible, func(id revision.ID) bool { return slices.Contains(going, id) })
	y.trashed = append(y.trashed, going...)
}

func (y *years) undelete() {
	if len(y.trashed) == 0 {
		y.rt.Skip("the trash is empty")
	}
	id := rapid.SampledFrom(y.trashed).Draw(y.rt, "which")
	trashed, err := y.repo.TrashOf(y.volume())
	if err != nil {
		y.rt.Fatal(err)
	}
	i := slices.IndexFunc(trashed, func(t repository.Trashed) bool { return t.ID == id })
	if i < 0 {
		y.rt.Fatalf("%s is not in the trash", id)
	}
	if _, err := y.repo.Undelete(y.rt.Context(), trashed[i], 0); err != nil {
		y.rt.Fatal(err)
	}
	y.trashed = slices.DeleteFunc(y.trashed, func(other revision.ID) bool { return other == id })
	y.visible, y.dirty = append(y.visible, id), true
}

// collect collects garbage, and empties the trash now and then.
func (y *years) collect() {
	opts := repository.GCOptions{
		Threshold:  rapid.SampledFrom([]float64{1e-9, 0.2, 2}).Draw(y.rt, "threshold"),
		EmptyTrash: rapid.SampledFrom([]bool{false, false, true}).Draw(y.rt, "empty trash"),
	}
	result, err := y.repo.CollectGarbage(y.rt.Context(), opts)
	if err := errors.Join(append(result.Findings, err)...); err != nil {
		y.rt.Fatal(err)
	}
	if y.dirty = true; opts.EmptyTrash {
		y.trashed = nil
	}
}

// check compares all that is listed with the model, byte for byte, if anything changed.
func (y *years) check() {
	if !y.dirty {
		return
	}
	y.dirty = false
	revs, err := y.repo.Revisions(y.volume())
	if err != nil {
		y.rt.Fatal(err)
	}
	listed := ids(revs)
	want := slices.Clone(y.visible)
	slices.SortFunc(want, func(a, b revision.ID) int { return a.Begun().Compare(b.Begun()) })
	if !slices.Equal(listed, want) {
		y.rt.Fatalf("%v are listed, want %v", listed, want)
	}
	for _, rev := range revs {
		if err := y.checkRevision(rev); err != nil {
			y.rt.Errorf("revision %s: %v", rev.ID, err)
		}
	}
	trashed, err := y.repo.TrashOf(y.volume())
	if err != nil {
		y.rt.Fatal(err)
	}
	gone := map[revision.ID]bool{}
	for _, t := range trashed {
		gone[t.ID] = true
	}
	should := map[revision.ID]bool{}
	for _, id := range y.trashed {
		should[id] = true
	}
	if !maps.Equal(gone, should) {
		y.rt.Errorf("in the trash are %v, want %v", gone, should)
	}
}

func (y *years) checkRevision(rev repository.Revision) error {
	if s := rev.Info.State; s != repository.Good && s != repository.Proven || rev.Info.Pin.Holds(time.Now()) != y.pinned[rev.ID] {
		return fmt.Errorf("it is %+v", rev.Info)
	}
	if rev.Statement.Digest != y.digests[rev.ID] {
		return fmt.Errorf("its digest became %s", rev.Statement.Digest)
	}
	return compare(context.Background(), y.repo, rev.Statement, y.images[rev.ID])
}
