package repository_test

import (
	"errors"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"varve/internal/durable/durabletest"
)

// failing lets a call fail, counted of those that are meant.
type failing struct {
	step    int
	err     error
	forGood bool // and all that come after it
	meant   func(op string) bool

	fired string
}

func (f *failing) before(op, name string) error {
	if f.forGood && f.fired != "" {
		return f.err
	}
	if !f.meant(op) {
		return nil
	}
	if f.step--; f.step != -1 {
		return nil
	}
	f.fired = op + " " + name
	return f.err
}

// changes tells whether a call changes what another process, or the disk, sees.
func changes(op string) bool { return durabletest.Mutating(op) || strings.HasPrefix(op, "fsync") }

// A collection is killed before each call in turn. All revisions are whole then, and the
// next collection ends what it began.
func TestEnumerateGCKills(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	for step := 0; ; step++ {
		disk := w.disk.Copy()
		f := &failing{step: step, err: errors.New("killed"), forGood: true, meant: changes}
		if _, err := w.collectOn(durabletest.NewWatched(disk, f.before)); f.fired == "" {
			if err != nil || step < 100 {
				t.Errorf("after %d steps: %v", step, err)
			}
			return
		}
		left := disk.Copy()
		if err := w.check(left); err != nil {
			t.Fatalf("killed at %s: %v", f.fired, err)
		}
		if err := w.finish(left); err != nil {
			t.Fatalf("killed at %s, and collected again: %v", f.fired, err)
		}
	}
}

// One call fails, each in turn, as on a disk with a bad spot. The collection says so, or
// did without; nothing is lost, and the next one ends it.
func TestEnumerateGCFaults(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	for fault, meant := range map[error]func(op string) bool{
		syscall.EIO:    func(string) bool { return true },
		syscall.ENOSPC: func(op string) bool { return op == "create" || op == "write" || op == "mkdir" },
	} {
		for step := 0; ; step++ {
			disk := w.disk.Copy()
			f := &failing{step: step, err: fault, meant: meant}
			result, err := w.collectOn(durabletest.NewWatched(disk, f.before))
			if f.fired == "" {
				break
			}
			if err == nil && len(result.Findings) == 0 && !result.NoRoom && result.FreedPacks < 4 {
				t.Errorf("%v at %s: nothing was said, and %d packs were freed", fault, f.fired, result.FreedPacks)
			}
			left := disk.Copy()
			if err := w.check(left); err != nil {
				t.Fatalf("%v at %s: %v", fault, f.fired, err)
			}
			if err := w.finish(left); err != nil {
				t.Fatalf("%v at %s, and collected again: %v", fault, f.fired, err)
			}
		}
	}
}

// Power is cut after each event of a collection, with all left of what was not synced, nothing,
// or some of it.
func TestEnumerateGCPowerCuts(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	disk := w.disk.Copy()
	rec := disk.Record()
	if _, err := w.collectOn(disk); err != nil {
		t.Fatal(err)
	}
	disk.Stop()
	states := 0
	for s := range rec.States(durabletest.Cuts{Subsets: 2, Seed: 1, InTurn: true}) {
		states++
		if err := w.check(s.Disk); err != nil {
			t.Fatalf("%v\n%v", err, s)
		}
		if err := w.finish(s.Disk); err != nil {
			t.Fatalf("collected again: %v\n%v", err, s)
		}
	}
	t.Logf("%d states of %d events", states, rec.Events())
}

// A collection does its work on a full disk: what is dead takes only small files to be
// removed, and what that frees is room to compact in.
func TestGCOnAFullDisk(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	var freed []int
	for room := int64(0); room < 40_000; room += 1000 {
		disk := w.disk.Copy()
		disk.SetRoom(room)
		result, err := w.collectOn(disk)
		if err == nil {
			freed = append(freed, result.FreedPacks)
		} else if result.FreedPacks > 0 {
			t.Errorf("%d bytes of room: %v, and %d packs were freed", room, err, result.FreedPacks)
		}
		left := disk.Copy()
		if err := w.check(left); err != nil {
			t.Fatalf("%d bytes of room: %v", room, err)
		}
		if err := w.finish(left); err != nil {
			t.Fatalf("%d bytes of room, and collected again: %v", room, err)
		}
	}
	if len(freed) < 30 || slices.Min(freed) < 3 {
		t.Errorf("with more and more room, packs were freed: %v", freed)
	}
}

// What a later step leans on is durable before it.
func TestGCOrder(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	c := &calls{}
	if _, err := w.collectOn(durabletest.NewWatched(w.disk, c.note)); err != nil {
		t.Fatal(err)
	}
	published := func(from int) int { return c.after(t, from, "rename gc/", ".json") }
	begun := c.after(t, 0, "readdir trash", "")
	for _, synced := range []string{"volumes", "trash", w.dirOf("half", "volumes"), w.dirOf("held", "trash")} {
		if at := c.after(t, begun, "fsync directory "+synced, ""); at > published(begun) {
			t.Errorf("%s is synced after packs are condemned", synced)
		}
	}
	first := published(0)
	if at := c.after(t, 0, "remove packs/", ".pack"); at < first {
		t.Error("a pack is removed before any is condemned")
	}
	if at := c.after(t, first, "fsync directory gc", ""); at > c.after(t, 0, "remove packs/", ".pack") {
		t.Error("a pack is removed before it is durably condemned")
	}
	for i, call := range c.list {
		if name, removed := strings.CutPrefix(call, "remove packs/"); removed && strings.HasSuffix(name, ".pack") {
			if at := c.after(t, i, "fsync directory packs/"+name[:2], ""); at > c.after(t, i, "open for writing locks/gate", "") {
				t.Errorf("the gate is left before the removal of %s is durable", name)
			}
		}
	}
	record := c.after(t, 0, "rename runs/", ".json")
	durable := c.after(t, record, "fsync directory runs", "")
	packed := c.after(t, 0, "create packs/", "")
	sealed := c.after(t, packed, "rename packs/", ".pack")
	barrier := c.after(t, sealed, "fsync directory packs/", "")
	moved := c.after(t, barrier, "rename gc/moved/", "")
	movedSynced := c.after(t, moved, "fsync directory gc/moved", "")
	second := published(first + 1)
	if !slices.IsSorted([]int{record, durable, packed, sealed, barrier, moved, movedSynced, second}) {
		t.Errorf("record %d, synced %d, pack %d, sealed %d, barrier %d, moves %d, synced %d, condemned %d",
			record, durable, packed, sealed, barrier, moved, movedSynced, second)
	}
}

func (w *gcWorld) dirOf(volume, dir string) string { return path.Dir(w.fileOf(volume, dir)) }
