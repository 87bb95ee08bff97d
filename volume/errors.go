package volume

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrChanged reports a source that is not what it was when its snapshot was taken: it became shorter, or another
	// file stands in its place.
	ErrChanged = errors.New("the source changed while it was read")
	// ErrNotVolume reports a path that can be neither source nor target: a directory, a pipe, a terminal.
	ErrNotVolume = errors.New("neither a regular file nor a block device")
	// ErrExists reports a target that exists and that nobody allowed to be overwritten.
	ErrExists = errors.New("the target exists")
	// ErrNoTarget reports a target that is to be written in place, and does not exist.
	ErrNoTarget = errors.New("there is nothing to write into: the target does not exist")
	// ErrBusy reports a target that another run is writing at this moment.
	ErrBusy = errors.New("another run is writing this target")
	// ErrRepository reports a target that would overwrite the repository, or what the repository lies on.
	ErrRepository = errors.New("the repository lies on it")
	// ErrOwnSource reports a source that is a part of the repository, or that the repository lies on. Each backup of it
	// would store what the one before stored.
	ErrOwnSource = errors.New("it is what the repository lies on, or a part of the repository")
)

// A ReadError reports a place of a source, or of a target, that could not be read.
type ReadError struct {
	Volume string
	Offset int64 // of the first byte that is missing
	Err    error
}

func (e *ReadError) Error() string {
	return fmt.Sprintf("read %q at byte %d: %v", e.Volume, e.Offset, e.Err)
}

func (e *ReadError) Unwrap() error { return e.Err }

// A WriteError reports a place of a target that could not be written.
type WriteError struct {
	Volume string
	Offset int64 // of the first byte that is not written
	Err    error
}

func (e *WriteError) Error() string {
	return fmt.Sprintf("write %q at byte %d: %v", e.Volume, e.Offset, e.Err)
}

func (e *WriteError) Unwrap() error { return e.Err }

// A LocationError reports a SOURCE or TARGET argument that names no place.
type LocationError struct {
	Text  string
	Cause string
}

func (e *LocationError) Error() string { return fmt.Sprintf("location %q: %s", e.Text, e.Cause) }

// An UnsupportedError reports a kind of volume that this build does not know.
type UnsupportedError struct {
	What, Known string
	Ceph        bool // one that is built with Ceph would
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("this build of varve does not read or write %s; it knows %s", e.What, e.Known)
}

// A NoDeviceError reports a new file that would be made among the devices, in memory.
type NoDeviceError struct{ Target string }

func (e *NoDeviceError) Error() string {
	return fmt.Sprintf("there is no device %s, and a file is not made in /dev", e.Target)
}

// A NoDirectoryError reports a new file whose directory is not there.
type NoDirectoryError struct{ Target, Directory string }

func (e *NoDirectoryError) Error() string {
	return fmt.Sprintf("target %q: there is no directory %s", e.Target, e.Directory)
}

// A SizeError reports a target that is too small for the volume.
type SizeError struct {
	Target     string
	Have, Need int64
	Part       bool // a range of the volume is written, which ends at Need
}

func (e *SizeError) Error() string {
	if e.Part {
		return fmt.Sprintf("target %q holds %d bytes, the range ends at byte %d", e.Target, e.Have, e.Need)
	}
	return fmt.Sprintf("target %q holds %d bytes, the volume needs %d", e.Target, e.Have, e.Need)
}

// A SpaceError reports a file system without room for a new target.
type SpaceError struct {
	Target          string
	Available, Need int64
	Before          int // other targets that come first, and whose room is not available any more; 0: none
}

func (e *SpaceError) Error() string {
	if e.Before > 0 {
		return fmt.Sprintf("no room for target %q: %d bytes available after the %d before it, %d needed", e.Target, e.Available, e.Before, e.Need)
	}
	return fmt.Sprintf("no room for target %q: %d bytes available, %d needed", e.Target, e.Available, e.Need)
}

// An InUseError reports a target that something else uses.
type InUseError struct {
	Target string
	Uses   []Use // at least one
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("target %q is in use: %s", e.Target, JoinUses(e.Uses))
}

// A Use is one way in which a volume is in use.
type Use struct {
	Kind    UseKind
	By      string // the mount point, the device above, the process
	Writing bool   // may change the volume
}

// A UseKind says how a volume is used.
type UseKind string

// The ways to use a volume.
const (
	Mounted UseKind = "mounted" // By: where
	Held    UseKind = "held"    // By: the device that is built upon it, or empty
	Swap    UseKind = "swap"    // By: empty, or through which device
	Opened  UseKind = "open"    // By: the process, or empty if it cannot be seen
	Watched UseKind = "watched" // By: the client of an RBD image
	Member  UseKind = "member"  // By: what it seems to be, such as "an LVM physical volume", by its [Signature]
)

// String says the use in words: "mounted read-write on /srv".
func (u Use) String() string {
	mode := " read-only"
	if u.Writing {
		mode = " read-write"
	}
	switch u.Kind {
	case Mounted:
		return "mounted" + mode + " on " + u.By
	case Swap:
		return strings.TrimSpace("used as swap " + u.By)
	case Opened:
		if u.Writing {
			mode = " for writing"
		}
		return "open" + mode + " by " + orUnseen(u.By)
	case Member:
		return "it looks like " + u.By
	}
	return string(u.Kind) + " by " + orUnseen(u.By)
}

func orUnseen(by string) string {
	if by == "" {
		return "something that cannot be seen from here"
	}
	return by
}

// JoinUses says several uses in one line.
func JoinUses(uses []Use) string {
	texts := make([]string, len(uses))
	for i, u := range uses {
		texts[i] = u.String()
	}
	return strings.Join(texts, "; ")
}
