package backup

import (
	"context"
	"errors"
	"fmt"

	"varve/volume"
)

// hold is what is known of a source that a hook froze.
type hold struct {
	thaw func() error // nil: nothing is to be thawed, or it was
	was  bool         // it was frozen
	err  error        // a [*ThawError]
}

// takeSnapshot takes the snapshot of a source that is frozen meanwhile, and for
// longer if reading would see what is written to the source.
func (c *creation) takeSnapshot(ctx context.Context) (err error) {
	c.source = c.src.Describe().String()
	c.tidyLeftovers(ctx)
	if c.opts.Freeze != nil {
		if c.hold.thaw, err = c.opts.Freeze(ctx); err != nil {
			return fmt.Errorf("freeze the source: %w", err)
		}
		c.hold.was = true
	}
	defer func() {
		if c.snap == nil {
			err = errors.Join(err, c.thaw())
		}
	}()
	if c.snap, err = c.snapshot(ctx); err != nil {
		c.snap = nil
		return err
	}
	if s, can := c.snap.(volume.Independent); can && s.Independent() {
		_ = c.thaw() // kept, for when it is known how the backup ended
	}
	return nil
}

// thaw thaws the source, if it is frozen, and keeps what came of it.
func (c *creation) thaw() error {
	thaw := c.hold.thaw
	if thaw == nil {
		return nil
	}
	c.hold.thaw = nil
	if err := thaw(); err != nil {
		c.hold.err = &ThawError{Err: err}
	}
	return c.hold.err
}

// giveUp ends what takeSnapshot began, whatever came of the backup, which is err.
func (c *creation) giveUp(err error) error {
	_ = c.thaw() // kept
	if c.snap != nil {
		if cerr := c.closeSnapshot(); cerr != nil {
			c.warn("give up the snapshot: %v", cerr)
		}
	}
	if err != nil && c.hold.err != nil && !errors.Is(err, c.hold.err) {
		return errors.Join(err, c.hold.err)
	}
	return err // a source that was not thawed is among the findings
}

// consistency says how far what was read is one moment of the source. Reading has
// ended: the source is thawed, but only after it was asked, for what is written then
// hurts no more.
//
// What a hook froze may still be open or mounted, and so can be written for all that
// is known of it: that is for the hook to prevent. That something was written, or
// that nobody can tell, is said for what it is.
func (c *creation) consistency() (is volume.Consistency, reason string, err error) {
	is, reason, err = c.snap.Consistency()
	if c.hold.was && err == nil && is == volume.Live {
		if w, can := c.snap.(volume.Witness); can {
			var what string
			if what, err = w.Changed(); err == nil && what == "" {
				is = volume.Still
			} else if err == nil {
				reason = what
			}
		}
		if is == volume.Live {
			reason += ", although the freeze hook held it"
		}
	}
	_ = c.thaw() // kept
	if err != nil || !c.hold.was || is == volume.Live {
		return is, reason, err
	}
	return volume.Frozen, "the freeze hook held it", nil
}

// A ThawError reports a source that was frozen and could not be thawed: it may be
// frozen still.
type ThawError struct{ Err error }

func (e *ThawError) Error() string { return fmt.Sprintf("THE SOURCE MAY STILL BE FROZEN: %v", e.Err) }

func (e *ThawError) Unwrap() error { return e.Err }
