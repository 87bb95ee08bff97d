package repository_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// around runs what changes a volume, and a whole collection before one of its passages
// through the gate.
func (w *gcWorld) around(disk *durabletest.Disk, at int, opts repository.GCOptions, change func(r *repository.Repository) error) (passages int, err error) {
	w.t.Helper()
	inside := false
	fsys := durabletest.NewWatched(disk, func(op, name string) error {
		if op != "open for writing" || name != repository.GateName || inside {
			return nil
		}
		if passages++; passages-1 != at {
			return nil
		}
		inside = true
		defer func() { inside = false }()
		r, err := repository.Open(disk, repository.Options{Command: "gc"})
		if err == nil {
			_, err = r.CollectGarbage(w.t.Context(), opts)
		}
		if err != nil {
			w.t.Errorf("the collection before passage %d: %v", at, err)
		}
		return nil
	})
	r, err := repository.Open(durable.FS(fsys), repository.Options{Command: "merge"})
	if err != nil {
		return 0, err
	}
	return passages, errors.Join(change(r), r.Close())
}

// A chain is folded while garbage is collected: before each passage of the one through
// the gate, all of the other.
func TestGCAndAMerge(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	var chain []*revision.Statement
	for st := range w.kept {
		if st.Volume.Name == "db1" {
			chain = append(chain, st)
		}
	}
	for at, passages := 0, 1; at < passages; at++ {
		disk := w.disk.Copy()
		v := repository.Volume{Name: "db1", UUID: chain[0].Volume.UUID}
		var going []revision.ID
		kept := map[*revision.Statement]*image{}
		for st, im := range w.kept {
			if kept[st] = im; st.Volume.Name == "db1" && st.Sequence < 3 {
				going = append(going, st.ID)
				delete(kept, st)
			}
		}
		var err error
		passages, err = w.around(disk, at, repository.GCOptions{Now: gcTime, EmptyTrash: true, Threshold: 1e-9}, func(r *repository.Repository) error {
			_, err := r.Remove(t.Context(), v, going, repository.RemoveOptions{Op: repository.OpMerge, Undelete: time.Hour})
			return err
		})
		if err != nil {
			t.Fatalf("before passage %d: the merge: %v", at, err)
		}
		after := &gcWorld{place: w.place, disk: disk, kept: kept}
		if err := errors.Join(after.check(disk), after.finish(disk)); err != nil {
			t.Errorf("before passage %d: %v", at, err)
		}
	}
}

// A revision comes back just when it goes from the trash for good: it is there, and
// whole, or it is not. What is said of it is true.
func TestGCAndAnUndelete(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	r := w.openWith(w.disk, "")
	trash, err := r.Trash()
	if err != nil {
		t.Fatal(err)
	}
	for _, trashed := range trash {
		if trashed.Volume.Name != "whole" && trashed.Volume.Name != "gone" {
			continue
		}
		want := randomImage(2, 6)
		if trashed.Volume.Name == "whole" {
			if want = randomImage(4, 2); trashed.Statement.Parent != nil {
				want.write(0, []byte("later"))
			}
		}
		came, went := 0, 0
		for at, passages := 0, 1; at < passages; at++ {
			disk := w.disk.Copy()
			passages, err = w.around(disk, at, repository.GCOptions{Now: gcTime, EmptyTrash: true}, func(r *repository.Repository) error {
				_, err := r.Undelete(t.Context(), trashed, 0)
				return err
			})
			switch {
			case err == nil:
				came++
			case errors.Is(err, fs.ErrNotExist) || errors.Is(err, repository.ErrLostGround):
				went++
			default:
				t.Errorf("%s, before passage %d: %v", trashed.ID, at, err)
			}
			after := &gcWorld{place: w.place, disk: disk, kept: w.kept}
			whole := func() error {
				if err == nil {
					return w.checkAlso(disk, trashed.Statement, want)
				}
				return nil
			}
			for range 2 {
				if err := errors.Join(whole(), after.check(disk), after.finishWith(disk, repository.GCOptions{Now: gcTime, EmptyTrash: true, Threshold: 1e-9}), whole()); err != nil {
					t.Fatal(fmt.Errorf("%s, before passage %d of %d: %w", trashed.ID, at, passages, err))
				}
			}
		}
		if came == 0 || went == 0 {
			t.Errorf("%s came back %d times, and was gone %d times", trashed.ID, came, went)
		}
	}
}

// A collection condemns what a revision in the trash named, because it took that away for
// good, while somebody brings it back; that is committed, and the lease ended, before the
// collection removes the packs.
func TestTrapUndeleteOfWhatACollectionPurged(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	trash, err := w.openWith(w.disk, "").Trash()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(trash, func(t repository.Trashed) bool { return t.Volume.Name == "gone" })
	_, passages, err := w.interleaved(w.disk.Copy(), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	came, went := 0, 0
	for begin := range passages {
		for end := begin; end <= passages; end++ {
			disk := w.disk.Copy()
			u := &pausedUndelete{}
			stop := func() {
				close(u.goOn)
				<-u.done
				u.ended = true
			}
			_, _, err := w.interleaved(disk, func(passage int) {
				if passage == begin {
					u = w.beginUndelete(disk, trash[i])
				}
				if passage == end && u.goOn != nil && !u.ended {
					stop()
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if u.goOn != nil && !u.ended {
				stop()
			}
			if u.err != nil {
				went++
				continue
			}
			came++
			for range 2 {
				if err := errors.Join(w.checkAlso(disk, trash[i].Statement, randomImage(2, 6)), w.check(disk)); err != nil {
					t.Errorf("begun before passage %d, ended before %d of %d: %v", begin, end, passages, err)
				}
				if _, err := w.collectOn(disk); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if came == 0 || went == 0 {
		t.Errorf("it came back %d times, and was gone %d times", came, went)
	}
}

// pausedUndelete waits before its last passage but one through the gate, the commit.
type pausedUndelete struct {
	goOn, done chan struct{}
	err        error
	ended      bool
}

func (w *gcWorld) beginUndelete(disk *durabletest.Disk, trashed repository.Trashed) *pausedUndelete {
	u := &pausedUndelete{goOn: make(chan struct{}), done: make(chan struct{})}
	ready := make(chan struct{})
	copied, once := false, sync.Once{}
	fsys := durabletest.NewWatched(disk, func(op, name string) error {
		copied = copied || op == "create" && strings.HasPrefix(name, "copies/")
		if copied && op == "open for writing" && name == repository.GateName {
			once.Do(func() {
				close(ready)
				<-u.goOn
			})
		}
		return nil
	})
	go func() {
		defer close(u.done)
		r, err := repository.Open(fsys, repository.Options{Command: "undelete"})
		if err == nil {
			_, err = r.Undelete(w.t.Context(), trashed, 0)
		}
		u.err = err
	}()
	select {
	case <-ready:
	case <-u.done:
		u.ended = true
	}
	return u
}
