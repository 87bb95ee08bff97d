package filecopy

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"varve/internal/durable"
	"varve/loopmount"
)

// An ExistsError reports a name that is taken.
type ExistsError struct {
	Path      string
	Directory bool // it is that of a directory, or for one
	Special   bool // it is that of a device, a pipe or a socket
}

func (e *ExistsError) Error() string {
	switch {
	case e.Special:
		return fmt.Sprintf("%q exists, and is neither a file nor a link", e.Path)
	case e.Directory:
		return fmt.Sprintf("%q exists, and a directory is neither replaced nor takes the place of a file", e.Path)
	}
	return fmt.Sprintf("%q exists", e.Path)
}

// Is makes it an [fs.ErrExist].
func (e *ExistsError) Is(target error) bool { return target == fs.ErrExist }

// A SameNameError reports two sources that are to have the same name.
type SameNameError struct{ Name, Directory string }

func (e *SameNameError) Error() string {
	return fmt.Sprintf("two of them would be called %q in %q", e.Name, e.Directory)
}

// A fatalError ends the whole copy.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// isFatal tells an error after which nothing else can be made either from one that is about a single file.
func isFatal(err error) bool {
	if fatal := new(fatalError); errors.As(err, &fatal) {
		return true
	}
	for _, errno := range []unix.Errno{
		unix.EEXIST, unix.EINVAL, unix.ENAMETOOLONG, unix.EPERM, unix.EACCES, unix.EOPNOTSUPP, unix.EMLINK, unix.EILSEQ, unix.ERANGE, unix.E2BIG,
		unix.ENODATA, unix.EOVERFLOW, unix.EFBIG,
	} {
		if errors.Is(err, errno) {
			return false
		}
	}
	return !errors.Is(err, fs.ErrInvalid)
}

// isTooMuch tells of an extended attribute that a file has no room for, as file systems call it: if it is the disk that has none,
// the next file tells.
func isTooMuch(failure *durable.AttributeError, a durable.Attributes) bool {
	_, isExtended := a.Extended[failure.What]
	return isExtended && (errors.Is(failure, unix.ENOSPC) || errors.Is(failure, unix.EDQUOT))
}

// cause is an error without the path that it is about.
func cause(err error) error {
	if inner := new(fs.PathError); errors.As(err, &inner) {
		return inner.Err
	}
	if inner := new(loopmount.PathError); errors.As(err, &inner) {
		return inner.Err
	}
	return err
}
