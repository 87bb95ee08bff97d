//go:build ceph

package rbdvolume

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"varve/volume"
)

// What hangs is left behind when its time is over; who called it off is told that, and not of the cluster.
func TestInTime(t *testing.T) {
	hang := func(ctx context.Context) (int, error) {
		never := make(chan struct{})
		defer close(never)
		return abandonable(ctx, func() (int, error) { <-never; return 1, nil }, forget)
	}
	synctest.Test(t, func(t *testing.T) {
		none := new(volume.NoClusterError)
		if _, err := inTime(t.Context(), Cluster{Conf: "here"}, hang); !errors.As(err, &none) || none.Conf != "here" {
			t.Errorf("without an answer: %v", err)
		}
		off, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := inTime(off, Cluster{}, hang); !errors.Is(err, context.Canceled) {
			t.Errorf("called off: %v", err)
		}
		if got, err := inTime(t.Context(), Cluster{}, func(context.Context) (int, error) { return 2, nil }); got != 2 || err != nil {
			t.Errorf("answered: %d, %v", got, err)
		}
	})
}
