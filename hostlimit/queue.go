package hostlimit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"varve/internal/durable"
)

const (
	gateName   = "gate"
	rateName   = "rate"
	slotPrefix = "slot-"
	waitPrefix = "wait-"
)

// queue is one who wants a slot.
type queue struct {
	host   *Host
	who    Holder
	number int          // the place in the queue
	place  durable.File // nil: not in the queue
}

// situation is what is found inside the gate.
type situation struct {
	free    durable.File // a slot, locked; nil: all that there are are held
	unused  int          // the lowest number that no slot has
	holders []Holder
	ahead   []Holder
	last    int // the highest place in the queue that is taken
}

// try takes a slot if one is free for us. If not, it says who is before us and, if
// asked to, joins the queue.
func (q *queue) try(ctx context.Context, join bool) (_ *Slot, _ *BusyError, err error) {
	h := q.host
	gate, err := durable.WaitLocked(ctx, h.tree, gateName)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, err
		}
		return nil, nil, h.wrong(err)
	}
	defer func() {
		if cerr := gate.Close(); cerr != nil {
			err = errors.Join(err, h.wrong(cerr))
		}
	}()
	now, err := q.look()
	if err != nil {
		return nil, nil, h.wrong(errors.Join(err, closeIf(now.free)))
	}
	if h.limits.Jobs > 0 && len(now.holders)+len(now.ahead) >= h.limits.Jobs {
		if err := closeIf(now.free); err != nil {
			return nil, nil, h.wrong(err)
		}
		if join && q.place == nil {
			if err := q.enter(now.last + 1); err != nil {
				return nil, nil, h.wrong(err)
			}
		}
		return nil, &BusyError{Jobs: h.limits.Jobs, Holders: now.holders, Ahead: now.ahead}, nil
	}
	slot, err := q.take(now)
	if err != nil {
		return nil, nil, h.wrong(err)
	}
	// Still inside the gate: who looks next must not count us twice.
	if err := q.leave(); err != nil {
		return nil, nil, h.wrong(errors.Join(err, slot.Close()))
	}
	return slot, nil, nil
}

// look counts, inside the gate, those who hold a slot and those who wait before us.
// The places of dead ones are removed.
func (q *queue) look() (now situation, err error) {
	tree := q.host.tree
	entries, err := tree.ReadDir(".")
	if err != nil {
		return now, err
	}
	used := map[int]bool{}
	for _, e := range entries {
		slot, isSlot := numbered(e.Name(), slotPrefix)
		place, isPlace := numbered(e.Name(), waitPrefix)
		if !isSlot && !isPlace || isPlace && q.place != nil && place == q.number {
			continue
		}
		f, err := durable.OpenLocked(tree, e.Name())
		if err != nil {
			return now, err
		}
		switch {
		case isSlot && f == nil:
			now.holders = append(now.holders, q.host.holderIn(e.Name()))
		case isSlot && now.free == nil:
			now.free = f
			f = nil // kept
		case isPlace && f == nil:
			now.last = max(now.last, place)
			if q.place == nil || place < q.number {
				now.ahead = append(now.ahead, q.host.holderIn(e.Name()))
			}
		case isPlace:
			if err := tree.Remove(e.Name()); err != nil {
				return now, errors.Join(err, f.Close())
			}
		}
		if isSlot {
			used[slot] = true
		}
		if err := closeIf(f); err != nil {
			return now, err
		}
	}
	for now.unused = 1; used[now.unused]; now.unused++ {
	}
	return now, nil
}

// numbered reads the number in a file's name.
func numbered(name, prefix string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n > 0 && strconv.Itoa(n) == digits
}

// enter takes, inside the gate, a place in the queue.
func (q *queue) enter(number int) error {
	f, err := q.lockNew(waitPrefix + strconv.Itoa(number))
	if err != nil {
		return err
	}
	q.number, q.place = number, f
	return nil
}

// take makes, inside the gate, a slot ours.
func (q *queue) take(now situation) (*Slot, error) {
	f := now.free
	if f == nil {
		var err error
		if f, err = q.lockNew(slotPrefix + strconv.Itoa(now.unused)); err != nil {
			return nil, err
		}
	} else if err := q.sign(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Slot{host: q.host, file: f, turn: make(chan struct{}, 1)}, nil
}

// lockNew makes a file, inside the gate, and holds it.
func (q *queue) lockNew(name string) (durable.File, error) {
	f, err := durable.OpenLocked(q.host.tree, name)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, fmt.Errorf("%s is held by somebody who does not keep to the gate", name)
	}
	if err := q.sign(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sign writes into a file who holds it.
func (q *queue) sign(f durable.File) error {
	data, err := encodeHolder(q.who)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	return err
}

// leave gives up the place in the queue. If its file cannot be removed, the next
// one who looks will.
func (q *queue) leave() error {
	if q.place == nil {
		return nil
	}
	err := errors.Join(q.host.tree.Remove(q.place.Name()), q.place.Close())
	q.place = nil
	return err
}

// holderIn reads who holds a file; the zero Holder if there is no word of it.
func (h *Host) holderIn(name string) Holder {
	data, err := durable.ReadFile(h.tree, name, maxHolder)
	if err != nil {
		return Holder{}
	}
	return decodeHolder(data)
}

func closeIf(f durable.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}
