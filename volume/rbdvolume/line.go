//go:build ceph

package rbdvolume

import (
	"context"
	"sync"
	"time"

	"varve/volume"
)

// idleTime is how long a connection is kept that nobody uses. One question follows another, and connecting takes longer
// than most answers.
const idleTime = 2 * time.Second

// line is a connection that all questions about one source share: it is dialed when the first needs it, and ended when
// none has needed it for [idleTime]. It may be used by several goroutines.
type line struct {
	cluster Cluster
	dial    func() (*connection, error)

	mu    sync.Mutex          // held for no call of librados: it may hang
	conn  *connection         // for who comes next; nil: it is dialed
	users map[*connection]int // those that are in use, conn and ones that nobody gets any more
}

func newLine(cluster Cluster, at volume.Image) *line {
	dial := func() (*connection, error) { return cluster.dial(at) }
	return &line{cluster: cluster, dial: dial, users: map[*connection]int{}}
}

// take gives a connection, which is to be given back.
func (l *line) take() (*connection, error) {
	if c := l.join(); c != nil {
		return c, nil
	}
	c, err := l.dial()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil { // else somebody was faster, and this one goes when it is given back
		l.conn = c
	}
	l.users[c]++
	return c, nil
}

// join gives the connection that there is; nil: there is none.
func (l *line) join() *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.users[l.conn]++
	}
	return l.conn
}

// share has a connection that is in use given back once more.
func (l *line) share(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users[c]++
}

// give gives a connection back. The last user of one that nobody else gets ends it; else it waits for the next.
func (l *line) give(c *connection) {
	l.mu.Lock()
	l.users[c]--
	idle, waits := l.users[c] == 0, l.conn == c
	if idle {
		delete(l.users, c)
	}
	l.mu.Unlock()
	switch {
	case idle && waits:
		time.AfterFunc(idleTime, func() { l.end(c) })
	case idle:
		c.close()
	}
}

// end ends a connection that waits, unless somebody has taken it.
func (l *line) end(c *connection) {
	l.mu.Lock()
	waits := l.conn == c && l.users[c] == 0
	if waits {
		l.conn = nil
	}
	l.mu.Unlock()
	if waits {
		c.close()
	}
}

// leave lets nobody have the connection any more: something failed with it, or does not end. It waits for nothing.
func (l *line) leave() {
	l.mu.Lock()
	c := l.conn
	idle := c != nil && l.users[c] == 0
	l.conn = nil
	l.mu.Unlock()
	if idle {
		go c.close()
	}
}

// askOn is [ask] by a line. After an error the next question gets another connection.
func askOn[T any](ctx context.Context, l *line, do func(*connection) (T, error), letGo func(T)) (T, error) {
	value, err := inTime(ctx, l.cluster, func() (T, error) {
		c, err := l.take()
		if err != nil {
			var none T
			return none, err
		}
		defer l.give(c)
		return do(c)
	}, letGo)
	if err != nil {
		l.leave()
	}
	return value, err
}
