package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"varve/internal/durable"
)

// gateWait bounds the wait for the gate. It is held for milliseconds; one that
// stays shut so long is in the hands of a process that hangs, or of a disk.
const gateWait = time.Minute

// counterDigits is the fixed width of the counter in the gate's file.
const counterDigits = 20

// waitGate takes the gate. Closing the file opens it again.
func waitGate(ctx context.Context, fsys durable.FS, wait time.Duration) (durable.File, error) {
	patience, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	f, err := durable.WaitLocked(patience, fsys, gateName)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, fmt.Errorf("the gate of the repository stayed shut for %s: %w", wait, err)
	}
	return f, err
}

// atGate runs change while nobody else changes what is visible, nor any lease.
// The counter in the gate's file is raised first, so that a collector can tell
// whether anything went through since it looked.
func (r *Repository) atGate(ctx context.Context, change func() error) error {
	return r.atGateWithin(ctx, gateWait, change)
}

func (r *Repository) atGateWithin(ctx context.Context, wait time.Duration, change func() error) error {
	return r.passGate(ctx, wait, func(uint64) error { return change() })
}

// passGate is atGate for who must know whether anybody was there in between: of two
// passages that follow each other directly, the second has the next number.
func (r *Repository) passGate(ctx context.Context, wait time.Duration, change func(passage uint64) error) error {
	f, err := waitGate(ctx, r.fsys, wait)
	if err != nil {
		return err
	}
	passage, err := raiseCounter(f)
	if err == nil {
		err = change(passage)
	}
	if cerr := f.Close(); cerr != nil { // what was done is done, and the lock has ended
		r.opts.Log.Warn("the gate did not close well", "error", cerr)
	}
	return err
}

// raiseCounter adds one to the counter, and tells what it is now. A counter that cannot be understood, as
// after a power cut, goes on from a random number, so that nobody takes it for one
// that was read before.
func raiseCounter(gate durable.File) (uint64, error) {
	var text [counterDigits + 1]byte
	got, err := gate.ReadAt(text[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read the gate's counter: %w", err)
	}
	n, err := strconv.ParseUint(string(text[:counterDigits]), 10, 64)
	if got < len(text) || text[counterDigits] != '\n' || err != nil {
		n = rand.Uint64()
	}
	if _, err := gate.WriteAt(fmt.Appendf(nil, "%0*d\n", counterDigits, n+1), 0); err != nil {
		return 0, fmt.Errorf("raise the gate's counter: %w", err)
	}
	return n + 1, nil
}
