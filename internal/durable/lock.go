package durable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// OpenLocked opens a lock file for reading and writing, making it first if need
// be, and takes its exclusive lock without waiting. It returns nil and no error
// when somebody else holds it. Closing the file ends the lock.
//
// Each call opens the file afresh, so that two acquisitions in one process
// exclude each other too; and it makes sure that the name still leads to the file
// that was locked, for a lock on a file that was removed meanwhile excludes nobody.
func OpenLocked(fsys FS, name string) (File, error) {
	for {
		f, err := openOrCreate(fsys, name)
		if err != nil {
			return nil, err
		}
		got, err := f.TryLock()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if !got {
			return nil, f.Close()
		}
		same, err := f.Is(name)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if same {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

func openOrCreate(fsys FS, name string) (File, error) {
	for {
		f, err := fsys.OpenWrite(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = fsys.Create(name)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// Between two attempts at a lock: short at first, for locks held for milliseconds.
const (
	firstPoll = time.Millisecond
	lastPoll  = 100 * time.Millisecond
)

// WaitLocked is [OpenLocked] that waits until it gets the lock or ctx ends.
// flock could wait by itself, but then nothing could call it off.
func WaitLocked(ctx context.Context, fsys FS, name string) (File, error) {
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		f, err := OpenLocked(fsys, name)
		if f != nil || err != nil {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock %s: %w", name, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// CheckFlock makes sure that a lock on the named file, which must exist, excludes
// a second handle. File systems that take locks and forget them fail it. That
// locks reach across processes is for the caller to try with two.
func CheckFlock(fsys FS, name string) (err error) {
	first, err := OpenLocked(fsys, name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoFlock, err)
	}
	if first == nil {
		return nil // somebody holds it against us: it works
	}
	defer func() { err = errors.Join(err, first.Close()) }()
	second, err := OpenLocked(fsys, name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoFlock, err)
	}
	if second != nil {
		return errors.Join(ErrNoFlock, second.Close())
	}
	return nil
}
