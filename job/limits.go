package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve/config"
	"varve/hostlimit"
	"varve/internal/process"
)

// longestWait is for a slot, unless somebody said otherwise.
const longestWait = 7 * 24 * time.Hour

// slot is one of this host's, if it limits anything; the zero value is where it does not.
type slot struct {
	host *hostlimit.Host
	held *hostlimit.Slot
}

// takeSlot waits for one of the slots of this host, if it limits anything.
func (a *attempt) takeSlot(ctx context.Context) (waited bool, err error) {
	l := a.opts.Limits
	if l.Jobs == 0 && l.IOPressure == 0 && l.Rate.IsZero() {
		return false, nil
	}
	host, err := hostlimit.Open(a.opts.StateDir, hostlimit.Limits{Jobs: l.Jobs, Rate: l.Rate.At, Pressure: l.IOPressure, Log: a.opts.Log})
	if err != nil {
		return false, err
	}
	wait := a.Create.Wait
	if wait == 0 {
		wait = longestWait // others wait
	}
	who := hostlimit.Holder{Identity: process.Own(a.opts.Command), Volume: a.Volume.String()}
	held, err := host.Acquire(ctx, who, wait, func(holders []hostlimit.Holder) {
		waited = true
		a.opts.tell(Event{Kind: Waiting, Volume: a.Volume, Holders: holders})
	})
	if err != nil {
		return waited, errors.Join(err, host.Close())
	}
	a.slot = slot{host: host, held: held}
	return waited, nil
}

func (a *attempt) giveSlot() {
	if a.slot.held == nil {
		return
	}
	if err := errors.Join(a.slot.held.Close(), a.slot.host.Close()); err != nil {
		a.warn(fmt.Errorf("give a slot of this host back: %w", err))
	}
}

// admit is [backup.CreateOptions.Admit].
func (s slot) admit() func(ctx context.Context, n int) error {
	if s.held == nil {
		return nil
	}
	return s.held.Read
}

// roomFor is [backup.CreateOptions.MinFree].
func roomFor(l config.Limits) func(available, total int64) error {
	least := hostlimit.MinFree(l.MinFree)
	if least == (hostlimit.MinFree{}) {
		return nil
	}
	return func(available, total int64) error { return hostlimit.FreeEnough(available, total, least) }
}
