package repository

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/process"
	"varve/revision"
)

// Errors that callers branch on.
var (
	// ErrNoRepository reports a directory without a repository in it.
	ErrNoRepository = errors.New("no repository there")
	// ErrExists reports an attempt to make a repository where one is.
	ErrExists = errors.New("a repository is there already")
	// ErrNotEmpty reports an attempt to make a repository among other files.
	ErrNotEmpty = errors.New("the directory is not empty")
	// ErrNoVolume reports a volume that the repository does not have.
	ErrNoVolume = errors.New("no such volume")
	// ErrVolumeExists reports a name that a volume has already.
	ErrVolumeExists = errors.New("there is a volume of that name")
	// ErrNameUndecided reports that a disk failed just when a volume got its new
	// name, and again when that was to be undone: it has the one or the other.
	ErrNameUndecided = errors.New("which of its two names the volume has is not known")
	// ErrReadOnly reports an attempt to write to a repository that cannot be written to.
	ErrReadOnly = errors.New("the repository cannot be written to")
	// ErrNoNumber reports a volume of which a revision has the highest sequence
	// number there is. No backup gets so far: somebody forged it.
	ErrNoNumber = errors.New("no sequence number is left")
	// ErrLostGround reports that a revision was not made visible because what
	// it stands on changed under it. Nothing is lost; the next run heals it.
	ErrLostGround = errors.New("the repository changed under the backup")
	// ErrUndecided reports that a disk failed just when the revision became
	// visible, and again when that was to be undone: the revision is there, and
	// whole, or it is not.
	ErrUndecided = errors.New("whether the revision is there is not known")

	errBadContent = errors.New("content is damaged")
	errVisible    = errors.New("it is not in the trash: it is there")
	errGone       = fmt.Errorf("there is no such revision: %w", fs.ErrNotExist)
	errMoved      = errors.New("the volume changed meanwhile") // while it was looked at
	errUnsettled  = errors.New("a volume is not as its files say")
	errRestless   = errors.New("the repository did not come to rest, and nothing more was condemned: others went through its gate all the time")
	errFileGone   = errors.New("it is gone")                  // of a file that must be there
	errNoCopy     = errors.New("there is no good copy of it") // of a file that is to be repaired
	errMayNeed    = errors.New("a map cannot be read that may need it: it stays where it is")
	errNeeded     = errors.New("not all that is needed of it was found: it stays where it is")
	errNotStored  = errors.New("what was stored again is not found")
)

// An OrderError reports a revision that was to be made of a time that is not after that
// of one that the volume has, or before that of one that it had.
type OrderError struct {
	Volume revision.Name
	Newer  revision.ID // the newest of them
	Same   bool        // Newer is of that very time
}

func (e *OrderError) Error() string {
	if e.Same {
		return fmt.Sprintf("volume %q has revision %s, which is of that very time: history is brought along oldest first, and once", e.Volume, e.Newer)
	}
	return fmt.Sprintf("volume %q has revision %s, which is newer: history is brought along oldest first", e.Volume, e.Newer)
}

// A ForeignFileError reports a file that somebody else put into the repository, where
// all of a directory was to go.
type ForeignFileError struct{ Path string }

func (e *ForeignFileError) Error() string {
	return fmt.Sprintf("%s is not a file of this program: move it elsewhere first", e.Path)
}

// A PinnedError reports a revision that is pinned, and so does not go.
type PinnedError struct {
	Volume revision.Name
	ID     revision.ID
	Pin    revision.Pin
}

func (e *PinnedError) Error() string {
	return fmt.Sprintf("revision %s@%s is pinned", e.Volume, e.ID.Short())
}

// A ChildlessError reports a revision that is to be merged, and on which nothing builds.
type ChildlessError struct {
	Volume revision.Name
	ID     revision.ID
}

func (e *ChildlessError) Error() string {
	return fmt.Sprintf("nothing builds on %s@%s: there is nothing to fold it into", e.Volume, e.ID.Short())
}

// A NotInTrashError reports a revision that is not in the trash.
type NotInTrashError struct {
	Volume revision.Name
	ID     string // or its short part
}

func (e *NotInTrashError) Error() string {
	return fmt.Sprintf("revision %s@%s is not in the trash", e.Volume, e.ID)
}

func (e *NotInTrashError) Is(target error) bool { return target == fs.ErrNotExist }

// A SeveralInTrashError reports the short part of an id that several revisions have.
type SeveralInTrashError struct {
	ID string
	N  int
}

func (e *SeveralInTrashError) Error() string {
	return fmt.Sprintf("%s names %d revisions of volumes that had the name: use a whole id", e.ID, e.N)
}

// A NowhereError reports an object of which nobody who was asked has good bytes.
type NowhereError struct{ Asked []Origin }

func (e *NowhereError) Error() string {
	var asked []string
	for _, o := range e.Asked {
		asked = append(asked, o.String())
	}
	return "not found in: " + strings.Join(asked, ", ")
}

// A BusyError reports a lock that somebody else holds.
type BusyError struct {
	What   string // what is locked, for people
	Holder Holder // zero if the holder left no word
}

func (e *BusyError) Error() string {
	if e.Holder == (Holder{}) {
		return e.What + " is in use by another process"
	}
	return fmt.Sprintf("%s is in use by %s", e.What, e.Holder)
}

// Holder says who holds a lock or a lease, and since when.
type Holder = process.Identity

// A DamagedFileError reports a file of the repository that does not hold what it
// should. Reading it again will not help; a copy or scrub may.
type DamagedFileError struct {
	Path  string
	Cause error
}

func (e *DamagedFileError) Error() string { return fmt.Sprintf("%s is damaged: %v", e.Path, e.Cause) }

func (e *DamagedFileError) Unwrap() error { return e.Cause }

// A FormatError reports a repository that this program is too old for.
type FormatError struct {
	Format   int      // of the repository
	Features []string // that it needs and this program lacks
}

func (e *FormatError) Error() string {
	if len(e.Features) > 0 {
		return fmt.Sprintf("the repository needs %s, which this program does not know", strings.Join(e.Features, ", "))
	}
	return fmt.Sprintf("the repository has format %d, this program reads format %d", e.Format, FormatVersion)
}

// A VolumeError reports that what a volume has could not be read.
type VolumeError struct {
	Volume revision.Name
	Err    error
}

// Error is that of the cause, which names a file of the volume.
func (e *VolumeError) Error() string { return e.Err.Error() }

func (e *VolumeError) Unwrap() error { return e.Err }

// A LostVolumeError reports a volume of which the directory is gone, with all that was noted of
// its revisions, and copies of revisions are there that were committed and not removed. A repair
// brings them back.
type LostVolumeError struct {
	Volume    Volume        // its name is the last one that the journal knows
	Revisions []revision.ID // of which there are copies
}

func (e *LostVolumeError) Error() string {
	return fmt.Sprintf("%s is gone, and copies of its revisions are there still: %d", volumeDir(e.Volume.Name), len(e.Revisions))
}

// asFile is the error as that of the volume's own file.
func (e *LostVolumeError) asFile() *DamagedFileError {
	return &DamagedFileError{Path: volumeRecordName(e.Volume.Name), Cause: e}
}

// A DamagedRevisionError reports a revision that cannot be opened, because its
// map, or one that it builds on, is damaged or missing.
type DamagedRevisionError struct {
	Volume revision.Name
	ID     revision.ID
	Cause  error
}

func (e *DamagedRevisionError) Error() string {
	return fmt.Sprintf("revision %s@%s cannot be read: %v", e.Volume, e.ID, e.Cause)
}

func (e *DamagedRevisionError) Unwrap() error { return e.Cause }

// IsDamage tells whether an error says that stored bytes are not what was once written, or
// are gone. Another try does not help; of any other error it may.
func IsDamage(err error) bool {
	var (
		rev     *DamagedRevisionError
		object  *chunkstore.CorruptError
		corrupt *revision.CorruptError
	)
	return isDamaged(err) || errors.As(err, &rev) || errors.As(err, &object) || errors.As(err, &corrupt) ||
		errors.Is(err, chunkstore.ErrNotFound)
}

// isDamaged tells it of a file alone.
func isDamaged(err error) bool {
	damaged := new(DamagedFileError)
	return errors.As(err, &damaged)
}

// damagedFile makes a failure to read a file a DamagedFileError if it says that
// the content is lost: the file is something else, or the disk cannot read it any
// more. All other trouble may pass, and stays what it is.
func damagedFile(name string, err error) error {
	for _, lost := range []error{durable.ErrTooLarge, durable.ErrLink, durable.ErrNotRegular, syscall.EIO} {
		if errors.Is(err, lost) {
			return &DamagedFileError{Path: name, Cause: err}
		}
	}
	return err
}

// notFound tells absence from trouble.
func notFound(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// readOnly tells whether an error means that this process may not write here.
func readOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || durable.IsReadOnly(err)
}

// wrapReadOnly makes [ErrReadOnly] of an error that says so.
func wrapReadOnly(err error) error {
	if readOnly(err) {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}
