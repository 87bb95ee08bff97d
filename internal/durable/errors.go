package durable

import "errors"

// ErrLink reports a symbolic link where a file or directory was expected.
var ErrLink = errors.New("is a symbolic link, and links are not followed")

// ErrNotRegular reports something other than a regular file: a directory, a pipe, a device.
var ErrNotRegular = errors.New("is not a regular file")

// ErrTooLarge reports a file that is larger than any its reader expects.
var ErrTooLarge = errors.New("file is too large")

// ErrNoFlock reports a file system whose locks exclude nobody.
var ErrNoFlock = errors.New("the file system has no working flock")
