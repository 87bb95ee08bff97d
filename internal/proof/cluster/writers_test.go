//go:build ceph

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ceph/go-ceph/rbd"

	"varve/internal/durable/durabletest"
	"varve/volume/rbdvolume/rbdtest"
)

// underWriter backs an image up while a program writes to it, and makes sure of each night, until so many of them found
// something changed. Then the program is ended.
func underWriter(t *testing.T, w *world, nights int, program ...string) {
	t.Helper()
	w.night(t)
	runtime.LockOSThread() // with whose end the writer would end
	defer runtime.UnlockOSThread()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	writer := exec.CommandContext(ctx, program[0], program[1:]...)
	writer.Env = append(os.Environ(), "CEPH_CONF="+rbdtest.Conf())
	writer.Dir = w.dir
	writer.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	writer.Stdout, writer.Stderr = &output, &output
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- writer.Wait() }()
	for changed := 0; changed < nights; {
		select {
		case err := <-ended:
			t.Fatalf("%s ended too early: %v\n%s", program[0], err, output.String())
		default:
		}
		if w.night(t).Statement.Statistics.ChangedChunks > 0 {
			changed++
		}
	}
	stop()
	if err := <-ended; err == nil {
		t.Error("the writer ended by itself")
	}
}

// While it is written by rbd bench and by fio, what a revision holds is one moment, and that of its snapshot.
func TestWriters(t *testing.T) {
	for name, features := range map[string]uint64{"plain": rbdtest.Plain, "fast-diff": rbdtest.Fast} {
		g := rbdtest.NewGuest(t, rbdtest.Pool(t))
		image := func(t *testing.T) *world {
			return newWorld(t, durabletest.TempDir(t), g.Image(t, 3<<20, 20, features))
		}
		t.Run("rbd bench "+name, func(t *testing.T) {
			w := image(t)
			// What it writes is the same again and again, so that in the end nothing changes.
			underWriter(t, w, 1, "rbd", "bench", "--io-type", "write", "--io-pattern", "rand", "--io-size", "4K", "--io-threads", "2", "--io-total", "1T", w.at.String())
		})
		t.Run("fio "+name, func(t *testing.T) {
			if _, err := exec.LookPath("fio"); err != nil {
				t.Skip("needs fio")
			}
			w := image(t)
			underWriter(t, w, 3, "fio", "--name", "w", "--ioengine", "rbd", "--clientname", "admin", "--pool", w.at.Pool, "--rbdname", w.at.Name,
				"--rw", "randrw", "--bs", "4k-64k", "--iodepth", "4", "--rate_iops", "200", "--randrepeat", "0", "--time_based", "--runtime", "1h", "--invalidate", "0")
		})
	}
}

// An image that somebody holds for himself alone is backed up all the same; and so is one whose holder died with it.
func TestLockedByAWriter(t *testing.T) {
	const size = 12 * chunkSize
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	random := rand.New(rand.NewPCG(3, 3))
	t.Run("alive", func(t *testing.T) {
		w := newWorld(t, durabletest.TempDir(t), g.Image(t, size, 18, rbdtest.Fast))
		w.night(t)
		g.With(t, w.at, func(im *rbd.Image) error {
			if err := im.LockAcquire(rbd.LockModeExclusive); err != nil {
				return err
			}
			for range 3 {
				if _, err := im.WriteAt([]byte{byte(random.Uint32())}, random.Int64N(size)); err != nil {
					return err
				}
				w.night(t)
				if owner, err := im.LockIsExclusiveOwner(); err != nil || !owner {
					return fmt.Errorf("the lock was taken away: %t, %w", owner, err)
				}
			}
			return nil
		})
	})
	t.Run("dead", func(t *testing.T) {
		w := newWorld(t, durabletest.TempDir(t), g.Image(t, size, 18, rbdtest.Fast))
		w.night(t)
		writer := exec.Command("rbd", "bench", "--io-type", "write", "--io-size", "4K", "--io-total", "1T", w.at.String())
		writer.Env = append(os.Environ(), "CEPH_CONF="+rbdtest.Conf())
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		before := g.Content(t, w.at, size)
		for deadline := time.Now().Add(longest); len(g.Lockers(t, w.at)) == 0 || bytes.Equal(before, g.Content(t, w.at, size)); {
			if time.Now().After(deadline) {
				t.Fatal("the writer takes no lock, or writes nothing")
			}
		}
		if err := writer.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = writer.Wait() // it was killed
		if len(g.Lockers(t, w.at)) == 0 {
			t.Fatal("the lock died with its holder: nothing is tried")
		}
		if w.night(t).Statement.Statistics.ChangedChunks == 0 {
			t.Error("nothing was written before")
		}
	})
	t.Run("by hand", func(t *testing.T) {
		w := newWorld(t, durabletest.TempDir(t), g.Image(t, size, 18, rbdtest.Plain))
		w.night(t)
		rbdtest.Do(t, "rbd", "lock", "add", w.at.String(), "mine")
		scribble(t, g, w.at, size, random)
		w.night(t)
		if !slices.ContainsFunc(g.Lockers(t, w.at), func(l rbd.Locker) bool { return l.Cookie == "mine" }) {
			t.Error("the lock is gone")
		}
	})
}
