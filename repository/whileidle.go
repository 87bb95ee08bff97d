package repository

import (
	"context"
	"time"
)

// kindIdle is what a volume's lock says of what is done while nobody backs it up.
const kindIdle = "snapshots at the source"

// WhileIdle does something while nobody backs a volume up, or takes its revisions away. The volume is known by its uuid; it
// need not be there any more. A backup under way is a [*BusyError], after wait; one that comes meanwhile waits. The error of
// do is returned as it is.
func (r *Repository) WhileIdle(ctx context.Context, v Volume, wait time.Duration, do func() error) error {
	lock, err := r.lockVolume(ctx, v, kindIdle, wait)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := lock.Close(); cerr != nil { // what was done is done, and the lock has ended
			r.opts.Log.Warn("the lock of a volume did not close well", "error", cerr)
		}
	}()
	return do()
}
