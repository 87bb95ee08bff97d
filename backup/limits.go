package backup

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// newLimit limits what is read to so many bytes a second, but for a tenth of a second's
// worth at once, or a chunk, which is how much is read at a time.
func newLimit(bytesPerSecond int64, chunkSize int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(bytesPerSecond), max(int(min(bytesPerSecond/10, 1<<30)), chunkSize))
}

// admit waits until so many bytes may be read from the source.
func (c *creation) admit(ctx context.Context, n int) error {
	if c.limit != nil {
		if err := c.limit.WaitN(ctx, n); err != nil {
			return err
		}
	}
	if c.opts.Admit != nil {
		return c.opts.Admit(ctx, n)
	}
	return nil
}

// room asks for each new pack whether the repository has room for it.
func (c *creation) room() func(available, total int64) error {
	if c.opts.MinFree == nil {
		return nil
	}
	return func(available, total int64) error {
		if err := c.opts.MinFree(available, total); err != nil {
			return &RoomError{Err: err}
		}
		return nil
	}
}

// A RoomError reports that the repository has less room left than it is to have.
// Nothing is lost: the next run goes on with the packs that are finished.
type RoomError struct{ Err error }

func (e *RoomError) Error() string {
	return fmt.Sprintf("the repository's file system is too full for new data: %v", e.Err)
}

func (e *RoomError) Unwrap() error { return e.Err }

// A StallError reports a source that did not answer for too long.
type StallError struct {
	Source string
	Offset int64 // of the read
	Limit  time.Duration
}

func (e *StallError) Error() string {
	return fmt.Sprintf("read %q at byte %d: no answer within %s", e.Source, e.Offset, e.Limit)
}

// readAt reads from the snapshot, for no longer than it may take. A read that takes
// longer cannot be called off: it goes on behind the error, into p, which is lost.
func (c *creation) readAt(p []byte, off int64) (int, error) {
	if c.opts.StallTimeout <= 0 {
		return c.snap.ReadAt(p, off)
	}
	var n int
	var err error
	done := make(chan struct{})
	c.reads.Go(func() {
		defer close(done)
		n, err = c.snap.ReadAt(p, off)
	})
	limit := time.NewTimer(c.opts.StallTimeout)
	defer limit.Stop()
	select {
	case <-done:
		return n, err
	case <-limit.C:
	}
	c.stalled.Store(true)
	return 0, &StallError{Source: c.source, Offset: off, Limit: c.opts.StallTimeout}
}

// patient is the snapshot, read for no longer than may be, as an [io.ReaderAt].
type patient struct{ *creation }

// ReadAt implements [io.ReaderAt].
func (p patient) ReadAt(b []byte, off int64) (int, error) { return p.readAt(b, off) }

// closeSnapshot gives up the snapshot; one that still owes an answer, as soon as it
// has given that.
func (c *creation) closeSnapshot() error {
	if !c.stalled.Load() {
		return c.snap.Close()
	}
	go func() {
		c.reads.Wait()
		_ = c.snap.Close() // nobody is there to be told
	}()
	return nil
}
