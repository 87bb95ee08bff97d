//go:build ceph

package rbdvolume_test

import (
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"varve/volume"
	"varve/volume/rbdvolume"
	"varve/volume/rbdvolume/rbdtest"
)

// To ask what changed, images are opened by the object map of a snapshot and closed at once, which librbd does not survive
// for long where two of its threads answer: this ends the whole process then, in most runs.
func TestTrapOpenedAndClosedAtOnce(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	at := g.Image(t, 8<<20, 20, rbdtest.Fast)
	s := mustOpen(t, at)
	base := night(t, s, 1)
	defer func() { _ = base.Close() }()
	var wg sync.WaitGroup
	for n := range 8 {
		now := night(t, s, 2+n)
		wg.Go(func() {
			defer func() { _ = now.Close() }()
			for range 60 {
				if _, err := now.Since(t.Context(), base.Base()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// What is closed while it is used ends what is under way with what it was to do, and takes nothing more.
func TestClosedWhileInUse(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	buf := make([]byte, 1<<20)
	use := func(t *testing.T, call func(n int64) error, end func() error) {
		t.Helper()
		var wg sync.WaitGroup
		started := make(chan struct{}, 4)
		for n := range int64(4) {
			wg.Go(func() {
				err := call(n)
				started <- struct{}{}
				for err == nil {
					err = call(n)
				}
				if !errors.Is(err, fs.ErrClosed) {
					t.Errorf("ends with %v", err)
				}
			})
		}
		<-started
		if err := end(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if err := end(); err != nil {
			t.Errorf("closed again: %v", err)
		}
	}
	t.Run("snapshot", func(t *testing.T) {
		at := g.Image(t, 4<<20, 20, rbdtest.Fast)
		snap := night(t, mustOpen(t, at), 1)
		use(t, func(n int64) error {
			_, err := snap.ReadAt(make([]byte, len(buf)), n<<20)
			if err == nil {
				_, err = snap.Since(t.Context(), snap.Base())
			}
			return err
		}, snap.Close)
		if left := g.Snapshots(t, at); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
	t.Run("target", func(t *testing.T) {
		at := volume.Image{Pool: g.Pool, Name: "in-use"}
		target, err := rbdvolume.OpenTarget(t.Context(), rbdtest.Cluster(), at, 8<<20, rbdvolume.TargetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		use(t, func(n int64) error {
			_, err := target.WriteAt(buf, n<<20)
			if err == nil {
				err = target.Zero(n<<20+100, 1<<19)
			}
			if err == nil {
				_, err = target.ReadAt(make([]byte, 4096), n<<20)
			}
			return err
		}, target.Close)
		if err := target.Commit(t.Context()); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("committed: %v", err)
		}
		if left := rbdtest.Do(t, "rbd", "ls", g.Pool); strings.Contains(left, "in-use") {
			t.Errorf("given up, there are %s", left)
		}
	})
}
