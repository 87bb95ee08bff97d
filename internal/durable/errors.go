package durable

import (
	"errors"
	"fmt"
)

// ErrLink reports a symbolic link where a file or directory was expected.
var ErrLink = errors.New("is a symbolic link, and links are not followed")

// ErrNotRegular reports something other than a regular file: a directory, a pipe, a device.
var ErrNotRegular = errors.New("is not a regular file")

// ErrTooLarge reports a file that is larger than any its reader expects.
var ErrTooLarge = errors.New("file is too large")

// ErrNoFlock reports a file system whose locks exclude nobody.
var ErrNoFlock = errors.New("the file system has no working flock")

// ErrStaged reports a name at which another run is putting something together.
var ErrStaged = errors.New("another run is writing it")

// An AttributeError reports an attribute that this file system, or this user, cannot give to a file.
type AttributeError struct {
	What string // "owner", "mode", "times", or the name of an extended attribute
	Err  error
}

func (e *AttributeError) Error() string { return fmt.Sprintf("%s: %v", e.What, e.Err) }

func (e *AttributeError) Unwrap() error { return e.Err }
