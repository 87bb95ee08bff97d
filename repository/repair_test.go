package repository_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"varve/internal/durable/durabletest"
	"varve/internal/proof/tally"
	"varve/repository"
	"varve/revision"
	"varve/scrub"
)

// repairWorld is a repository in memory, with others that may have what it lost.
type repairWorld struct {
	t        testing.TB
	disk     *durabletest.Disk
	images   map[*revision.Statement]*image
	kin      *durabletest.Disk // a copy, in which something was merged since
	stranger *durabletest.Disk // of other keys, with the same volumes
}

func newRepairWorld(t testing.TB) *repairWorld {
	t.Helper()
	w := &repairWorld{t: t, disk: durabletest.NewDisk(), images: map[*revision.Statement]*image{}, stranger: durabletest.NewDisk()}
	w.fill(w.disk, func(st *revision.Statement, im *image) { w.images[st] = im })
	w.fill(w.stranger, func(*revision.Statement, *image) {})
	w.kin = w.disk.Copy()
	r := w.open(w.kin)
	v, err := r.Volume("db1")
	if err != nil {
		t.Fatal(err)
	}
	revisions, err := r.Revisions(v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Remove(t.Context(), v, []revision.ID{revisions[0].ID, revisions[2].ID}, repository.RemoveOptions{Op: repository.OpMerge}); err != nil {
		t.Fatal(err)
	}
	return w
}

// fill gives a disk a repository with a history, two volumes that share content, a set, and
// something that is noted of a revision.
func (w *repairWorld) fill(disk *durabletest.Disk, made func(*revision.Statement, *image)) {
	w.t.Helper()
	if _, err := repository.Init(w.t.Context(), disk, repository.InitOptions{ChunkSize: chunkSize, Codec: "lz4"}); err != nil {
		w.t.Fatal(err)
	}
	r := w.open(disk)
	p := &place{t: w.t}
	im := randomImage(1, 3)
	for night := range 4 {
		im = im.clone()
		im.write(int64(night)*chunkSize+8, []byte("changed"))
		im.write(chunkSize+100, []byte{byte(night)})
		made(p.mustStore(r, "db1", im), im)
	}
	other := randomImage(1, 2)
	made(p.mustStore(r, "db2", other), other)
	both := randomImage(2, 1)
	members, err := storeSet(w.t.Context(), r, both, "root", "data")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, st := range members {
		event := repository.Event{Op: repository.OpBackup, Result: repository.ResultOK, Volume: st.Volume.Name, UUID: &st.Volume.UUID, Revision: st.ID, Set: st.Set}
		if err := r.Record(w.t.Context(), event); err != nil {
			w.t.Fatal(err)
		}
		made(st, both)
	}
	v, err := r.Volume("db1")
	if err != nil {
		w.t.Fatal(err)
	}
	revisions, err := r.Revisions(v)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := r.Mark(w.t.Context(), revisions[1], func(i *repository.Info) { i.Tags = []string{"release"} }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *repairWorld) open(disk *durabletest.Disk) *repository.Repository {
	w.t.Helper()
	r, err := repository.Open(disk, repository.Options{Command: "scrub"})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// kept tells of which files damage is to be made good: all but what only notes what was done,
// or keeps order.
func kept(name string) bool {
	for _, dir := range []string{"packs/", "volumes/", "copies/", "sets/", "varve.json", "README.txt"} {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return false
}

// hurt damages a file in one of several ways, and says how.
func hurt(rng *rand.Rand, disk *durabletest.Disk, name string) string {
	content := bytes.Clone(disk.Files()[name])
	if rng.IntN(8) == 0 {
		must(disk.Remove(name))
		return name + " is gone"
	}
	how := ""
	at := rng.IntN(len(content))
	switch rng.IntN(4) {
	case 0:
		content = content[:at]
		how = fmt.Sprintf("%s ends at %d", name, at)
	case 1:
		end := min(len(content), at+512)
		clear(content[at:end])
		content[at] ^= 0x40 // in case it was zeros
		how = fmt.Sprintf("%s is zeros from %d to %d", name, at, end)
	default:
		content[at] ^= 1 << rng.IntN(8)
		how = fmt.Sprintf("%s has a flipped bit at %d", name, at)
	}
	must(disk.SetFile(name, content))
	return how
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// findDamage looks for what is hurt, and notes it.
func findDamage(t testing.TB, r *repository.Repository) error {
	_, err := scrub.Run(t.Context(), r, scrub.Options{Workers: 1})
	return err
}

// check makes sure that everything reads as it was, counts again, and that no second repair
// finds anything to do.
func (w *repairWorld) check(disk *durabletest.Disk) error {
	r, err := repository.Open(disk, repository.Options{Command: "restore"})
	if err != nil {
		return err
	}
	for st, want := range w.images {
		if err := compare(w.t.Context(), r, st, want); err != nil {
			return fmt.Errorf("%s@%s: %w", st.Volume.Name, st.ID, err)
		}
		revisions, err := r.Revisions(repository.Volume{Name: st.Volume.Name, UUID: st.Volume.UUID})
		if err != nil {
			return err
		}
		for _, rev := range revisions {
			if s := rev.Info.State; s != repository.Good && s != repository.Proven || len(rev.Info.Lost) > 0 {
				return fmt.Errorf("%s@%s is %s: %+v", st.Volume.Name, rev.ID, s, rev.Info)
			}
		}
	}
	report, err := scrub.Run(w.t.Context(), r, scrub.Options{Workers: 1})
	if err != nil {
		return err
	}
	for _, f := range report.Findings {
		if f.Grade != scrub.Note {
			return fmt.Errorf("a second scrub found %+v", f)
		}
	}
	again, err := r.Repair(w.t.Context(), repository.RepairOptions{})
	if err != nil || len(again.Mendings) > 0 || !again.Whole() {
		return fmt.Errorf("a second repair: %+v, %v", again, err)
	}
	for name := range disk.Files() {
		if strings.Contains(name, ".tmp-") {
			return fmt.Errorf("a temporary file is left: %s", name)
		}
	}
	return nil
}

// Whatever is damaged, truncated or gone, of one file or of several, comes back from a second
// repository, byte for byte: from a copy of this one, and, of what is data, from one that
// backed the same volumes up.
func TestEnumerateRepairs(t *testing.T) {
	t.Parallel()
	w := newRepairWorld(t)
	if seed, only := tally.Only(t); only {
		w.tryOther(seed)
		return
	}
	figures := tally.Figures{}
	for seed := range uint64(80) {
		for name, n := range w.tryOther(seed) {
			figures[name] += n
		}
	}
	for _, name := range []string{"objects from a copy of the repository", "objects from a stranger", "objects from frames", "files put aside"} {
		if figures[name] == 0 {
			t.Errorf("no %s: %v", name, figures)
		}
	}
}

// TestTortureRepair is TestEnumerateRepairs, until it was tried a thousand times.
func TestTortureRepair(t *testing.T) {
	book := tally.Open(t, "repair")
	w := newRepairWorld(t)
	for seed, ok := book.Next("repairs", 1000); ok; seed, ok = book.Next("repairs", 1000) {
		book.Done(seed, w.tryOther(seed))
	}
}

// tryOther damages a copy of the repository in a way that the seed says, and repairs it from
// another one.
func (w *repairWorld) tryOther(seed uint64) tally.Figures {
	rng := rand.New(rand.NewPCG(seed, 0))
	disk := w.disk.Copy()
	names := w.names(disk)
	other, from, n := w.kin, "a copy of the repository", 1+rng.IntN(3)
	if rng.IntN(2) == 0 {
		other, from, n = w.stranger, "a stranger", 1
		names = slices.DeleteFunc(names, isNote) // that only a copy knows
	}
	var how []string
	for range n {
		if name := names[rng.IntN(len(names))]; len(disk.Files()[name]) > 0 {
			how = append(how, hurt(rng, disk, name))
		}
		if strings.HasPrefix(how[len(how)-1], "varve.json") { // without any descriptor, it is no repository
			names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "varve.json") })
		}
	}
	figures, err := w.repairOn(disk, other.Copy(), from)
	if err != nil {
		w.t.Errorf("VARVE_SEED=%d: %s: %s: %v", seed, from, strings.Join(how, ", "), err)
	}
	return figures
}

// names lists the files of which damage is to be made good.
func (w *repairWorld) names(disk *durabletest.Disk) []string {
	names := slices.Sorted(maps.Keys(disk.Files()))
	return slices.DeleteFunc(names, func(name string) bool { return !kept(name) })
}

// isNote tells of a file whether it is what was noted of a revision.
func isNote(name string) bool {
	return strings.HasPrefix(name, "volumes/") && strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, "volume.json")
}

// repairOn finds what is damaged, repairs it from another repository, and checks all.
func (w *repairWorld) repairOn(disk, other *durabletest.Disk, from string) (tally.Figures, error) {
	r, err := repository.Open(disk, repository.Options{Command: "scrub"})
	if err != nil {
		return nil, err
	}
	if err := findDamage(w.t, r); err != nil {
		return nil, err
	}
	result, err := r.Repair(w.t.Context(), repository.RepairOptions{Others: []repository.RepairOther{{Name: from, Repository: w.open(other)}}})
	if err != nil {
		return nil, err
	}
	if !result.Whole() {
		return nil, fmt.Errorf("not all was repaired: %+v", result)
	}
	figures := tally.Figures{"repairs": 1, "files put aside": int64(result.PutAside)}
	for _, m := range result.Mendings {
		what := "objects"
		if m.Kind == 0 {
			what = "files"
		}
		whence := string(m.From.Kind)
		if m.From.Kind == repository.OriginOther {
			whence = m.From.Name
		}
		figures[what+" from "+whence]++
	}
	return figures, w.check(disk)
}

// What has another copy in the repository comes back by itself: any one file but a pack, and
// what lies in two packs.
func TestEnumerateRepairsFromItself(t *testing.T) {
	t.Parallel()
	w := newRepairWorld(t)
	r := w.open(w.disk)
	im := w.images[slices.MinFunc(slices.Collect(maps.Keys(w.images)), func(a, b *revision.Statement) int { return strings.Compare(string(a.ID), string(b.ID)) })]
	p := &place{t: t}
	again := p.mustStoreWith(r, "again", im, storeOptions{full: true})
	w.images[again] = im
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		disk := w.disk.Copy()
		names := slices.DeleteFunc(w.names(disk), func(name string) bool { return strings.HasSuffix(name, ".pack") || isNote(name) })
		how := hurt(rng, disk, names[rng.IntN(len(names))])
		r := w.open(disk)
		if err := findDamage(t, r); err != nil {
			t.Fatal(err)
		}
		result, err := r.Repair(t.Context(), repository.RepairOptions{})
		if err == nil && !result.Whole() {
			err = fmt.Errorf("%+v", result)
		}
		if err := errors.Join(err, w.check(disk)); err != nil {
			t.Errorf("seed %d: %s: %v", seed, how, err)
		}
	}
}
