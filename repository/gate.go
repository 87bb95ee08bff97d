package repository

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"varve/internal/durable"
)

// gateWait bounds the wait for the gate. It is held for milliseconds; one that
// stays shut so long is in the hands of a process that hangs, or of a disk.
const gateWait = time.Minute

// counterDigits is the fixed width of the counter in the gate's file.
const counterDigits = 20

// lockGate waits for the gate. Closing the file opens it again.
func lockGate(ctx context.Context, fsys durable.FS) (durable.File, error) {
	return waitGate(ctx, fsys, gateWait)
}

func waitGate(ctx context.Context, fsys durable.FS, wait time.Duration) (durable.File, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	f, err := durable.WaitLocked(ctx, fsys, gateName)
	if errors.Is(err, context.DeadlineExceeded) {
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
	f, err := waitGate(ctx, r.fsys, wait)
	if err != nil {
		return err
	}
	err = raiseCounter(f)
	if err == nil {
		err = change()
	}
	return errors.Join(err, f.Close())
}

// raiseCounter adds one to the counter. A counter that a power cut left
// unreadable begins anew: who compares two readings of it died with the power.
func raiseCounter(gate durable.File) error {
	var text [counterDigits + 1]byte
	var n uint64
	if got, _ := gate.ReadAt(text[:], 0); got == len(text) {
		n, _ = strconv.ParseUint(strings.TrimSpace(string(text[:])), 10, 64)
	}
	_, err := gate.WriteAt(fmt.Appendf(nil, "%0*d\n", counterDigits, n+1), 0)
	return err
}
