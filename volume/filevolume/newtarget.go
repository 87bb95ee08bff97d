package filevolume

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"varve/internal/durable"
	"varve/volume"
)

// partialSuffix marks a target that is not complete. A file of such a name is ours by its name, and what a run that was
// killed left is taken away by the next one; so it is a name that nobody else gives.
const partialSuffix = ".varve-partial"

// IsPartial tells whether a file of that name is a target that is not complete.
func IsPartial(name string) bool { return strings.HasSuffix(name, partialSuffix) }

// openNewTarget makes TARGET.varve-partial, for a name that is free or in place of a file that exists.
func openNewTarget(path string, size int64, replaces fs.FileInfo, opts TargetOptions) (*fileTarget, error) {
	t, err := newFileTarget(path, size, opts)
	if err != nil {
		return nil, err
	}
	t.replaces = replaces
	if err := t.create(opts.Needed); err != nil {
		return nil, errors.Join(err, t.tree.Close())
	}
	return t, nil
}

// checkNewTarget makes the checks of openNewTarget, and no file.
func checkNewTarget(path string, size int64, opts TargetOptions) error {
	t, err := newFileTarget(path, size, opts)
	if err != nil {
		return err
	}
	err = t.checkRoom(opts.Needed)
	if err == nil {
		if err = unix.Access(t.dir, unix.W_OK|unix.X_OK); err != nil {
			err = fmt.Errorf("target %q: make a file in %q: %w", path, t.dir, err)
		}
	}
	return errors.Join(err, t.tree.Close())
}

// checkRoom refuses a file for which there is not enough room.
func (t *fileTarget) checkRoom(needed int64) error {
	available, _, err := t.tree.Free()
	if err != nil {
		return fmt.Errorf("target %q: %w", t.name, err)
	}
	if needed > available {
		return &volume.SpaceError{Target: t.name, Available: available, Need: needed}
	}
	return nil
}

// create makes the file under the name that it has until Commit.
func (t *fileTarget) create(needed int64) (err error) {
	if err := t.checkRoom(needed); err != nil {
		return err
	}
	partial := t.base + partialSuffix
	t.file, err = createPartial(t.tree, partial)
	if err != nil {
		return fmt.Errorf("target %q: %w", t.name, err)
	}
	if err := t.file.Truncate(t.size); err != nil {
		err = fmt.Errorf("target %q of %d bytes: %w", t.name, t.size, err)
		return errors.Join(err, t.tree.Remove(partial), t.file.Close())
	}
	t.partial = partial
	return nil
}

// createPartial makes the file and locks it, for as long as it is open. The name belongs to who has the lock on the
// file that it leads to; so one without a lock was left by a run that is dead, and is removed.
// It is never written: it could have other names, or another owner.
func createPartial(tree durable.FS, name string) (durable.File, error) {
	for {
		f, err := tree.Create(name)
		if errors.Is(err, fs.ErrExist) {
			if err := removeStale(tree, name); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		mine, err := owns(f, name)
		if err != nil {
			return nil, errors.Join(err, f.Close()) // it stays: whose it is now is not known, and the next run tells
		}
		if mine {
			return f, nil
		}
		// Between making and locking it, another run took it for a stale one.
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// removeStale removes a file that nobody has locked, and refuses one that somebody has.
func removeStale(tree durable.FS, name string) error {
	f, err := tree.OpenWrite(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	stale, err := owns(f, name)
	if err == nil {
		if stale {
			err = tree.Remove(name)
		} else {
			err = refuseThere(f, name)
		}
	}
	return errors.Join(err, f.Close())
}

// refuseThere refuses a file that another run has locked, unless the name leads elsewhere by now.
func refuseThere(f durable.File, name string) error {
	is, err := f.Is(name)
	if err != nil || !is {
		return err
	}
	return fmt.Errorf("%q: %w", name, volume.ErrBusy)
}

// owns locks the file and reports whether that succeeded and the name leads to it.
func owns(f durable.File, name string) (bool, error) {
	locked, err := f.TryLock()
	if err != nil || !locked {
		return false, err
	}
	return f.Is(name)
}
