//go:build ceph

package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ceph/go-ceph/rbd"

	"varve/backup"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
	"varve/volume"
	"varve/volume/rbdvolume"
	"varve/volume/rbdvolume/rbdtest"
)

// mortalVariable holds, for a process that backs an image up and is to be killed on the way, a mortal.
const mortalVariable = "VARVE_CLUSTER_MORTAL"

// mortal is a backup that is killed before its call number At, from 1, of the cluster or of the repository.
type mortal struct {
	Dir   string
	Image volume.Image
	Conf  string
	At    int
}

// liveOrDie backs the image up in this process, and says on standard output before what it died, or which revision it made.
func liveOrDie(text string) int {
	var m mortal
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return fail(err)
	}
	calls := 0
	die := func(what string) {
		if calls++; calls == m.At {
			fmt.Println("died before", what)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // it takes effect at once, or a moment later
		}
	}
	w := &world{dir: m.Dir, at: m.Image, cluster: rbdvolume.Cluster{Conf: m.Conf}}
	tree, err := durable.OpenTree(m.Dir + "/repo")
	if err != nil {
		return fail(err)
	}
	watchedTree := durabletest.NewWatched(tree, func(op, name string) error {
		if durabletest.Mutating(op) || strings.HasPrefix(op, "fsync") {
			die(op + " " + name)
		}
		return nil
	})
	err = w.on(watchedTree, func(repo *repository.Repository) error {
		src, err := w.source(context.Background())
		if err != nil {
			return err
		}
		from := watched{src, func(what string) error { die(what); return nil }}
		result, err := backup.Create(context.Background(), repo, from, backup.CreateOptions{Volume: "v", Workers: 1})
		if err == nil {
			fmt.Println("made", result.Statement.ID)
			die("the end")
		}
		return err
	})
	if err != nil {
		return fail(err)
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// die runs a mortal. Died is before what it was killed; empty: it lived. Made is the revision that it spoke of.
func (w *world) die(t *testing.T, at int) (died string, made revision.ID) {
	t.Helper()
	text, err := json.Marshal(mortal{Dir: w.dir, Image: w.at, Conf: rbdtest.Conf(), At: at})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), mortalVariable+"="+string(text))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	for _, line := range strings.Split(string(out), "\n") {
		if what, is := strings.CutPrefix(line, "died before "); is {
			died = what
		}
		if id, is := strings.CutPrefix(line, "made "); is {
			made = revision.ID(id)
		}
	}
	if exit := new(exec.ExitError); err != nil && (died == "" || !errors.As(err, &exit)) {
		t.Fatalf("call %d: %v\n%s%s", at, err, out, stderr.String())
	}
	return died, made
}

// scribble writes somewhere into the image.
func scribble(t rbdtest.T, g *rbdtest.Guest, at volume.Image, size int64, random *rand.Rand) {
	t.Helper()
	for range 2 {
		p := make([]byte, 1+random.IntN(3*chunkSize/2))
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		g.Write(t, at, p, random.Int64N(size-int64(len(p))))
	}
}

// A backup is killed before each of its calls. Whatever it had done: what somebody was told of is there, and right; so is
// the next backup, which counts from the snapshot of the one before and leaves one of its own; and those of others stay.
func TestEnumerateDeaths(t *testing.T) {
	const size = 12 * chunkSize
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	for name, first := range map[string]bool{"of the first backup": true, "of a later one": false} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			var w *world
			others := []string{"weekly", "varve", "varve.r.v.1", "varve-undo.20260101T000000Z"}
			begin := func() {
				w = newWorld(t, durabletest.TempDir(t), g.Image(t, size, 17, rbdtest.Fast))
				g.With(t, w.at, func(im *rbd.Image) error {
					var errs []error
					for _, other := range others {
						_, err := im.CreateSnapshot(other)
						errs = append(errs, err)
					}
					return errors.Join(errs...)
				})
				scribble(t, g, w.at, size, random)
			}
			begin()
			if !first {
				w.night(t)
			}
			deaths := 0
			for at := 1; ; at++ {
				if first && at > 1 {
					begin()
				}
				scribble(t, g, w.at, size, random)
				now := g.Content(t, w.at, size)
				died, made := w.die(t, at)
				w.survives(t, died, made, now)
				scribble(t, g, w.at, size, random)
				result := w.night(t)
				if plan := result.Statement.Plan.Kind; !first && plan != revision.PlanTracker {
					t.Fatalf("after a death before %q: everything is read (%s): %v", died, plan, result.Warnings)
				}
				for _, other := range others {
					if left := g.Snapshots(t, w.at); !slices.Contains(left, other) {
						t.Fatalf("after a death before %q: %s is gone: %v", died, other, left)
					}
				}
				if t.Failed() {
					t.Fatalf("after a death before call %d, %q", at, died)
				}
				if died == "" {
					break
				}
				deaths++
			}
			for id, want := range w.held {
				if !bytes.Equal(w.restored(t, id), want) {
					t.Errorf("revision %s does not hold any more what it did", id)
				}
			}
			const enough = 30
			if deaths < enough {
				t.Errorf("%d deaths, and there are more calls than that", deaths)
			}
			t.Logf("%d deaths", deaths)
		})
	}
}

// survives looks at what a death left. Now is what the image holds.
func (w *world) survives(t *testing.T, died string, made revision.ID, now []byte) {
	t.Helper()
	visible := map[revision.ID]bool{}
	revisions := w.revisions(t)
	for i, rev := range revisions {
		id := rev.Statement.ID
		visible[id] = true
		if w.held[id] == nil {
			w.held[id] = now // nobody was told of it yet, or just so
		}
		if i >= len(revisions)-3 && !bytes.Equal(w.restored(t, id), w.held[id]) {
			t.Errorf("after a death before %q: revision %s does not hold what it has to", died, id)
		}
	}
	if made != "" && !visible[made] {
		t.Errorf("after a death before %q: revision %s is gone", died, made)
	}
	for id := range w.held {
		if !visible[id] {
			t.Errorf("after a death before %q: revision %s is gone", died, id)
		}
	}
}
