package durabletest

import (
	"fmt"
	"sync"

	"varve/internal/durable"
)

// Fault says which call fails and how.
type Fault struct {
	// Step is the number of the call that fails, the first being 0. Negative: none.
	Step int
	// Of tells which operations are counted; nil: all.
	Of func(op string) bool
	// Err is what it fails with.
	Err error
	// ForGood lets every later call fail too, counted or not, as on a disk that is gone.
	ForGood bool
	// Short lets a failing write take half of its bytes first, as on a full disk.
	Short bool
}

// Faulty is an FS whose calls are counted and fail as its Fault says: those of which
// a [Watched] is asked. It is safe for concurrent use; with several goroutines the
// numbering is theirs to make steady.
type Faulty struct {
	*Watched
	fault Fault

	mu    sync.Mutex
	calls int
	fired string
}

var _ durable.FS = (*Faulty)(nil)

// NewFaulty puts a fault over fsys.
func NewFaulty(fsys durable.FS, fault Fault) *Faulty {
	f := &Faulty{fault: fault}
	f.Watched = NewWatched(fsys, f.step)
	f.short = fault.Short
	return f
}

// Fired describes the first call that failed, or is empty if none has.
func (f *Faulty) Fired() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}

// step counts a call and returns the error it is to fail with.
func (f *Faulty) step(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fired != "" {
		if f.fault.ForGood {
			return f.fault.Err
		}
		return nil
	}
	if f.fault.Of != nil && !f.fault.Of(op) {
		return nil
	}
	n := f.calls
	f.calls++
	if n != f.fault.Step {
		return nil
	}
	f.fired = fmt.Sprintf("call %d, %s %s", n, op, name)
	return f.fault.Err
}
