package job

import (
	"errors"
	"fmt"

	"varve/revision"
)

var (
	// ErrNotDue reports a volume that somebody else has backed up since it was due.
	ErrNotDue = errors.New("it is not due any more")
	// ErrNotBegun reports a job whose turn came after the run was interrupted.
	ErrNotBegun = errors.New("not begun: the run was interrupted")
)

// A NoSourceError reports a volume of which nobody said what it is read from, and
// that does not tell it itself.
type NoSourceError struct {
	Volume revision.Name
	New    bool // the repository does not have it
}

func (e *NoSourceError) Error() string {
	if e.New {
		return fmt.Sprintf("no such volume %q", e.Volume)
	}
	return fmt.Sprintf("volume %q has no revision that tells its source", e.Volume)
}

// A HooksError reports hooks that cannot be meant.
type HooksError struct {
	Volume revision.Name
	Err    error
}

func (e *HooksError) Error() string { return fmt.Sprintf("hooks of volume %q: %v", e.Volume, e.Err) }

func (e *HooksError) Unwrap() error { return e.Err }

// A NoSetError reports a set that the configuration does not have.
type NoSetError struct{ Set string }

func (e *NoSetError) Error() string { return fmt.Sprintf("the configuration has no set %q", e.Set) }

// A NoMatchError reports a pattern that no volume fits.
type NoMatchError struct{ Pattern revision.Glob }

func (e *NoMatchError) Error() string { return fmt.Sprintf("no volume matches %q", e.Pattern) }
