package interleave

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

// explorer goes through schedules, one after the other: each begins with the same world.
type explorer struct {
	world  *world
	state  string // below it, each actor has the state of its host
	alone  []solo // by operation
	single uint64 // how many schedules there are of two operations with one interruption

	figures figures
}

// solo is how many calls an operation makes, and how many of them are points, if nobody
// else does anything.
type solo struct{ calls, points int }

// figures say what the schedules came to.
type figures struct{ schedules, calls, turns, kills, losses, cuts, refused int64 }

// schedule is who does what, and in which order.
type schedule struct {
	seed   uint64
	does   []*operation
	clocks []time.Duration // how far off each one's is
	plan   plan
	dieAt  []int    // before which of its calls each is killed; 0: never. Nil: nobody is hurt
	loseAt []int    // before which of its calls each loses a lock; 0: never
	loses  []string // which: the beginning of its name
	cutAt  int      // before which call of all the power goes; 0: never
	night  bool     // the next night is tried, too
	trace  func(a *actor, op, name string)
}

func (s *schedule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v", s.plan)
	for i, o := range s.does {
		fmt.Fprintf(&b, "\n  actor %d: %s, its clock off by %v", i, o.name, s.clocks[i])
		if s.dieAt != nil && s.dieAt[i] > 0 {
			fmt.Fprintf(&b, ", killed before its call %d", s.dieAt[i])
		}
		if s.dieAt != nil && s.loseAt[i] > 0 {
			fmt.Fprintf(&b, ", without its lock on %s from call %d on", s.loses[i], s.loseAt[i])
		}
	}
	if s.cutAt > 0 {
		fmt.Fprintf(&b, "\n  the power goes before call %d", s.cutAt)
	}
	return b.String()
}

func newExplorer(t *testing.T) *explorer {
	t.Helper()
	x := &explorer{state: durabletest.TempDir(t)}
	bubble(t, 1, func(t *testing.T) { x.world = newWorld(t, filepath.Join(x.state, "past")) })
	for i := range operations {
		sch := &schedule{does: []*operation{&operations[i]}, clocks: []time.Duration{0}, plan: newBounded([]int{0}, 0), night: true}
		s, err := x.try(t, sch)
		if err != nil {
			t.Fatalf("%s, alone: %v", operations[i].name, err)
		}
		a := s.actors[0]
		x.alone = append(x.alone, solo{a.calls, a.points})
		x.single += uint64(a.points * len(operations))
	}
	x.figures = figures{}
	return x
}

// bubble runs a function where time stands still as long as anybody does anything, and
// where random is what the seed says.
func bubble(t *testing.T, seed uint64, do func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		do(t)
	})
}

// try goes through one schedule, and says what is wrong.
func (x *explorer) try(t *testing.T, sch *schedule) (s *scheduler, err error) {
	t.Helper()
	bubble(t, sch.seed+1<<32, func(t *testing.T) { s, err = x.run(t.Context(), sch) })
	return s, err
}

func (x *explorer) run(ctx context.Context, sch *schedule) (*scheduler, error) {
	w := x.world.copy()
	s := &scheduler{disk: w.disk, plan: sch.plan, cutAt: sch.cutAt, trace: sch.trace}
	var rec *durabletest.Recording
	if sch.cutAt > 0 {
		rec = w.disk.Record()
	}
	var work []func(*actor)
	for i, o := range sch.does {
		a := &actor{number: i}
		if sch.dieAt != nil {
			a.dieAt, a.loseAt, a.loses = sch.dieAt[i], sch.loseAt[i], sch.loses[i]
		}
		s.actors = append(s.actors, a)
		p := &process{w: w, clock: s.clock(sch.clocks[i])}
		if o.catalog {
			p.state = filepath.Join(x.state, fmt.Sprint(i))
			if err := x.layState(p.state); err != nil {
				return s, err
			}
		}
		work = append(work, func(a *actor) {
			p.fsys = s.view(a)
			a.err = o.do(ctx, p)
		})
	}
	err := s.run(work)
	x.count(s)
	if err != nil {
		return s, err
	}
	lost := slices.ContainsFunc(s.actors, func(a *actor) bool { return a.lost })
	for i, o := range sch.does {
		switch {
		case s.actors[i].dead.Load(), lost: // it may end with anything, as long as nothing is lost
		case !o.isOf(s.actors[i].err):
			return s, fmt.Errorf("actor %d, %s, ends with: %w", i, o.name, s.actors[i].err)
		case s.actors[i].err != nil:
			x.figures.refused++
		}
	}
	if rec != nil {
		w.disk.Stop()
		return s, x.checkCuts(ctx, w, rec, sch)
	}
	return s, x.check(ctx, w, sch.night)
}

func (x *explorer) check(ctx context.Context, w *world, night bool) error {
	if err := w.check(ctx); err != nil || !night {
		return err
	}
	state := filepath.Join(x.state, "night")
	if err := x.layState(state); err != nil {
		return err
	}
	if err := w.nextNight(ctx, state); err != nil {
		return fmt.Errorf("the next night: %w", err)
	}
	return nil
}

// checkCuts looks at what a power cut may leave at the end of what was recorded.
func (x *explorer) checkCuts(ctx context.Context, w *world, rec *durabletest.Recording, sch *schedule) error {
	at := rec.Events()
	n := 0
	for state := range rec.States(durabletest.Cuts{Seed: sch.seed, Few: true, From: at, To: at}) {
		left := w.copy()
		left.disk = state.Disk
		left.removing, left.undoing, left.pinned = w.removing, w.undoing, w.pinned
		if err := x.check(ctx, left, sch.night && n == 0); err != nil {
			return fmt.Errorf("%w\nafter a %v", err, state)
		}
		x.figures.cuts++
		n++
	}
	return nil
}

func (x *explorer) count(s *scheduler) {
	x.figures.schedules++
	x.figures.calls += int64(s.calls)
	x.figures.turns += int64(s.turns)
	for _, a := range s.actors {
		if a.dead.Load() && !s.cut {
			x.figures.kills++
		}
		if a.lost {
			x.figures.losses++
		}
	}
}

// layState gives a host what it knew of the repository in the beginning, and nothing that another schedule left there
// for the journal.
func (x *explorer) layState(state string) error {
	left, err := filepath.Glob(filepath.Join(state, "*", "left"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	for name, content := range x.world.catalog {
		name = filepath.Join(state, name)
		if err := errors.Join(durable.EnsureDir(filepath.Dir(name)), os.WriteFile(name, content, 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// clock is one that is off by so much, and goes on by a millisecond with each call.
func (s *scheduler) clock(off time.Duration) func() time.Time {
	return func() time.Time { return begin.AddDate(0, 0, 1).Add(off + time.Duration(s.calls)*time.Millisecond) }
}
