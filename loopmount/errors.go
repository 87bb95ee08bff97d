package loopmount

import (
	"errors"
	"fmt"
	"strings"

	"varve/disk"
)

var (
	// ErrNotRoot reports a process that may not mount.
	ErrNotRoot = errors.New("only root can open a file system within an image: the kernel mounts it")
	// ErrNoLoop reports a host without loop devices.
	ErrNoLoop = errors.New("there are no loop devices here (/dev/loop-control)")
	// ErrOldKernel reports a kernel that lacks what this needs.
	ErrOldKernel = errors.New("this kernel is older than Linux 5.8")
)

// A ContentError reports a part that holds no file system.
type ContentError struct{ Part disk.Part }

func (e *ContentError) Error() string {
	what := e.Part.What
	if e.Part.Problem != "" {
		what += "; " + e.Part.Problem
	}
	return fmt.Sprintf("%s holds no file system: it is %s", e.Part.Words(), what)
}

// An UnknownError reports a file system that this kernel does not know.
type UnknownError struct{ Kind disk.Kind }

func (e *UnknownError) Error() string { return fmt.Sprintf("this kernel does not know %s", e.Kind) }

// A MountError reports a file system that the kernel does not mount.
type MountError struct {
	Part disk.Part
	Said []string // by the kernel
	Err  error
}

func (e *MountError) Error() string {
	text := fmt.Sprintf("the kernel does not mount the %s of %s: %v", e.Part.Kind, e.Part.Words(), e.Err)
	if len(e.Said) > 0 {
		text += " (" + strings.Join(e.Said, "; ") + ")"
	}
	return text
}

func (e *MountError) Unwrap() error { return e.Err }

// A PathError reports something of a file system that could not be read.
type PathError struct {
	Path string // within the file system
	Op   string // what was being done: "open", "read"
	Err  error
}

func (e *PathError) Error() string { return fmt.Sprintf("%s %q: %v", e.Op, e.Path, e.Err) }

func (e *PathError) Unwrap() error { return e.Err }
