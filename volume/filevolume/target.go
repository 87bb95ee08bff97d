package filevolume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"varve/volume"
)

// TargetOptions says how a target may be written. The zero value makes a new file and refuses all else.
type TargetOptions struct {
	Force     bool // what exists may be overwritten: a file is replaced at the end, a device written in place
	InPlace   bool // what exists is opened as it is, to be compared and written in part; implies Force
	EvenInUse bool // a target that is mounted, held, open for writing or a part of something may be written all the same

	// Range is the part of the volume that will be written; zero: all of it. In place a file then keeps its size,
	// and what is there may be smaller than the volume, as long as the range fits.
	Range volume.Extent
	// Needed is how many bytes a new file will take up: there must be room for them. Zero: not known, not checked.
	Needed int64
	// Content is the volume as it will be written, all of it. A device that has the mark of an array or a volume group
	// is not in use for that if Content has the very same one. Nil: it is not known.
	Content io.ReaderAt
	// Repository is the directory of the repository. A target that would overwrite it, or a device or image
	// that it lies on, is refused whatever else is allowed. Empty: none.
	Repository string
}

// end is the offset that the target must reach.
func (o TargetOptions) end(size int64) int64 {
	if o.Range == (volume.Extent{}) {
		return size
	}
	return o.Range.End()
}

func (o TargetOptions) check(size int64) error {
	r := o.Range
	if size < 0 || r.Offset < 0 || r.Length < 0 || r.Offset > size || r.Length > size-r.Offset {
		return fmt.Errorf("the range of %d bytes at %d is not within a volume of %d bytes", r.Length, r.Offset, size)
	}
	return nil
}

// OpenTarget opens path to receive a volume of size bytes, after all checks that can be made before the first write.
//
// It refuses with [volume.ErrNotVolume], [volume.ErrExists], [volume.ErrNoTarget], [*volume.NoDeviceError],
// [*volume.InUseError], [volume.ErrRepository], [*volume.SizeError], [*volume.SpaceError], and [volume.ErrBusy] while
// another run writes the same new file.
func OpenTarget(path string, size int64, opts TargetOptions) (volume.Target, error) {
	info, err := admit(path, size, opts)
	if err != nil {
		return nil, err
	}
	if opts.makesFile(info) {
		return openNewTarget(path, size, info, opts)
	}
	return openExisting(path, size, info, opts)
}

// CheckTarget makes the checks of [OpenTarget], and refuses what that would refuse, but for what another run is writing.
// It makes, changes and removes nothing. Surplus is that of a [volume.Larger], else 0.
func CheckTarget(path string, size int64, opts TargetOptions) (surplus int64, err error) {
	info, err := admit(path, size, opts)
	if err != nil {
		return 0, err
	}
	if opts.makesFile(info) {
		return 0, checkNewTarget(path, size, opts)
	}
	target, err := openExisting(path, size, info, opts)
	if err != nil {
		return 0, err
	}
	if larger, can := target.(volume.Larger); can {
		surplus = larger.Surplus()
	}
	return surplus, target.Close()
}

// admit makes the checks for which nothing has to be opened for writing, and tells what is there; nil: nothing.
func admit(path string, size int64, opts TargetOptions) (fs.FileInfo, error) {
	if err := opts.check(size); err != nil {
		return nil, fmt.Errorf("target %q: %w", path, err)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isAmongDevices(path):
		return nil, &volume.NoDeviceError{Target: path}
	case errors.Is(err, fs.ErrNotExist) && opts.InPlace:
		return nil, fmt.Errorf("target %q: %w", path, volume.ErrNoTarget)
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if err := checkKind(path, info.Mode()); err != nil {
		return nil, fmt.Errorf("target %w", err)
	}
	if !opts.Force && !opts.InPlace {
		return nil, fmt.Errorf("target %q: %w", path, volume.ErrExists)
	}
	return info, guard(path, info, size, opts)
}

// makesFile tells whether a new file is made, where this is there.
func (o TargetOptions) makesFile(info fs.FileInfo) bool {
	return info == nil || !isBlockDevice(info.Mode()) && !o.InPlace
}

// openExisting opens what is there as it is.
func openExisting(path string, size int64, info fs.FileInfo, opts TargetOptions) (volume.Target, error) {
	if isBlockDevice(info.Mode()) {
		return openDeviceTarget(path, size, opts)
	}
	return openInPlaceTarget(path, size, opts)
}

// isAmongDevices tells whether a new file would lie in /dev, where only a mistyped name of a device leads. What is
// below /dev/shm is meant to be a file.
func isAmongDevices(path string) bool {
	full, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(full)); err == nil {
		full = filepath.Join(dir, filepath.Base(full))
	}
	return strings.HasPrefix(full, "/dev/") && !strings.HasPrefix(full, "/dev/shm/")
}

// guard refuses an existing target that holds the repository or is in use.
func guard(path string, info fs.FileInfo, size int64, opts TargetOptions) error {
	ground, err := groundOf(opts.Repository)
	if err != nil {
		return err
	}
	overlaps, err := ground.overlaps(path, info, opts.Repository)
	if err == nil && overlaps {
		err = fmt.Errorf("target %q: %w", path, volume.ErrRepository)
	}
	if err != nil {
		return err
	}
	if isBlockDevice(info.Mode()) {
		return guardDevice(path, deviceID(statOf(info).Rdev), ground.pooled, size, opts)
	}
	if opts.EvenInUse {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	uses, err := fileUses(f, info)
	return inUse(path, uses, errors.Join(err, f.Close()))
}

// guardDevice refuses a device that is in use, or that seems to be needed by what is not assembled. Where nobody says
// which disks the repository's pool has, each disk of a pool may be one of them.
func guardDevice(path string, id deviceID, pooled bool, size int64, opts TargetOptions) error {
	if opts.EvenInUse && !pooled {
		return nil
	}
	members, err := findMembers(path, id)
	if err != nil {
		return err
	}
	if pooled && mayHoldPool(members) {
		return fmt.Errorf("target %q is %s, and so may be what is below the repository: %w", path, volume.ZFSDisk, volume.ErrRepository)
	}
	if opts.EvenInUse {
		return nil
	}
	uses, err := deviceUses(id)
	return inUse(path, append(uses, memberUses(members, opts.Content, size)...), err)
}

func inUse(path string, uses []volume.Use, err error) error {
	if err != nil || len(uses) == 0 {
		return err
	}
	return &volume.InUseError{Target: path, Uses: uses}
}

// checkRange refuses what does not lie within a volume.
func checkRange(name string, size, off, n int64) error {
	if off < 0 || n < 0 || off > size || n > size-off {
		err := fmt.Errorf("%w: %d bytes from here do not lie within %d", fs.ErrInvalid, n, size)
		return &volume.WriteError{Volume: name, Offset: off, Err: err}
	}
	return nil
}

// writeZeros writes n zeros at off.
func writeZeros(writeAt func(p []byte, off int64) (int, error), off, n int64) (int64, error) {
	zeros := alignedBuffer(int(min(n, zerosAtOnce)), directAlign)
	for done := int64(0); ; {
		w, err := writeAt(zeros[:min(n-done, zerosAtOnce)], off+done)
		done += int64(w)
		if err != nil || done >= n {
			return done, err
		}
	}
}

const zerosAtOnce = 1 << 20
