package fusemount

import (
	"fmt"
	"strings"
)

// A BusyError reports what is mounted and cannot be unmounted, because it is in use.
type BusyError struct {
	Dir   string
	Users []string // processes, loop devices, and what is mounted of those, as people know them
	Cause error
}

func (e *BusyError) Error() string {
	if len(e.Users) > 0 {
		return fmt.Sprintf("%s is in use by %s", e.Dir, strings.Join(e.Users, ", "))
	}
	return fmt.Sprintf("%s cannot be unmounted: %v", e.Dir, e.Cause)
}

func (e *BusyError) Unwrap() error { return e.Cause }

// A PointError reports a mount point that cannot be one.
type PointError struct {
	Dir     string
	What    string
	Mounted bool // something is mounted there already
	Cause   error
}

func (e *PointError) Error() string { return fmt.Sprintf("%s %s", e.Dir, e.What) }

func (e *PointError) Unwrap() error { return e.Cause }

// A mountError reports that fusermount3 did not mount, and told a person why.
type mountError struct {
	dir, why string
	cause    error
}

func (e *mountError) Error() string { return fmt.Sprintf("mount at %s: %s", e.dir, e.why) }

func (e *mountError) Unwrap() error { return e.cause }

// A MissingError reports that this host cannot mount, and what would let it.
type MissingError struct {
	What  string
	Cause error
}

func (e *MissingError) Error() string { return e.What }

func (e *MissingError) Unwrap() error { return e.Cause }
