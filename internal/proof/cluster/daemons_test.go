//go:build ceph

package cluster

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"varve/backup"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/volume"
	"varve/volume/rbdvolume"
	"varve/volume/rbdvolume/rbdtest"
)

// longest is how long a test waits at the most for what comes soon, on a machine that has much else to do.
const longest = 5 * time.Minute

// once calls what at the n-th of its calls, from 0.
func once(n int64, what func()) func(string) error {
	var calls atomic.Int64
	return func(string) error {
		if calls.Add(1) == n+1 {
			what()
		}
		return nil
	}
}

// daemonWorld is an image that was backed up once and written since.
func daemonWorld(t *testing.T) (*world, *rbdtest.Guest) {
	t.Helper()
	const size = 40 * chunkSize
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	w := newWorld(t, durabletest.TempDir(t), g.Image(t, size, 18, rbdtest.Fast))
	scribble(t, g, w.at, size, rand.New(rand.NewPCG(1, 1)))
	w.night(t)
	g.Write(t, w.at, bytes.Repeat([]byte("changed"), 12*chunkSize/7), 5*chunkSize)
	return w, g
}

// A daemon is killed at each of the first calls of a backup, and comes back: the backup waits for it, and is right.
func TestADaemonDiesAndComesBack(t *testing.T) {
	for _, daemon := range []string{"osd", "mon"} {
		t.Run(daemon, func(t *testing.T) {
			w, _ := daemonWorld(t)
			for _, at := range []int64{1, 4} {
				before := w.revisions(t)
				result, err := w.backup(t, func(src source) source {
					return watched{src, once(at, func() {
						rbdtest.Daemon(t, "kill", daemon)
						rbdtest.Daemon(t, "start", daemon)
					})}
				})
				if err != nil {
					t.Fatalf("call %d: %v", at, err)
				}
				w.mustBeRight(t, result.Statement, before)
			}
		})
	}
}

// One is killed and does not come back: the backup ends and says that the cluster is not in reach, and there is no new
// revision; or it needed the daemon no more, and is right. When it is there again, so is the next backup.
func TestADaemonDiesForGood(t *testing.T) {
	for _, daemon := range []string{"osd", "mon"} {
		t.Run(daemon, func(t *testing.T) {
			w, g := daemonWorld(t)
			patient := w.cluster
			failed := 0
			for _, at := range []int64{0, 4} {
				before := w.revisions(t)
				w.cluster.Timeout = time.Second
				result, err := w.backup(t, func(src source) source {
					return watched{src, once(at, func() { rbdtest.Daemon(t, "kill", daemon) })}
				})
				w.cluster = patient
				rbdtest.Daemon(t, "start", daemon)
				switch now := w.revisions(t); {
				case err == nil:
					if got := w.restored(t, result.Statement.ID); !bytes.Equal(got, g.Content(t, w.at, int64(len(got)))) {
						t.Errorf("call %d: the backup succeeded, and is wrong", at)
					}
				case len(now) != len(before):
					t.Errorf("call %d: the backup failed (%v), and there are %d revisions instead of %d", at, err, len(now), len(before))
				default:
					failed++
					if away := new(volume.NoClusterError); !errors.As(err, &away) {
						t.Errorf("call %d: %v", at, err)
					}
				}
				w.night(t)
				g.Write(t, w.at, []byte{byte(at)}, 7*chunkSize)
			}
			if failed == 0 {
				t.Error("no backup failed: nothing was tried")
			}
		})
	}
}

// watchedTarget tells of each write.
type watchedTarget struct {
	volume.Target
	before func(what string) error
}

func (w watchedTarget) WriteAt(p []byte, off int64) (int, error) {
	_ = w.before("write") // it has none
	return w.Target.WriteAt(p, off)
}

// restore restores the newest revision to a new image.
func (w *world) restore(t *testing.T, to volume.Image, before func(string) error) error {
	t.Helper()
	ctx := context.Background()
	return w.with(t, func(repo *repository.Repository) (err error) {
		v, err := repo.Volume("v")
		if err != nil {
			return err
		}
		rd, err := repo.NewReader(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = rd.Close() }() // it only read
		revisions, err := repo.Revisions(v)
		if err != nil {
			return err
		}
		im, err := rd.Image(ctx, v, revisions[len(revisions)-1].Statement.ID)
		if err != nil {
			return err
		}
		defer func() { _ = im.Close() }() // it only read
		target, err := rbdvolume.OpenTarget(ctx, w.cluster, to, im.Size(), rbdvolume.TargetOptions{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, target.Close()) }()
		_, err = backup.Restore(ctx, im, watchedTarget{target, before}, backup.RestoreOptions{})
		return err
	})
}

// A daemon is killed under a restore. It goes on when that comes back; if not, it ends, and there is no image of that name
// until one is whole.
func TestADaemonDiesUnderARestore(t *testing.T) {
	for _, daemon := range []string{"osd", "mon"} {
		for name, back := range map[string]bool{"and comes back": true, "for good": false} {
			t.Run(daemon+" "+name, func(t *testing.T) {
				w, g := daemonWorld(t)
				result := w.night(t)
				to := volume.Image{Pool: w.at.Pool, Name: "restored"}
				patient := w.cluster
				if !back {
					w.cluster.Timeout = time.Second
				}
				err := w.restore(t, to, once(3, func() {
					rbdtest.Daemon(t, "kill", daemon)
					if back {
						rbdtest.Daemon(t, "start", daemon)
					}
				}))
				w.cluster = patient
				if !back {
					rbdtest.Daemon(t, "start", daemon)
					if away := new(volume.NoClusterError); err != nil && !errors.As(err, &away) {
						t.Errorf("ends with %v", err)
					}
					if daemon == "osd" && err == nil {
						t.Error("it succeeds without an OSD")
					}
					if missing := new(volume.NoImageError); err != nil {
						if _, oerr := rbdvolume.Open(t.Context(), w.cluster, to); !errors.As(oerr, &missing) {
							t.Fatalf("an image that is not whole has its name: %v", oerr)
						}
						// Until the cluster forgets who wrote, it might be at work still.
						deadline := time.Now().Add(longest)
						for err = volume.ErrBusy; errors.Is(err, volume.ErrBusy) && time.Now().Before(deadline); {
							err = w.restore(t, to, once(-1, nil))
						}
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				want := w.held[result.Statement.ID]
				if got := g.Content(t, to, int64(len(want))); !bytes.Equal(got, want) {
					t.Error("what was restored is wrong")
				}
			})
		}
	}
}
