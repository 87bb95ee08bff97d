package hostlimit

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"varve/internal/durable"
)

const (
	// helping is how much is taken of the rate at a time, as the time it lasts. All
	// slots take turns at it, which is what makes them equal.
	helping = 20 * time.Millisecond
	// lag is how late a turn may come and still count from when it was due, so that
	// what is lost by sleeping too long is caught up with.
	lag = helping
	// farthest is how far ahead turns can be given away. A later one was written
	// before somebody set the clock back.
	farthest = 10 * time.Second
)

// share is what one slot takes of the host's rate. All slots together read, in any
// time, no more than the rate allows for it and for helping and lag besides.
type share struct {
	left  int64     // bytes taken and not yet read
	alone bool      // the file in which turns are given cannot be used
	next  time.Time // the next turn, when alone
}

// take returns when n bytes may be read.
func (s *share) take(ctx context.Context, h *Host, n int64) error {
	for {
		used := min(s.left, n)
		s.left -= used
		n -= used
		now := time.Now()
		rate := h.rate(now)
		if n == 0 || rate <= 0 {
			return ctx.Err()
		}
		bytes := max(int64(float64(rate)*helping.Seconds()), 1)
		lasts := time.Duration(math.Ceil(float64(bytes) / float64(rate) * float64(time.Second)))
		turn, err := s.turn(ctx, h, lasts)
		if err != nil {
			return err
		}
		if err := sleep(ctx, turn.Sub(now)); err != nil {
			return err
		}
		s.left = bytes
	}
}

func (h *Host) rate(now time.Time) int64 {
	if h.limits.Rate == nil {
		return 0
	}
	return h.limits.Rate(now)
}

// turn gives away the next turn of those that all slots take, and says when it
// begins. Where they cannot be kept in common any more, a slot keeps to its part of
// the rate: a limit is no reason for a backup to fail.
func (s *share) turn(ctx context.Context, h *Host, lasts time.Duration) (time.Time, error) {
	if !s.alone {
		turn, err := h.sharedTurn(ctx, lasts)
		if err == nil || ctx.Err() != nil {
			return turn, err
		}
		s.alone = true
		h.limits.Log.Warn("the rate of this host cannot be shared any more, each run keeps to its part", "error", h.wrong(err))
	}
	var turn time.Time
	turn, s.next = after(s.next, time.Now(), lasts*time.Duration(max(h.limits.Jobs, 1)))
	return turn, nil
}

// sharedTurn gives a turn by the file that says when the next one is.
func (h *Host) sharedTurn(ctx context.Context, lasts time.Duration) (turn time.Time, err error) {
	f, err := durable.WaitLocked(ctx, h.tree, rateName)
	if err != nil {
		return time.Time{}, err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	var next time.Time
	var buf [8]byte
	if n, _ := f.ReadAt(buf[:], 0); n == len(buf) { // none yet, or unreadable: from now on
		next = time.Unix(0, int64(binary.LittleEndian.Uint64(buf[:])))
	}
	turn, next = after(next, time.Now(), lasts)
	binary.LittleEndian.PutUint64(buf[:], uint64(next.UnixNano()))
	_, err = f.WriteAt(buf[:], 0)
	return turn, err
}

// after gives the turn that is next, and the one after it.
func after(next, now time.Time, lasts time.Duration) (turn, then time.Time) {
	if next.After(now.Add(farthest)) {
		next = now
	}
	if earliest := now.Add(-lag); next.Before(earliest) {
		next = earliest
	}
	return next, next.Add(lasts)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
