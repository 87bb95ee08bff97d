package interleave

import (
	"fmt"
	"slices"
	"testing"

	"varve/internal/proof/tally"
)

// The same number gives the same calls in the same order.
func TestASchedulesNumberSaysAll(t *testing.T) {
	x := newExplorer(t)
	for number := range uint64(40) {
		number = 1 + number*2018
		var before []string
		for range 2 {
			sch, trace := x.schedule(number), []string(nil)
			sch.trace = func(a *actor, op, name string) { trace = append(trace, fmt.Sprint(a.number, " ", op, " ", name)) }
			if _, err := x.try(t, sch); err != nil {
				t.Fatalf("schedule %d: %v\n%v", number, err, sch)
			}
			for i := range min(len(trace), len(before)) {
				if trace[i] != before[i] {
					t.Fatalf("schedule %d: call %d is %q, and was %q", number, i, trace[i], before[i])
				}
			}
			if before != nil && !slices.Equal(trace, before) {
				t.Fatalf("schedule %d: %d calls, and it were %d", number, len(trace), len(before))
			}
			before = trace
		}
	}
}

// Several processes at a repository: two of which one is interrupted once, each way, and
// more of them at random. VARVE_SEED runs the schedule of one number alone.
func TestEnumerateInterleavings(t *testing.T) {
	x := newExplorer(t)
	if number, only := tally.Only(t); only {
		x.must(t, number)
		return
	}
	const enough = 20_000
	for number := uint64(1); x.figures.schedules < enough && !t.Failed(); number++ {
		if number <= x.single && !x.isQuick(number) {
			continue
		}
		x.must(t, number)
	}
	t.Logf("%+v", x.figures)
}

// isQuick chooses from the schedules with one interruption those for each day: all that are
// interrupted by a collection that empties the trash, a fifth of those that interrupt one,
// and of the others every sixteenth.
func (x *explorer) isQuick(number uint64) bool {
	const worst = "gc"
	switch does := x.schedule(number).does; {
	case does[1].name == worst:
		return true
	case does[0].name == worst:
		return number%5 == 0
	}
	return number%16 == 0
}

// All schedules with one interruption, and random ones after them.
func TestTortureInterleavings(t *testing.T) {
	const goal = 1_000_000
	book := tally.Open(t, "interleavings")
	x := newExplorer(t)
	for number, ok := book.Next("schedules", goal); ok; number, ok = book.Next("schedules", goal) {
		x.figures = figures{}
		x.must(t, number)
		book.Done(number, tally.Figures{
			"schedules": x.figures.schedules, "calls": x.figures.calls, "turns": x.figures.turns,
			"kills": x.figures.kills, "lost locks": x.figures.losses, "states of power cuts": x.figures.cuts, "refused": x.figures.refused,
		})
	}
}

// must goes through the schedule of a number, in which nothing may be wrong.
func (x *explorer) must(t *testing.T, number uint64) {
	t.Helper()
	sch := x.schedule(number)
	if _, err := x.try(t, sch); err != nil {
		t.Errorf("schedule %d: %v\n%v\nVARVE_SEED=%d go test -run TestEnumerateInterleavings ./internal/proof/interleave", number, err, sch, number)
	}
}
