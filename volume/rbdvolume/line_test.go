//go:build ceph

package rbdvolume

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Who calls a question off is not held up by a cluster that does not let it connect, nor is who asks then.
func TestALineThatHangs(t *testing.T) {
	t.Parallel()
	never, dialed := make(chan struct{}), make(chan struct{}, 2)
	defer close(never)
	l := &line{users: map[*connection]int{}, dial: func() (*connection, error) {
		dialed <- struct{}{}
		<-never
		return nil, errors.New("no connection")
	}}
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := askOn(ctx, l, func(*connection) (int, error) { return 0, nil }, forget)
			ended <- err
		}()
		<-dialed
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("it was called off, and goes on")
		}
	}
}
