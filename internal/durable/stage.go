package durable

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

var errReplaced = errors.New("somebody else put a directory of his own in its place")

// Stage makes and opens a directory in which something is put together before it gets its name. Nobody else enters it, nothing
// in it inherits from this one, and the name belongs to who has it locked: one without a lock was left by a run that is
// dead, and is removed with all that is in it. So it is a name that nobody else gives.
func (d *Dir) Stage(name string) (*Dir, error) {
	for {
		stage, err := d.Mkdir(name)
		if errors.Is(err, fs.ErrExist) {
			if err := d.removeStale(name); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		mine, err := d.owns(stage, name)
		if err == nil && mine {
			err = stage.isOurs()
		}
		if err == nil && mine {
			err = stage.inheritNothing()
		}
		if err == nil && mine {
			return stage, nil
		}
		// Between making and locking it, another run took it for a stale one.
		if err := errors.Join(err, stage.Close()); err != nil {
			return nil, err
		}
	}
}

// removeStale removes a directory that nobody has locked, and refuses one that somebody has.
func (d *Dir) removeStale(name string) error {
	stale, err := d.enter(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return d.failed("stage", name, fs.ErrExist)
	case err != nil:
		return err
	}
	mine, err := d.owns(stale, name)
	switch {
	case err != nil:
	case mine:
		err = d.RemoveAll(name)
	default:
		if here, lookErr := d.is(stale, name); lookErr != nil || here {
			err = errors.Join(lookErr, d.failed("stage", name, ErrStaged))
		}
	}
	return errors.Join(err, stale.Close())
}

// owns locks the directory, and tells whether that succeeded and the name leads to it.
func (d *Dir) owns(stage *Dir, name string) (bool, error) {
	for {
		err := unix.Flock(stage.fd(), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case err != nil:
			return false, d.failed("lock", name, err)
		}
		return d.is(stage, name)
	}
}

// is tells whether the name leads to this very directory.
func (d *Dir) is(stage *Dir, name string) (bool, error) {
	mine, err := stage.f.Stat()
	if err != nil {
		return false, err
	}
	there, err := d.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, there), err
}

// isOurs makes sure that nobody put a directory of his own in the place of the one that was made, by whose names he would have what
// he likes changed: a file that is made in it has its owner. Some file systems give all files the same one, whoever makes them.
func (d *Dir) isOurs() error {
	const probe = "owner"
	f, err := d.Create(probe)
	if err != nil {
		return err
	}
	var ours, stage unix.Stat_t
	err = errors.Join(unix.Fstat(int(f.Fd()), &ours), unix.Fstat(d.fd(), &stage), f.Close(), d.RemoveAll(probe))
	if err == nil && ours.Uid != stage.Uid {
		err = d.failed("stage", "", errReplaced)
	}
	return err
}

// inheritNothing takes away what the directory above has new ones inherit: ACLs and its group.
func (d *Dir) inheritNothing() error {
	for _, acl := range []string{"system.posix_acl_default", "system.posix_acl_access"} {
		err := unix.Fremovexattr(d.fd(), acl)
		if err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.EOPNOTSUPP) {
			return d.failed("remove "+acl, "", err)
		}
	}
	return d.failed("chmod", "", unix.Fchmod(d.fd(), 0o700))
}
