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
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		defer close(never)
		hang := func() (int, error) { <-never; return 1, nil }
		none := new(volume.NoClusterError)
		if _, err := inTime(t.Context(), Cluster{Conf: "here"}, hang, forget); !errors.As(err, &none) || none.Conf != "here" {
			t.Errorf("without an answer: %v", err)
		}
		off, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := inTime(off, Cluster{}, hang, forget); !errors.Is(err, context.Canceled) {
			t.Errorf("called off: %v", err)
		}
		if got, err := inTime(t.Context(), Cluster{}, func() (int, error) { return 2, nil }, forget); got != 2 || err != nil {
			t.Errorf("answered: %d, %v", got, err)
		}
	})
}
