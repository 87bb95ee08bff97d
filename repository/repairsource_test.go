package repository_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"varve/chunkstore"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
	"varve/scrub"
)

// ReadAt makes of what a volume holds a source.
func (im *image) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, im.at(off, int64(len(p))))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// A history of which every night changes one chunk, and the packs of each.
type threatened struct {
	*place
	images []*image
	made   []*revision.Statement
	packs  [][]chunkstore.PackID
}

func newThreatened(t *testing.T, count int) *threatened {
	t.Helper()
	n := &threatened{place: newPlace(t)}
	r := n.open()
	im := randomImage(1, 4)
	for night := range count {
		im = im.clone()
		if night > 0 {
			im.write(chunkSize+int64(night)*8000, []byte("changed this night"))
		}
		before := n.packsOf()
		n.images, n.made = append(n.images, im), append(n.made, n.mustStore(r, "db1", im))
		n.packs = append(n.packs, slices.DeleteFunc(n.packsOf(), func(p chunkstore.PackID) bool { return slices.Contains(before, p) }))
	}
	return n
}

// lose removes the packs of a night.
func (n *threatened) lose(night int) {
	n.t.Helper()
	for _, pack := range n.packs[night] {
		n.remove(repository.PackName(pack))
	}
}

// repair finds what is hurt, and repairs it.
func (n *threatened) repair(opts repository.RepairOptions) *repository.RepairResult {
	n.t.Helper()
	r := n.open()
	if err := findDamage(n.t, r); err != nil {
		n.t.Fatal(err)
	}
	result, err := r.Repair(n.t.Context(), opts)
	if err != nil {
		n.t.Fatal(err)
	}
	return result
}

// source is the volume as it is, in the state of a night.
func (n *threatened) source(night int) []repository.RepairSource {
	return []repository.RepairSource{{Name: "the source", Volume: n.made[0].Volume.UUID, Content: n.images[night], Size: n.images[night].size}}
}

// states gives what is listed of each night: its state, and which bytes are lost.
func (n *threatened) states() (states []string) {
	n.t.Helper()
	for _, rev := range n.revisions(n.open(), "db1") {
		states = append(states, fmt.Sprint(rev.Info.State, rev.Info.Lost))
	}
	return states
}

func lostAt(chunks ...int) string {
	var lost []repository.Extent
	for _, i := range chunks {
		lost = append(lost, repository.Extent{Offset: int64(i) * chunkSize, Length: chunkSize})
	}
	return fmt.Sprint(repository.Damaged, lost)
}

const provenWhole = "proven[]"

// wantStates compares what is listed, and reads what counts.
func (n *threatened) wantStates(want ...string) {
	n.t.Helper()
	if got := n.states(); !slices.Equal(got, want) {
		n.t.Errorf("states are %q, want %q", got, want)
	}
	for i, st := range n.made {
		if err := compare(n.t.Context(), n.open(), st, n.images[i]); (err == nil) != !strings.HasPrefix(want[i], "damaged") {
			n.t.Errorf("night %d: %v", i, err)
		}
	}
}

// A full is lost, and the source holds what it held but for one chunk: all comes back but
// that chunk of those nights whose content nobody has any more.
func TestRepairFromTheSource(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 3)
	n.lose(0)
	result := n.repair(repository.RepairOptions{Sources: n.source(2)})
	if result.Whole() {
		t.Errorf("all is said to be repaired: %+v", result)
	}
	n.wantStates(lostAt(1), lostAt(1), provenWhole)
	n.checkNoTemps()
	left := 0
	for _, m := range result.Mendings {
		if m.Mended() {
			continue
		}
		left++
		if len(m.Places) != 2 || m.Cost != 0 || !strings.Contains(fmt.Sprint(m.Why), "the source") {
			t.Errorf("what is left: %+v", m)
		}
	}
	if left != 1 {
		t.Errorf("%d things are left, want the one chunk: %+v", left, result)
	}
	n.costs(2, 0)
}

// A revision that is suspect, and loses something, is suspect again once that was made good: nothing
// that was read back tells what its source held.
func TestRepairLeavesASuspectSuspect(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 2)
	const reason = "its source lied"
	if err := n.open().Mark(t.Context(), n.revisions(n.open(), "db1")[1], func(i *repository.Info) { i.Distrust(reason) }); err != nil {
		t.Fatal(err)
	}
	n.lose(1)
	if result := n.repair(repository.RepairOptions{}); result.Whole() {
		t.Fatalf("%+v", result)
	}
	n.wantStates(provenWhole, lostAt(1))
	result := n.repair(repository.RepairOptions{Sources: n.source(1)})
	info := n.revisions(n.open(), "db1")[1].Info
	if !result.Whole() || info.State != repository.Suspect || info.Reason != reason || info.Suspect != "" || len(info.Lost) > 0 || info.Proven.IsZero() {
		t.Errorf("%+v, noted: %+v", result, info)
	}
	if _, err := scrub.Run(t.Context(), n.open(), scrub.Options{}); err != nil {
		t.Fatal(err)
	}
	if now := n.revisions(n.open(), "db1")[1].Info; now.State != repository.Suspect {
		t.Errorf("after a scrub, noted: %+v", now)
	}
}

// What others found lost while a revision is read back is not forgotten when that comes out well.
func TestRepairLeavesDamageThatWasFoundMeanwhile(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 2)
	n.lose(1)
	r := n.open()
	if err := findDamage(t, r); err != nil {
		t.Fatal(err)
	}
	found := []repository.Extent{{Offset: 2 * chunkSize, Length: chunkSize}}
	result, err := r.Repair(t.Context(), repository.RepairOptions{Sources: n.source(1), Step: func(what string) {
		if strings.HasPrefix(what, "reading db1@") {
			if err := n.open().Mark(t.Context(), n.revisions(n.open(), "db1")[1], func(i *repository.Info) { i.Damage("somebody read it", found) }); err != nil {
				t.Error(err)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if info := n.revisions(n.open(), "db1")[1].Info; info.State != repository.Damaged || !slices.Equal(info.Lost, found) {
		t.Errorf("noted: %+v", info)
	}
	if result.Whole() || len(result.Revisions) != 1 || result.Revisions[0].State != repository.Damaged {
		t.Errorf("%+v", result)
	}
}

// The last patch is lost: of the source, that very patch is made again, and no map changes.
func TestRepairMakesThePatchAgain(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 3)
	n.lose(2)
	before := n.read(repository.RevisionName("db1", n.made[2].ID))
	if result := n.repair(repository.RepairOptions{Sources: n.source(2)}); !result.Whole() || len(result.Mendings) != 1 {
		t.Errorf("%+v", result)
	}
	n.wantStates(provenWhole, provenWhole, provenWhole)
	if !bytes.Equal(before, n.read(repository.RevisionName("db1", n.made[2].ID))) {
		t.Error("the map was written anew")
	}
	n.costs(2, 0)
}

// A patch in the middle is lost: what lies on it gets a map that needs it no more.
func TestRepairStoresTheChunkWhole(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 4)
	n.lose(1)
	result := n.repair(repository.RepairOptions{Sources: n.source(3)})
	n.wantStates(provenWhole, lostAt(1), lostAt(1), provenWhole)
	if result.Whole() || len(result.Revisions) != 3 {
		t.Errorf("%+v", result)
	}
	n.costs(3, 0)
	n.collect()
	n.wantStates(provenWhole, lostAt(1), lostAt(1), provenWhole)
}

// Another volume holds the same content, put together from other objects.
func TestRepairFromOtherStacks(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 3)
	n.mustStoreWith(n.open(), "db2", n.images[1], storeOptions{full: true})
	n.lose(1)
	result := n.repair(repository.RepairOptions{})
	if !result.Whole() || result.Mendings[0].From.Kind != repository.OriginElsewhere {
		t.Errorf("%+v", result)
	}
	n.wantStates(provenWhole, provenWhole, provenWhole)
	n.costs(2, 0)
}

// What cannot be repaired costs one chunk in the next backup, and is told.
func TestWhatCannotBeRepairedCostsOneChunk(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 3)
	n.lose(2)
	result := n.repair(repository.RepairOptions{Sources: n.source(0)}) // which changed since
	if len(result.Mendings) != 1 || len(result.Troubles) != 0 || result.Stored != 0 || result.Whole() {
		t.Fatalf("%+v", result)
	}
	m := result.Mendings[0]
	if m.Mended() || m.Kind != chunkstore.Patch || len(m.Places) != 1 || m.Places[0].Revision != n.made[2].ID || m.Cost != chunkSize {
		t.Errorf("%+v", m)
	}
	n.wantStates(provenWhole, provenWhole, lostAt(1))
	n.costs(2, 1)
	n.wantStates(provenWhole, provenWhole, lostAt(1))
}

// costs makes the next backup of an image, and counts the chunks for which the parent is not
// whole.
func (n *threatened) costs(night, want int) {
	n.t.Helper()
	r := n.open()
	b, err := r.BeginBackup(n.t.Context(), repository.BackupOptions{Volume: "db1"})
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			n.t.Error(err)
		}
	}()
	if b.Parent() == nil || b.Parent().Statement().ID != n.made[night].ID {
		n.t.Fatal("it would be a full, or of another parent")
	}
	chunks, err := b.Parent().Chunks(0)
	if err != nil {
		n.t.Fatal(err)
	}
	got := 0
	for _, c := range chunks {
		if b.Hurt(c.Stack) || b.IsLost(c.Index) {
			got++
		}
	}
	if got != want {
		n.t.Errorf("%d chunks are to be stored anew, want %d", got, want)
	}
}

func (n *threatened) collect() {
	n.t.Helper()
	result, err := n.open().CollectGarbage(n.t.Context(), repository.GCOptions{Threshold: 1e-9})
	if err != nil || len(result.Findings) > 0 {
		n.t.Errorf("%+v, %v", result, err)
	}
}

// A frame is hurt of which another pack has a copy: nothing is to be repaired, and nothing is
// stored anew by the next backup for it.
func TestWhatLiesInTwoPacksIsNotLost(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 1)
	n.mustStoreWith(n.open(), "db2", n.images[0], storeOptions{full: true})
	for _, pack := range n.packs[0] {
		n.write(repository.PackName(pack), flipped(n.read(repository.PackName(pack)), 500))
	}
	if result := n.repair(repository.RepairOptions{}); len(result.Mendings) != 0 || result.Stored != 0 {
		t.Errorf("%+v", result)
	}
	if len(n.files("damage/")) != 1 {
		t.Errorf("records of damage: %q", n.files("damage/"))
	}
	n.costs(0, 0)
}

// A collection purges from the trash what a repair is about to put back: it stays gone.
func TestRepairBringsNothingBackThatIsPurged(t *testing.T) {
	t.Parallel()
	w := newRepairWorld(t)
	r := w.open(w.disk)
	v, err := r.Volume("db2")
	if err != nil {
		t.Fatal(err)
	}
	st := w.made("db2", 0)
	if _, err := r.Remove(t.Context(), v, []revision.ID{st.ID}, repository.RemoveOptions{Op: repository.OpRemove}); err != nil {
		t.Fatal(err)
	}
	name := repository.TrashName(v.UUID, st.ID)
	must(w.disk.SetFile(name, flipped(w.disk.Files()[name], 100)))
	var written, purged atomic.Bool // volumes are read side by side
	watched := durabletest.NewWatched(w.disk, func(op, file string) error {
		if op == "create" && strings.HasPrefix(file, "trash/") {
			written.Store(true)
		}
		if file == "locks/gate" && written.Load() && purged.CompareAndSwap(false, true) { // all of it was written anew, and has no name yet
			result, err := w.open(w.disk).CollectGarbage(t.Context(), repository.GCOptions{EmptyTrash: true})
			if err != nil || len(result.Purged) != 1 {
				t.Errorf("%+v, %v", result, err)
			}
		}
		return nil
	})
	rr, err := repository.Open(watched, repository.Options{Command: "scrub"})
	if err != nil {
		t.Fatal(err)
	}
	result, err := rr.Repair(t.Context(), repository.RepairOptions{})
	if err != nil || !purged.Load() {
		t.Fatalf("%+v, %v, purged: %v", result, err, purged.Load())
	}
	for file := range w.disk.Files() {
		if strings.HasPrefix(file, "trash/") && strings.HasSuffix(file, ".rev") {
			t.Errorf("%s is there: %+v", file, result)
		}
	}
}

// What only the trash of a volume needs that went is lost like everything else, and comes back
// out of the pack that had it.
func TestRepairOfAVolumeThatWent(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 2)
	r := n.open()
	v, err := r.Volume("db1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Remove(t.Context(), v, []revision.ID{n.made[0].ID, n.made[1].ID}, repository.RemoveOptions{Op: repository.OpRemove, All: true, Undelete: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for _, packs := range n.packs {
		for _, pack := range packs {
			name := repository.PackName(pack)
			broken := n.read(name)
			n.write(name, flipped(broken, len(broken)-1))
		}
	}
	result := n.repair(repository.RepairOptions{})
	if !result.Whole() || result.Stored == 0 {
		t.Errorf("%+v", result)
	}
	for _, e := range must2(r.Evidence()) { // as a person may who was told that it is not needed
		n.remove(e.Name)
	}
	for _, st := range n.made {
		back, err := r.FindTrashed("db1", st.ID.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Undelete(t.Context(), back, 0); err != nil {
			t.Fatal(err)
		}
	}
	for i, st := range n.made {
		if err := compare(t.Context(), n.open(), st, n.images[i]); err != nil {
			t.Errorf("night %d: %v", i, err)
		}
	}
}

// While a volume is being backed up, its files are left alone.
func TestRepairLeavesABusyVolumeAlone(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 1)
	file := repository.RevisionName("db1", n.made[0].ID)
	n.write(file, flipped(n.read(file), 100))
	r := n.open()
	b, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
	if err != nil {
		t.Fatal(err)
	}
	result := n.repair(repository.RepairOptions{})
	if result.Whole() || !strings.Contains(fmt.Sprint(result.Mendings[0].Why), "in use") {
		t.Errorf("%+v", result)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if result := n.repair(repository.RepairOptions{}); !result.Whole() {
		t.Errorf("%+v", result)
	}
}
