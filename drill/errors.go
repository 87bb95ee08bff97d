package drill

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"varve/loopmount"
)

// ErrOldKernel reports a kernel that lacks what the room needs.
var ErrOldKernel = errors.New("this kernel is older than Linux 5.12")

// errNotInRoom reports that somebody else than [Run] called [Room].
var errNotInRoom = errors.New("this is no namespace of processes of its own")

// A RoomError reports that the room could not be used.
type RoomError struct {
	Text  string
	cause error // nil: nothing that is known
}

func (e *RoomError) Error() string { return e.Text }

func (e *RoomError) Unwrap() error { return e.cause }

// newRoomError makes an error of what the room said.
func newRoomError(text string) *RoomError {
	e := &RoomError{Text: text}
	for _, known := range []error{ErrOldKernel, loopmount.ErrNotRoot, loopmount.ErrNoLoop, loopmount.ErrOldKernel} {
		if strings.Contains(text, known.Error()) {
			e.cause = known
		}
	}
	return e
}

// A TimeoutError reports a drill that did not end.
type TimeoutError struct{ Limit time.Duration }

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("it did not end within %v, and was given up", e.Limit)
}
