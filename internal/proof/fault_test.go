package proof

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/internal/proof/tally"
)

// troubles are the ways in which a call fails.
var troubles = []durabletest.Fault{
	{Err: syscall.EIO},
	{Err: syscall.ENOSPC, Short: true, ForGood: true},
	{Err: syscall.EDQUOT, Short: true},
	{Err: syscall.EROFS, ForGood: true},
	{Err: syscall.EIO, ForGood: true},
	{Err: syscall.EIO, Short: true},
	{Err: syscall.ENOSPC},
	{Err: syscall.ENOSPC, Short: true},
	{Err: syscall.EDQUOT, Short: true, ForGood: true},
	{Err: syscall.EROFS},
}

func troubleName(f durabletest.Fault) string {
	name := f.Err.Error() + " once"
	if f.ForGood {
		name = f.Err.Error() + " for good"
	}
	if f.Short {
		name += ", after half a write"
	}
	return name
}

// faults is a command that is to fail.
type faults struct {
	t       *testing.T
	command command
	before  *World
	shm     string
	cuts    int // after every so many faults, the power is cut as well
	syncs   int // and after every so many of those that failed a sync
	faults  int
	failed  int          // of these, failed a sync
	tried   atomic.Int64 // faults and power cuts
}

// quickCuts is how often the power is cut as well when there is no time for more.
const quickCuts = 64

func newFaults(t *testing.T, c command, cuts int) *faults {
	t.Helper()
	f := &faults{t: t, command: c, shm: durabletest.TempDir(t), cuts: cuts, syncs: 1}
	f.before = NewWorld(filepath.Join(f.shm, "before"))
	c.before(t.Context(), f.before)
	return f
}

// world is what there was before the command, with a catalog of its own. It is recorded.
func (f *faults) world() *World {
	f.t.Helper()
	w, err := f.before.Copy(filepath.Join(f.shm, fmt.Sprint(f.tried.Add(1))))
	if err != nil {
		f.t.Fatal(err)
	}
	w.Record()
	return w
}

// alike is how many calls after this one are of its kind, and need not be tried as
// well: packs lie in 256 directories, which are read one after the other, and by some
// after a look at each. Before is the call that was tried before, of which one in so many is.
func alike(before, call string, stride int) int {
	const last = 0xfc // directories after it are tried again
	op, dir, is := ofPacks(call)
	if !is || dir < 2 || dir >= last {
		return 0
	}
	was, dirBefore, _ := ofPacks(before)
	if op == "lstat" || was == "lstat" || stride > 1 && dirBefore == dir-1 { // there is a look before each
		return 2 * (last - dir)
	}
	return last - dir
}

// ofPacks tells whether a call is a look at one of the directories of packs, and at which.
func ofPacks(call string) (op string, dir int, is bool) {
	at := strings.LastIndex(call, " packs/")
	if at < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(call[at+len(" packs/"):], 16, 8)
	switch {
	case err != nil || len(call) != at+len(" packs/00"):
		return "", 0, false
	case strings.HasSuffix(call[:at], "lstat"):
		return "lstat", int(n), true
	}
	return "readdir", int(n), strings.HasSuffix(call[:at], "readdir")
}

// writes tells whether an operation is one that a full disk, or one mounted anew for reading alone, fails.
func writes(op string) bool {
	return durabletest.Mutating(op) || strings.HasPrefix(op, "fsync") || op == "close"
}

// every lets the command fail at each call of those operations (nil: of all), in the ways in turn.
func (f *faults) every(ctx context.Context, of func(op string) bool, ways ...durabletest.Fault) {
	before := ""
	for step := 0; ; step++ {
		w := f.world()
		fault := ways[step%len(ways)]
		fault.Step, fault.Of = step, of
		faulty := durabletest.NewFaulty(w.Disk, fault)
		_ = f.command.command(ctx, w, faulty) // whether it failed, and rightly, the promises say
		if faulty.Fired() == "" {
			if step == 0 && of == nil {
				f.t.Errorf("%s makes no call", f.command.name)
			}
			return
		}
		if err := f.after(ctx, w, strings.Contains(faulty.Fired(), "fsync"), fault.ForGood); err != nil {
			f.t.Errorf("%s, %s at %s: %v", f.command.name, troubleName(fault), faulty.Fired(), err)
		}
		if f.t.Failed() {
			return
		}
		step += alike(before, faulty.Fired(), 1)
		before = faulty.Fired()
	}
}

// after puts the world after a fault to the oracle. Where a sync failed, what it
// was to write is not on the disk, whatever programs see: the power is cut when the
// command has ended, and, unless the disk was gone for good until it was mounted
// again, after the next night. After other faults that is done now and then, and after some syncs.
func (f *faults) after(ctx context.Context, w *World, unsynced, forGood bool) error {
	defer func() { _ = os.RemoveAll(w.State) }() // it is in memory, and goes with the test
	f.faults++
	cut := f.faults%f.cuts == 0
	if unsynced {
		cut = f.failed%f.syncs == 0
		f.failed++
	}
	if !cut {
		w.stopRecording()
		return w.Check(ctx)
	}
	ended := w.recording.Events()
	if err := f.cut(ctx, w, ended); err != nil {
		return fmt.Errorf("after a power cut then: %w", err)
	}
	if forGood {
		return nil
	}
	if err := w.Check(ctx); err != nil {
		return err
	}
	if err := f.cut(ctx, w, w.recording.Events()); err != nil {
		return fmt.Errorf("after a power cut the next night: %w", err)
	}
	return nil
}

// cut puts to the oracle what a power cut at this moment would leave.
func (f *faults) cut(ctx context.Context, w *World, event int) error {
	w.Disk.Mark()
	for s := range w.recording.States(durabletest.Cuts{Few: true, From: event, To: event}) {
		cut, err := w.Copy("")
		if err != nil {
			return err
		}
		f.tried.Add(1)
		cut.Disk = s.Disk
		cut.CutAt(s.Phase)
		if err := cut.Check(ctx); err != nil {
			return fmt.Errorf("%w\n%v", err, s)
		}
	}
	return nil
}

// Every call of every command that writes fails with an input/output error, and every one that changes something in one of the other ways.
func TestEnumerateFaults(t *testing.T) {
	total := new(atomic.Int64)
	t.Run("commands", func(t *testing.T) {
		for _, c := range commands {
			t.Run(c.name+"/"+troubleName(troubles[0]), func(t *testing.T) {
				t.Parallel()
				f := newFaults(t, c, quickCuts)
				f.every(t.Context(), nil, troubles[0])
				total.Add(f.tried.Load())
			})
			t.Run(c.name+"/the other ways in turn", func(t *testing.T) {
				t.Parallel()
				f := newFaults(t, c, quickCuts)
				f.syncs = 4
				f.every(t.Context(), writes, troubles[1:]...)
				total.Add(f.tried.Load())
			})
		}
	})
	t.Logf("%d faults", total.Load())
}

// All the ways to fail, and one seed after the other.
func TestTortureFaults(t *testing.T) {
	book := tally.Open(t, "faults")
	goal := int64(len(commands) * len(troubles))
	for seed, ok := book.Next("rounds", goal); ok; seed, ok = book.Next("rounds", goal) {
		unit, figures := int(seed-1), tally.Figures{"rounds": 1}
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			f := newFaults(t, commands[unit%len(commands)], 8)
			f.every(t.Context(), nil, troubles[unit/len(commands)%len(troubles)])
			figures["faults"] = f.tried.Load()
		})
		book.Done(seed, figures)
	}
}

// The command is interrupted at every second call, as by a signal.
func TestEnumerateInterruptions(t *testing.T) {
	for i, c := range commands {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, before := newFaults(t, c, quickCuts), ""
			const stride = 2
			for step := i % stride; ; step += stride {
				w := f.world()
				ctx, cancel := context.WithCancel(t.Context())
				calls, at := 0, ""
				watched := durabletest.NewWatched(w.Disk, func(op, name string) error {
					if calls == step {
						at = op + " " + name
						cancel()
					}
					calls++
					return nil
				})
				_ = c.command(ctx, w, watched) // whether it failed, and rightly, the promises say
				cancel()
				if at == "" {
					if step == i%stride {
						t.Error("it makes no call")
					}
					return
				}
				if err := f.after(t.Context(), w, false, false); err != nil {
					t.Fatalf("interrupted at %s: %v", at, err)
				}
				step += alike(before, at, stride)
				before = at
			}
		})
	}
}

// Every read of the source fails, once or from then on.
func TestEnumerateSourceFaults(t *testing.T) {
	for _, c := range commands {
		t.Run(c.name, func(t *testing.T) {
			f := newFaults(t, c, quickCuts/4)
			if len(f.before.Volumes) == 0 {
				return
			}
			for _, forGood := range []bool{false, true} {
				for at := 0; ; at++ {
					w := f.world()
					fired := false
					w.FailReads = func(n int) error {
						if n == at || forGood && n > at {
							fired = true
							return syscall.EIO
						}
						return nil
					}
					err := c.command(t.Context(), w, durable.FS(w.Disk))
					w.FailReads = nil
					if !fired {
						break
					}
					if !errors.Is(err, syscall.EIO) {
						t.Fatalf("read %d of the source failed, and the command says %v", at, err)
					}
					if err := f.after(t.Context(), w, false, false); err != nil {
						t.Fatalf("read %d of the source failed: %v", at, err)
					}
				}
			}
		})
	}
}
