package repository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve/internal/durable"
)

// volumePoll is the time between two attempts at a volume's lock.
const volumePoll = 100 * time.Millisecond

// signTime is how long a lock may be held before its file says by whom.
const signTime = time.Second

// lockVolume takes the lock of a volume, for what kind says. Who holds it is waited
// for as long as wait says; a backup waits longer for what is none, because that
// ends by itself. The lock's file says who holds it; that word is for people, and
// for how long to wait.
func (r *Repository) lockVolume(ctx context.Context, v Volume, kind string, wait time.Duration) (durable.File, error) {
	return r.lockSigned(ctx, volumeLockName(v.UUID), fmt.Sprintf("volume %q", v.Name), kind, wait)
}

// lockSigned takes a lock whose file says who holds it. What is locked, the messages say.
func (r *Repository) lockSigned(ctx context.Context, name, what, kind string, wait time.Duration) (durable.File, error) {
	begun := time.Now()
	for {
		f, err := durable.OpenLocked(r.fsys, name)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", what, wrapReadOnly(err))
		}
		if f != nil {
			if err := r.signLock(f, kind); err != nil {
				return nil, errors.Join(fmt.Errorf("lock %s: %w", what, wrapReadOnly(err)), f.Close())
			}
			return f, nil
		}
		holder := r.lockHolder(name)
		patience := wait
		switch {
		case holder.Command == "":
			patience = max(wait, signTime)
		case holder.Command != kindBackup && kind == kindBackup:
			patience = max(wait, maintenanceWait)
		}
		if time.Since(begun) >= patience {
			return nil, &BusyError{What: what, Holder: holder}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock of %s: %w", what, ctx.Err())
		case <-time.After(volumePoll):
		}
	}
}

// signLock writes into a lock's file who holds it, what for and since when.
func (r *Repository) signLock(f durable.File, kind string) error {
	holder := r.me
	holder.Command, holder.Since = kind, r.opts.Now().UTC().Truncate(time.Second)
	line, err := seal(holder)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(line, 0)
	return err
}

// lockHolder reads who holds a lock; the zero Holder if there is no word of it.
func (r *Repository) lockHolder(name string) Holder {
	var h Holder
	if err := readSmall(r.fsys, name, &h); err != nil {
		return Holder{}
	}
	return h
}
