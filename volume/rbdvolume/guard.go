//go:build ceph

package rbdvolume

import (
	"context"
	"io/fs"
	"sync"
)

// guard counts the calls of librbd that are under way on something that is open, so that it is not taken away under them:
// it is shut when it was closed and the last of them has ended. It may be used by several goroutines.
type guard struct {
	shut func() error

	mu     sync.Mutex
	users  int // calls under way: some may have been called off, and not have ended
	closed bool
}

// enter begins a call of librbd; what is closed has none any more.
func (g *guard) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return fs.ErrClosed
	}
	g.users++
	return nil
}

// leave ends one.
func (g *guard) leave() {
	g.mu.Lock()
	g.users--
	last := g.closed && g.users == 0
	g.mu.Unlock()
	if last {
		_ = g.shut() // close is over, and nobody is there to hear of it
	}
}

// close lets no call begin any more, and shuts unless one is under way, which does that then. First tells whether it was
// open until now.
func (g *guard) close() (first bool, err error) {
	g.mu.Lock()
	first, busy := !g.closed, g.users > 0
	g.closed = true
	g.mu.Unlock()
	if first && !busy {
		err = g.shut()
	}
	return first, err
}

// isClosed tells whether it is closed: what is under way may then lack what goes with that.
func (g *guard) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// inside does what calls librbd, and is left to itself when ctx ends. It may take long: only each operation has its limit.
func inside[T any](ctx context.Context, g *guard, do func() (T, error)) (T, error) {
	if err := g.enter(); err != nil {
		var none T
		return none, err
	}
	return abandonable(ctx, func() (T, error) {
		defer g.leave()
		value, err := do()
		if err != nil && g.isClosed() {
			err = fs.ErrClosed
		}
		return value, err
	}, forget)
}

// insideInTime is inside, and is left to itself too when the patience with the cluster ends.
func insideInTime[T any](ctx context.Context, c Cluster, g *guard, do func() (T, error)) (T, error) {
	ctx, cancel := c.patient(ctx)
	defer cancel()
	return inside(ctx, g, do)
}
