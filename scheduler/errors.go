package scheduler

import (
	"errors"
	"fmt"

	"varve/internal/process"
)

// A TakenError reports that another scheduler has the directory.
type TakenError struct{ By process.Identity } // zero: nobody knows who

func (e *TakenError) Error() string {
	if e.By.PID == 0 {
		return "a scheduler runs for this repository already"
	}
	return fmt.Sprintf("a scheduler runs for this repository already: %s", e.By)
}

// A RefusedError reports what the scheduler would not do.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return e.Text }

// ErrSilent reports a scheduler that is there and does not answer.
var ErrSilent = errors.New("the scheduler does not answer")

// ErrNone reports that no scheduler runs.
var ErrNone = errors.New("no scheduler runs for this repository on this host")

// Why runs are called off.
var (
	errCalledOff = errors.New("it was called off")
	errEnding    = errors.New("the scheduler ends")
)
