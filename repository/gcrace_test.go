package repository_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// interleaved runs a collection, and between its passages through the gate what the test
// says. Of a passage, its number is told, before the gate is taken.
func (w *gcWorld) interleaved(disk *durabletest.Disk, between func(passage int)) (*repository.GCResult, int, error) {
	passage, inside := 0, false
	fsys := durabletest.NewWatched(disk, func(op, name string) error {
		if op == "open for writing" && name == repository.GateName && !inside {
			inside = true // what is done in between has gates of its own, through another FS
			between(passage)
			inside = false
			passage++
		}
		return nil
	})
	r, err := repository.Open(fsys, repository.Options{Command: "gc"})
	if err != nil {
		return nil, 0, err
	}
	result, err := r.CollectGarbage(w.t.Context(), repository.GCOptions{Now: gcTime})
	return result, passage, err
}

// backingUp is a backup in steps.
type backingUp struct {
	repo *repository.Repository
	s    *storing
}

func (w *gcWorld) beginBackup(disk *durabletest.Disk, state string, name revision.Name, im *image) *backingUp {
	w.t.Helper()
	r, err := repository.Open(disk, repository.Options{Command: "backup", StateDir: state})
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := r.BeginBackup(w.t.Context(), repository.BackupOptions{Volume: name})
	if err != nil {
		w.t.Fatal(err)
	}
	s := &storing{repo: r, backup: b, im: im}
	if err := s.fill(w.t.Context(), storeOptions{}); err != nil {
		w.t.Fatal(err)
	}
	return &backingUp{r, s}
}

// commit ends the backup. That it lost its ground is no failure: there is no revision.
func (b *backingUp) commit(w *gcWorld) (*revision.Statement, error) {
	st, err := b.s.backup.Commit(w.t.Context(), b.s.rows, statement(b.s.im, storeOptions{}))
	if err == nil {
		err = b.s.backup.Finished()
	}
	if err := errors.Join(b.s.backup.Close(), b.repo.Close()); err != nil {
		w.t.Error(err)
	}
	return st, err
}

// A backup finds what a collection is about to take away: it begins before one passage of
// the collector through the gate, and commits before another, for all of them. This is the
// lease that is born after the collector's scan, the commit between the marking and the
// gate, and the pack that was condemned and is not any more.
func TestTrapGCAndABackupThatFindsGarbage(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	_, passages, err := w.interleaved(w.disk.Copy(), func(int) {})
	if err != nil || passages < 8 {
		t.Fatalf("%d passages, %v", passages, err)
	}
	found, spared := 0, 0
	for begin := range passages {
		for commit := begin; commit <= passages; commit++ {
			disk, im := w.disk.Copy(), randomImage(4, 2) // that of the volume "whole", which is gone
			var b *backingUp
			var st *revision.Statement
			end := func() {
				var err error
				if st, err = b.commit(w); err != nil {
					t.Errorf("begun at %d, committed at %d: %v", begin, commit, err)
				}
			}
			result, _, err := w.interleaved(disk, func(passage int) {
				if passage == begin {
					b = w.beginBackup(disk, t.TempDir(), "again", im)
					if len(b.s.backup.Chunks().Relied()) > 0 {
						found++
					}
				}
				if passage == commit && b != nil {
					end()
				}
			})
			if err != nil {
				t.Fatalf("begun at %d, committed at %d: the collection: %v", begin, commit, err)
			}
			if b != nil && st == nil {
				end()
			}
			if st == nil {
				continue
			}
			if result.Waiting > 0 || result.Freed < 3 {
				spared++
			}
			if err := errors.Join(w.check(disk), w.checkAlso(disk, st, im), w.finish(disk), w.checkAlso(disk, st, im)); err != nil {
				t.Fatalf("begun at %d, committed at %d: %v", begin, commit, err)
			}
		}
	}
	if found == 0 || spared == 0 {
		t.Errorf("%d backups relied on what they found, for %d something was spared", found, spared)
	}
}

func (w *gcWorld) checkAlso(disk *durabletest.Disk, st *revision.Statement, im *image) error {
	r, err := repository.Open(disk, repository.Options{Command: "restore"})
	if err != nil {
		return err
	}
	if err := compare(w.t.Context(), r, st, im); err != nil {
		return fmt.Errorf("%s@%s: %w", st.Volume.Name, st.ID, err)
	}
	return r.Close()
}

// A reader that was there before keeps all that it may read, whenever it came and however
// long it stays; what goes on without it goes.
func TestGCAndAReader(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	_, passages, err := w.interleaved(w.disk.Copy(), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	var compacted *revision.Statement
	for st := range w.kept {
		if st.Volume.Name == "half" {
			compacted = st
		}
	}
	blocked := 0
	for begin := range passages {
		for end := begin; end <= passages; end++ {
			disk := w.disk.Copy()
			var repo *repository.Repository
			var rd *repository.Reader
			var im *repository.Image
			stop := func() {
				if err := errors.Join(compareImage(im, w.kept[compacted]), im.Close(), rd.Close(), repo.Close()); err != nil {
					t.Errorf("from %d to %d: %v", begin, end, err)
				}
				rd = nil
			}
			result, _, err := w.interleaved(disk, func(passage int) {
				var err error
				if passage == begin {
					if repo, err = repository.Open(disk, repository.Options{Command: "restore"}); err == nil {
						if rd, err = repo.NewReader(t.Context()); err == nil {
							im, err = rd.Image(t.Context(), repository.Volume{Name: "half", UUID: compacted.Volume.UUID}, compacted.ID)
						}
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				if passage == end && rd != nil {
					stop()
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if result.Waiting > 0 {
				blocked++
				if len(result.Blockers) != 1 || result.Blockers[0].Holder.Command != "restore" || result.WaitingBytes == 0 {
					t.Errorf("from %d to %d: %+v", begin, end, result)
				}
			}
			if rd != nil {
				stop()
			}
			if err := errors.Join(w.check(disk), w.finish(disk)); err != nil {
				t.Fatalf("from %d to %d: %v", begin, end, err)
			}
		}
	}
	if blocked == 0 {
		t.Error("nobody was waited for")
	}
}

// What a reader holds up goes when it has ended, and one that came later is in nobody's way.
func TestGCWaitsForWhoWasThereBefore(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	before := w.openWith(w.disk, "")
	rd, err := before.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	result, err := w.collectOn(w.disk)
	if err != nil || result.Freed != 0 || result.Waiting < 3 || len(result.Blockers) != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	after, err := before.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, after)
	if err := rd.Close(); err != nil {
		t.Fatal(err)
	}
	waited := result.Waiting
	if result, err = w.collectOn(w.disk); err != nil || result.Freed != waited || result.Waiting != 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if err := w.check(w.disk); err != nil {
		t.Error(err)
	}
}

// A lease that cannot be read is from before all that was ever condemned.
func TestGCWaitsForALeaseThatItCannotRead(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	if _, err := w.disk.Create("locks/leases/0123456789abcdef.json"); err != nil {
		t.Fatal(err)
	}
	f, err := w.disk.OpenWrite("locks/leases/0123456789abcdef.json")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.TryLock(); err != nil || !got {
		t.Fatal(got, err)
	}
	result, err := w.collectOn(w.disk)
	if err != nil || result.Freed != 0 || result.Waiting < 3 || len(result.Blockers) != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.finish(w.disk); err != nil {
		t.Error(err)
	}
}

// Two collections at once: the second is told who is at it.
func TestGCTwiceAtOnce(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	var once sync.Once
	_, _, err := w.interleaved(w.disk, func(int) {
		once.Do(func() {
			busy := new(repository.BusyError)
			if _, err := w.collectOn(w.disk); !errors.As(err, &busy) || busy.Holder.Command != "gc" {
				t.Errorf("the second collection: %v", err)
			}
		})
	})
	if err != nil {
		t.Error(err)
	}
	if err := w.finish(w.disk); err != nil {
		t.Error(err)
	}
}

// The collector has read a child, of before a merge, and comes to its parent after it:
// the parent is gone, and what it listed is named by the child's new map alone.
func TestTrapGCMarksAChildBeforeAndItsParentAfterAMerge(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	parent, child := h.made[0], h.made[1]
	merged := h.fold(child)
	var once sync.Once
	seen := false
	fsys := durabletest.NewWatched(h.tree(), func(op, name string) error {
		seen = seen || op == "open" && strings.HasSuffix(name, string(child.ID)+".rev")
		if seen && op == "open" && strings.HasSuffix(name, string(parent.ID)+".rev") || op == "readdir" && name == "trash" {
			once.Do(func() {
				r := h.open()
				err := r.AtGate(t.Context(), func() error {
					for _, file := range []string{repository.CopyName(child.Volume.UUID, child.ID), repository.RevisionName("db1", child.ID)} {
						h.remove(file)
						h.write(file, merged)
					}
					h.remove(repository.RevisionName("db1", parent.ID))
					h.remove(repository.CopyName(parent.Volume.UUID, parent.ID))
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		return nil
	})
	// Something that is dead, so that there is anything to condemn.
	p := h.place
	p.trash(p.mustStore(p.open(), "gone", randomImage(9, 2)), gcTime)
	if _, err := h.openOn(fsys).CollectGarbage(t.Context(), repository.GCOptions{Now: gcTime}); err != nil {
		t.Fatal(err)
	}
	if err := compare(t.Context(), h.open(), child, h.images[1]); err != nil {
		t.Errorf("the child: %v", err)
	}
	if got := ids(h.revisions(h.open(), "db1")); !slices.Equal(got, []revision.ID{child.ID}) {
		t.Errorf("revisions are %q", got)
	}
}

// fold is a child's map after a merge: a full, that names all the child is put together of.
func (h *history) fold(st *revision.Statement) []byte {
	h.t.Helper()
	return foldImage(h.t, h.openImage(h.open(), st))
}
