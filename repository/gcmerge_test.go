package repository_test

import (
	"errors"
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
