package tally

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// a recorder stands in for the test whose figures are kept.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Failed() bool        { return r.failed }
func (r *recorder) Logf(string, ...any) {}

func openBook(t *testing.T, r *recorder, path string) *Book {
	t.Helper()
	r.TB = t
	b, err := open(r, path, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func take(t *testing.T, b *Book, goal int64) uint64 {
	t.Helper()
	seed, ok := b.Next("runs", goal)
	if !ok {
		t.Fatal("Next gives no seed")
	}
	return seed
}

func TestABookGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "x.json")
	first := openBook(t, &recorder{}, path)
	for want := uint64(1); want <= 3; want++ {
		if seed := take(t, first, 10); seed != want {
			t.Errorf("seed %d, want %d", seed, want)
		}
		first.Done(want, Figures{"runs": 1, "found": 2})
	}
	first.close()
	second := openBook(t, &recorder{}, path)
	if seed := take(t, second, 10); seed != 4 {
		t.Errorf("the second run begins with seed %d, want 4", seed)
	}
	second.Done(4, Figures{"runs": 1})
	if got := second.state.Totals; got["runs"] != 4 || got["found"] != 6 {
		t.Errorf("totals = %v, want 4 runs and 6 found", got)
	}
	if got := second.Remaining("runs", 10); got != 6 {
		t.Errorf("Remaining = %d, want 6", got)
	}
}

func TestASeedCountsOnceThoseBeforeItDo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.json")
	first := openBook(t, &recorder{}, path)
	for range 3 {
		take(t, first, 0)
	}
	first.Done(3, Figures{"runs": 1})
	first.Done(1, Figures{"runs": 1})
	first.close() // interrupted: seed 2 never came to its end
	second := openBook(t, &recorder{}, path)
	if got := second.state.Totals["runs"]; got != 1 {
		t.Errorf("%d runs are counted, want 1", got)
	}
	for want := uint64(2); want <= 3; want++ {
		if seed := take(t, second, 0); seed != want {
			t.Errorf("seed %d, want %d again", seed, want)
		}
		second.Done(want, Figures{"runs": 1})
	}
	if got := second.state.Totals["runs"]; got != 3 {
		t.Errorf("%d runs are counted, want 3", got)
	}
}

func TestABookEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &recorder{}
	b := openBook(t, r, filepath.Join(dir, "goal.json"))
	take(t, b, 2)
	take(t, b, 2) // under way both, and so none is left
	if seed, ok := b.Next("runs", 2); ok {
		t.Errorf("seed %d past the goal", seed)
	}
	b = openBook(t, r, filepath.Join(dir, "time.json"))
	b.end = time.Now()
	if seed, ok := b.Next("runs", 0); ok {
		t.Errorf("seed %d past the time", seed)
	}
	b = openBook(t, r, filepath.Join(dir, "failed.json"))
	seed := take(t, b, 0)
	r.failed = true
	b.Done(seed, Figures{"runs": 1})
	if len(b.state.Failed) != 1 || b.state.Failed[0] != seed {
		t.Errorf("failed seeds = %d, want [%d]", b.state.Failed, seed)
	}
	if seed, ok := b.Next("runs", 0); ok {
		t.Errorf("seed %d after a failure", seed)
	}
}

func TestAFailedSeedIsRunAgainFirst(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.json")
	first := openBook(t, &recorder{failed: true}, path)
	first.given++ // the test failed while it ran
	first.Done(1, Figures{"runs": 1})
	first.close()
	for _, fails := range []bool{true, false} {
		r := &recorder{}
		b := openBook(t, r, path)
		if seed := take(t, b, 1); seed != 1 { // though the goal is reached
			t.Errorf("seed %d, want 1, which failed", seed)
		}
		r.failed = fails
		b.Done(1, Figures{"runs": 1})
		b.close()
	}
	last := openBook(t, &recorder{}, path)
	if seed, ok := last.Next("runs", 1); ok {
		t.Errorf("seed %d, though all have passed", seed)
	}
	if got := last.state.Totals["runs"]; got != 1 {
		t.Errorf("%d runs are counted, want 1", got)
	}
}

func TestOneSeedAloneIsNotWrittenDown(t *testing.T) {
	t.Setenv(durationVariable, "1h")
	t.Setenv(seedVariable, "77")
	dir := t.TempDir()
	t.Setenv(stateVariable, dir)
	b := Open(t, "x")
	if seed := take(t, b, 10); seed != 77 {
		t.Errorf("seed %d, want 77", seed)
	}
	b.Done(77, Figures{"runs": 1})
	if seed, ok := b.Next("runs", 10); ok {
		t.Errorf("another seed, %d", seed)
	}
	if err := b.save(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("in the state's directory: %v, %v", entries, err)
	}
}

func TestADamagedBookIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(path, []byte(`{"next": `), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := open(t, path, time.Now()); err == nil {
		t.Errorf("open = %v, want an error", b.state)
	}
}
