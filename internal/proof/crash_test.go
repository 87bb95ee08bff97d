package proof

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"varve/internal/durable/durabletest"
	"varve/internal/proof/tally"
)

// crashes is a command that was recorded, and what to do with it.
type crashes struct {
	t      *testing.T
	before *World // with the catalog as it was
	after  *World // with the catalog as it was at the end
	rec    *durabletest.Recording
	again  uint64 // every so many states, recovery is cut short in turn; 0: never
	thin   uint64 // of the states of a recovery that was cut short, one in so many is tried
	cuts   durabletest.Cuts
	shm    string

	states atomic.Int64
	second atomic.Int64
}

// record runs the command once.
func record(t *testing.T, c command, cuts durabletest.Cuts, again, thin uint64) *crashes {
	t.Helper()
	shm := durabletest.TempDir(t)
	w := NewWorld(filepath.Join(shm, "after"))
	c.before(t.Context(), w)
	before, err := w.Copy(filepath.Join(shm, "before"))
	if err != nil {
		t.Fatal(err)
	}
	rec := w.Record()
	if err := c.command(t.Context(), w, w.Disk); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	w.Disk.Mark()
	w.Disk.Stop()
	return &crashes{t: t, before: before, after: w, rec: rec, cuts: cuts, again: again, thin: thin, shm: shm}
}

// numbered is a state with its number, which does not depend on who checks it.
type numbered struct {
	durabletest.State
	n uint64
}

// enumerate puts every state to the oracle, as many at a time as there are processors.
func (c *crashes) enumerate(ctx context.Context) {
	states := make(chan numbered)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for s := range states {
				if err := c.check(ctx, s.State, s.n); err != nil {
					c.t.Errorf("%v\n%v", err, s.State)
				}
			}
		})
	}
	for s := range c.rec.States(c.cuts) {
		if c.t.Failed() || ctx.Err() != nil {
			break
		}
		states <- numbered{s, uint64(c.states.Add(1))}
	}
	close(states)
	workers.Wait()
}

// check puts one state to the oracle. Whether there is a catalog, and which, goes
// round: none, the one from before the command, the one that knows what was lost.
func (c *crashes) check(ctx context.Context, s durabletest.State, n uint64) error {
	w, err := c.after.Copy("")
	if err != nil {
		return err
	}
	w.Disk = s.Disk
	w.CutAt(s.Phase)
	if from := []string{"", c.before.State, c.after.State}[n%3]; from != "" {
		w.State = filepath.Join(c.shm, fmt.Sprint(n))
		if err := copyState(from, w.State); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(w.State) }() // it is in memory, and goes with the test
	}
	if c.again == 0 || n%c.again != 0 {
		return w.Check(ctx)
	}
	return c.checkTwice(ctx, w, n/c.again)
}

// checkTwice also cuts the power while the repository recovers from the first cut.
// What comes then has in turn the catalog that the recovery left, and none.
func (c *crashes) checkTwice(ctx context.Context, w *World, n uint64) error {
	rec := w.Record()
	if err := w.Check(ctx); err != nil {
		return err
	}
	w.Disk.Stop()
	skip := n % c.thin
	for second := range rec.States(durabletest.Cuts{Seed: c.cuts.Seed, Few: true}) {
		if skip > 0 {
			skip--
			continue
		}
		skip = c.thin - 1
		state := ""
		if n := c.second.Add(1); n%2 == 0 {
			state = filepath.Join(c.shm, fmt.Sprintf("second-%d", n))
		}
		again, err := w.Copy(state)
		if err != nil {
			return err
		}
		again.Disk = second.Disk
		again.CutAt(second.Phase)
		if err := errors.Join(again.Check(ctx), os.RemoveAll(state)); err != nil {
			return fmt.Errorf("%w\nafter a second %v\nand before it", err, second)
		}
	}
	return nil
}

// Power is cut after every call of every command that writes.
func TestEnumerateCrashes(t *testing.T) {
	const seed = 1
	total, ran := new(atomic.Int64), 0
	for _, c := range commands {
		t.Run(c.name, func(t *testing.T) {
			ran++
			crashes := record(t, c, durabletest.Cuts{Seed: seed, Subsets: 2, Samples: 1, InTurn: true}, 400, 8)
			crashes.enumerate(t.Context())
			total.Add(crashes.states.Load() + crashes.second.Load())
			t.Logf("%d calls, %d states, and %d of second cuts", crashes.rec.Events(), crashes.states.Load(), crashes.second.Load())
		})
	}
	const enough = 20_000
	if n := total.Load(); n < enough && ran == len(commands) && !t.Failed() {
		t.Errorf("%d states were tried, %d are promised", n, enough)
	}
	t.Logf("%d states in all, seed %d", total.Load(), seed)
}

// As above, with every subset of up to 12 effects, and one seed after the other.
func TestTortureCrashes(t *testing.T) {
	const (
		goal  = 1_000_000
		parts = 10 // a command's calls are gone through in so many
	)
	book := tally.Open(t, "crashes")
	for seed, ok := book.Next("states", goal); ok; seed, ok = book.Next("states", goal) {
		unit, figures := int(seed-1), tally.Figures{}
		part := unit / len(commands) % parts
		c := commands[unit%len(commands)]
		t.Run(fmt.Sprintf("seed=%d/%s", seed, c.name), func(t *testing.T) {
			crashes := record(t, c, durabletest.Cuts{Seed: uint64(unit/len(commands)/parts) + 1, Subsets: 12, Samples: 1000}, 500, 1)
			calls := crashes.rec.Events()
			crashes.cuts.From, crashes.cuts.To = calls*part/parts, calls*(part+1)/parts
			crashes.enumerate(t.Context())
			figures["states"] = crashes.states.Load() + crashes.second.Load()
			figures["second cuts"] = crashes.second.Load()
		})
		book.Done(seed, figures)
	}
}
