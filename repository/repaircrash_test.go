package repository_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// A repairCase is a repository in memory to which much has happened, and where the good bytes
// are.
type repairCase struct {
	*repairWorld
	hurt   *durabletest.Disk
	source []repository.RepairSource
	other  bool            // there is another repository
	left   map[string]bool // revisions, by volume and number, of which something stays lost
	every  int             // so many calls are between two that are tried
}

// everything is a case in which something of each sort is hurt, and a copy has it all.
func everything(t testing.TB) *repairCase {
	c := &repairCase{repairWorld: newRepairWorld(t), other: true, every: 5}
	c.hurt = c.disk.Copy()
	r := c.open(c.hurt)
	one := c.made("db1", 0)
	var gone, broken chunkstore.PackID
	for pack := range must2(r.PacksOf(c.volumeOf(one))) {
		if c.holds(r, pack, chunkstore.Patch) {
			gone = pack
		} else {
			broken = pack
		}
	}
	flip := func(name string, at int) {
		content := c.hurt.Files()[name]
		must(c.hurt.SetFile(name, flipped(content, (at+len(content))%len(content))))
	}
	must(c.hurt.Remove(repository.PackName(gone)))
	flip(repository.PackName(broken), -1)
	flip(repository.RevisionName("db1", one.ID), 100)
	flip(repository.CopyName(one.Volume.UUID, c.made("db1", 1).ID), 100)
	both := c.made("db1", 2)
	flip(repository.RevisionName("db1", both.ID), 100)
	must(c.hurt.Remove(repository.CopyName(both.Volume.UUID, both.ID)))
	flip(repository.InfoName("db1", c.made("db1", 1).ID), 30)
	flip("varve.json", 50)
	must(c.hurt.Remove("volumes/db2/volume.json"))
	must(c.hurt.Remove("README.txt"))
	for name := range c.hurt.Files() {
		if strings.HasPrefix(name, "sets/") && strings.HasSuffix(name, ".json") {
			flip(name, 40)
		}
	}
	return c
}

// aPatch is a case in which a patch in the middle of a history is lost, and its source holds
// what the last revision does: that gets another map.
func aPatch(t testing.TB) *repairCase {
	c := &repairCase{repairWorld: newRepairWorld(t), left: map[string]bool{"db1 2": true, "db1 3": true}, every: 2}
	c.hurt = c.disk.Copy()
	r := c.open(c.hurt)
	second, last := c.made("db1", 1), c.made("db1", 3)
	rd := must2(r.NewReader(t.Context()))
	im := must2(rd.Image(t.Context(), c.volumeOf(second), second.ID))
	stack := must2(im.Chunks(0))[1].Stack
	must(errors.Join(im.Close(), rd.Close()))
	must(c.hurt.Remove(repository.PackName(stack.Patches[len(stack.Patches)-1].Pack)))
	content := c.images[last]
	c.source = []repository.RepairSource{{Name: "the source", Volume: last.Volume.UUID, Content: content, Size: content.size}}
	return c
}

// aLostVolume is a case in which the whole directory of a volume is gone.
func aLostVolume(t testing.TB) *repairCase {
	c := &repairCase{repairWorld: newRepairWorld(t), every: 5}
	c.hurt = c.disk.Copy()
	for name := range c.hurt.Files() {
		if strings.HasPrefix(name, "volumes/db1/") {
			must(c.hurt.Remove(name))
		}
	}
	must(c.hurt.Remove("volumes/db1"))
	return c
}

func must2[T any](v T, err error) T {
	must(err)
	return v
}

func (c *repairCase) volumeOf(st *revision.Statement) repository.Volume {
	return repository.Volume{Name: st.Volume.Name, UUID: st.Volume.UUID}
}

func (c *repairCase) holds(r *repository.Repository, pack chunkstore.PackID, kind chunkstore.Kind) bool {
	return slices.ContainsFunc(must2(r.Contents(c.t.Context(), pack)), func(e chunkstore.Entry) bool { return e.Kind == kind })
}

// made gives a revision of a volume, by its place in the history.
func (w *repairWorld) made(name revision.Name, n int) *revision.Statement {
	for st := range w.images {
		if st.Volume.Name == name && st.Sequence == uint64(n+1) {
			return st
		}
	}
	panic(fmt.Sprintf("no revision %d of %s", n, name))
}

// repairThrough repairs what lies on a disk, by way of a file system that fails or dies.
func (c *repairCase) repairThrough(fsys durable.FS) (*repository.RepairResult, error) {
	r, err := repository.Open(fsys, repository.Options{Command: "scrub", Listers: 1})
	if err != nil {
		return nil, err
	}
	opts := repository.RepairOptions{Sources: c.source}
	if c.other {
		opts.Others = []repository.RepairOther{{Name: "a copy", Repository: c.open(c.kin.Copy())}}
	}
	return r.Repair(c.t.Context(), opts)
}

// comesBack makes sure that nothing wrong is given back as things are, and that another repair
// makes all good that can be.
func (c *repairCase) comesBack(disk *durabletest.Disk) error {
	r, err := repository.Open(disk, repository.Options{Command: "restore"})
	if err != nil {
		return err
	}
	for st, want := range c.images {
		if err := compare(c.t.Context(), r, st, want); errors.Is(err, errDiffers) {
			return fmt.Errorf("%s@%s: %w", st.Volume.Name, st.ID, err)
		}
	}
	if err := findDamage(c.t, r); err != nil {
		return err
	}
	if _, err := c.repairThrough(disk); err != nil {
		return fmt.Errorf("another repair: %w", err)
	}
	r = c.open(disk)
	for st, want := range c.images {
		err := compare(c.t.Context(), r, st, want)
		if c.left[fmt.Sprint(st.Volume.Name, " ", st.Sequence)] {
			if err == nil {
				return fmt.Errorf("%s@%s is whole", st.Volume.Name, st.ID)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s@%s: %w", st.Volume.Name, st.ID, err)
		}
	}
	result, err := r.CollectGarbage(c.t.Context(), repository.GCOptions{Threshold: 1e-9})
	if err != nil || len(result.Findings) > 0 {
		return fmt.Errorf("the collection after it: %+v, %w", result, err)
	}
	for st, want := range c.images {
		if err := compare(c.t.Context(), r, st, want); err != nil && !c.left[fmt.Sprint(st.Volume.Name, " ", st.Sequence)] {
			return fmt.Errorf("after a collection: %s@%s: %w", st.Volume.Name, st.ID, err)
		}
	}
	return nil
}

var repairCases = map[string]func(testing.TB) *repairCase{"everything": everything, "a patch": aPatch, "a lost volume": aLostVolume}

// A repair is killed before each call in turn, and another one ends what it began.
func TestEnumerateRepairKills(t *testing.T) {
	t.Parallel()
	for name, prepare := range repairCases {
		t.Run(name, func(t *testing.T) {
			c := prepare(t)
			for step := 0; ; step += c.every {
				disk := c.hurt.Copy()
				f := &failing{step: step, err: errors.New("killed"), forGood: true, meant: changes}
				if _, err := c.repairThrough(durabletest.NewWatched(disk, f.before)); f.fired == "" {
					if err != nil || step < 40 {
						t.Errorf("after %d steps: %v", step, err)
					}
					return
				}
				if err := c.comesBack(disk.Copy()); err != nil {
					t.Fatalf("killed at %s: %v", f.fired, err)
				}
			}
		})
	}
}

// One call fails, each in turn. The repair says so; and another one ends what it began.
func TestEnumerateRepairFaults(t *testing.T) {
	t.Parallel()
	for name, prepare := range repairCases {
		t.Run(name, func(t *testing.T) {
			c := prepare(t)
			for step := 0; ; step += c.every {
				disk := c.hurt.Copy()
				f := &failing{step: step, err: syscall.EIO, meant: func(string) bool { return true }}
				result, err := c.repairThrough(durabletest.NewWatched(disk, f.before))
				if f.fired == "" {
					break
				}
				if err == nil && result.Whole() {
					if err := c.wholeNow(disk.Copy()); err != nil {
						t.Fatalf("EIO at %s: all is said to be well: %v", f.fired, err)
					}
				}
				if err := c.comesBack(disk.Copy()); err != nil {
					t.Fatalf("EIO at %s: %v", f.fired, err)
				}
			}
		})
	}
}

// wholeNow makes sure that a repair that says that all is well is right.
func (c *repairCase) wholeNow(disk *durabletest.Disk) error {
	r := c.open(disk)
	for st, want := range c.images {
		if err := compare(c.t.Context(), r, st, want); err != nil {
			return fmt.Errorf("%s@%s: %w", st.Volume.Name, st.ID, err)
		}
	}
	return nil
}

// Power is cut after each event of a repair, with nothing left of what was not synced, or all
// of it.
func TestEnumerateRepairPowerCuts(t *testing.T) {
	t.Parallel()
	for name, prepare := range repairCases {
		t.Run(name, func(t *testing.T) { cutRepair(t, prepare(t), durabletest.Cuts{Few: true}) })
	}
}

func cutRepair(t *testing.T, c *repairCase, cuts durabletest.Cuts) {
	disk := c.hurt.Copy()
	rec := disk.Record()
	if _, err := c.repairThrough(disk); err != nil {
		t.Fatal(err)
	}
	disk.Stop()
	states := 0
	for s := range rec.States(cuts) {
		states++
		if err := c.comesBack(s.Disk); err != nil {
			t.Fatalf("%v\n%v", err, s)
		}
	}
	t.Logf("%d states of %d events", states, rec.Events())
}
