package tally

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/internal/durable"
)

// The environment of a torture test.
const (
	durationVariable = "VARVE_TORTURE"
	stateVariable    = "VARVE_TORTURE_STATE"
	seedVariable     = "VARVE_SEED"
)

// Figures counts things, each under a name that a person reads.
type Figures map[string]int64

func (f Figures) add(other Figures) {
	for name, n := range other {
		f[name] += n
	}
}

// state is the book's file.
type state struct {
	Next   uint64   `json:"next"` // the first seed that is not done
	Totals Figures  `json:"totals"`
	Failed []uint64 `json:"failed,omitempty"` // seeds with which the test failed, ascending
}

// Book is the figures of one test. It is safe for concurrent use.
type Book struct {
	t    testing.TB
	path string
	end  time.Time
	only *uint64 // the one seed to run; nil: all, from the state's on

	mu    sync.Mutex
	state state
	again []uint64           // seeds that failed in runs before this one, still to give out
	given uint64             // the next seed to give out
	early map[uint64]Figures // done, while one before it is not
	ended bool
	saved time.Time
}

// Open opens the book of the test, which it skips unless VARVE_TORTURE says how
// long it may take. Name becomes the name of a file. What the book holds in the
// end is logged.
func Open(t testing.TB, name string) *Book {
	t.Helper()
	text := os.Getenv(durationVariable)
	if text == "" {
		t.Skipf("%s is not set: this test runs in make torture", durationVariable)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", durationVariable, err)
	}
	b, err := open(t, filepath.Join(Dir(t), name+".json"), time.Now().Add(d))
	if err != nil {
		t.Fatal(err)
	}
	if seed, ok := Only(t); ok {
		b.only, b.given = &seed, seed
	}
	t.Cleanup(b.close)
	return b
}

// Only tells which one seed is to be run, if VARVE_SEED names one.
func Only(t testing.TB) (seed uint64, ok bool) {
	t.Helper()
	text := os.Getenv(seedVariable)
	if text == "" {
		return 0, false
	}
	seed, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		t.Fatalf("%s: %v", seedVariable, err)
	}
	return seed, true
}

// Dir is where books lie, beside what else the Makefile makes: for what a test has
// to keep besides its figures.
func Dir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv(stateVariable); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "build", "torture")
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.mod above the test: where is build/torture?")
		}
		dir = filepath.Dir(dir)
	}
}

func open(t testing.TB, path string, end time.Time) (*Book, error) {
	b := &Book{
		t: t, path: path, end: end, early: map[uint64]Figures{}, saved: time.Now(),
		state: state{Next: 1, Totals: Figures{}},
	}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(data, &b.state); err != nil {
			return nil, fmt.Errorf("%s: %w; without the file, the test begins anew", path, err)
		}
	}
	if b.state.Totals == nil {
		b.state.Totals = Figures{}
	}
	b.given, b.again = b.state.Next, slices.Clone(b.state.Failed)
	return b, nil
}

// Next gives the next seed, unless the time is over, the test has failed, or
// the counter has reached the goal in this run and those before it. A goal of
// zero is never reached. Seeds that failed in runs before this one come first,
// whatever was reached: no run is a success that has not seen them pass. Each seed
// that was given is to be given back to Done.
func (b *Book) Next(counter string, goal int64) (seed uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.only != nil {
		ok, b.ended = !b.ended, true
		return *b.only, ok
	}
	if b.t.Failed() || !time.Now().Before(b.end) {
		return 0, false
	}
	if len(b.again) > 0 {
		seed, b.again = b.again[0], b.again[1:]
		return seed, true
	}
	pending := int64(b.given - b.state.Next) // each may count one, or has: the goal is not passed by much
	if goal > 0 && b.state.Totals[counter]+pending >= goal {
		return 0, false
	}
	b.given++
	return b.given - 1, true
}

// Remaining is how much the counter lacks of the goal.
func (b *Book) Remaining(counter string, goal int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, goal-b.state.Totals[counter])
}

// Done adds what came of a seed, and writes the book down once a second. A seed
// counts as soon as all those before it do, so that an interruption neither
// leaves one out nor counts one twice. One that failed before has counted.
func (b *Book) Done(seed uint64, figures Figures) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.early[seed] = maps.Clone(figures)
	switch at, known := slices.BinarySearch(b.state.Failed, seed); {
	case b.t.Failed() && !known:
		b.state.Failed = slices.Insert(b.state.Failed, at, seed)
	case !b.t.Failed() && known:
		b.state.Failed = slices.Delete(b.state.Failed, at, at+1)
	}
	for {
		done, ok := b.early[b.state.Next]
		if !ok {
			break
		}
		delete(b.early, b.state.Next)
		b.state.Totals.add(done)
		b.state.Next++
	}
	if time.Since(b.saved) > time.Second {
		if err := b.save(); err != nil {
			b.t.Errorf("write the figures down: %v", err)
		}
	}
}

// close writes the book down and logs it.
func (b *Book) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.save(); err != nil {
		b.t.Errorf("write the figures down: %v", err)
	}
	b.t.Logf("in all runs: %s", b.state)
}

// save replaces the file at once, or not at all.
func (b *Book) save() (err error) {
	b.saved = time.Now()
	if b.only != nil {
		return nil
	}
	data, err := json.MarshalIndent(b.state, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(b.path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	tree, err := durable.OpenTree(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	owner := fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())
	return durable.Replace(tree, durable.NewTemps(owner), filepath.Base(b.path), append(data, '\n'))
}

// String lists the figures, by name.
func (s state) String() string {
	parts := []string{fmt.Sprintf("next seed %d", s.Next)}
	for _, name := range slices.Sorted(maps.Keys(s.Totals)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, s.Totals[name]))
	}
	if len(s.Failed) > 0 {
		parts = append(parts, fmt.Sprintf("FAILED with seeds %d", s.Failed))
	}
	return strings.Join(parts, ", ")
}
