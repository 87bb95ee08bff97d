package hostlimit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"varve/internal/durable"
)

// poll is the time between two looks whether a slot is free.
const poll = 100 * time.Millisecond

// A Slot is the right to read one volume. It ends with Close, or with the process.
type Slot struct {
	host *Host
	file durable.File
	turn chan struct{} // held by the one goroutine that asks for the rate
	rate share         // guarded by turn

	closing sync.Once
	closed  error
}

// Acquire takes a slot, and waits for one up to wait; who came first gets the first.
// While it waits, it calls waiting, if that is not nil, with those who hold the
// slots: at once, and again when they are others. Who is what these are told.
//
// A slot that is not to be had is a [*BusyError]; a directory that cannot be used
// a [*StateError]; a context that ends, its error.
func (h *Host) Acquire(ctx context.Context, who Holder, wait time.Duration, waiting func(holders []Holder)) (_ *Slot, err error) {
	q := &queue{host: h, who: who}
	defer func() {
		if lerr := q.leave(); lerr != nil && err != nil {
			err = errors.Join(err, lerr)
		}
	}()
	begun := time.Now()
	var told []Holder
	for first := true; ; first = false {
		slot, busy, err := q.try(ctx, wait > 0)
		if err != nil || slot != nil {
			return slot, err
		}
		left := wait - time.Since(begun)
		if left <= 0 {
			return nil, busy
		}
		if waiting != nil && (first || !slices.Equal(told, busy.Holders)) {
			told = busy.Holders
			waiting(slices.Clone(told))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a slot of this host: %w", ctx.Err())
		case <-time.After(min(poll, left)):
		}
	}
}

// Close gives the slot back. It may be called more than once.
func (s *Slot) Close() error {
	s.closing.Do(func() { s.closed = s.file.Close() })
	return s.closed
}

// Read is asked before n bytes are read from a source, and returns when that may
// be: it waits while the disks are pressed too hard, and keeps the rate, together
// with all slots that are in use. It fails only when ctx ends.
func (s *Slot) Read(ctx context.Context, n int) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.host.pressure.wait(ctx); err != nil {
		return err
	}
	return s.rate.take(ctx, s.host, int64(n))
}
