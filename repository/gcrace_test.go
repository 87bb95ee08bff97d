package repository_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"varve/chunkstore"
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
func TestEnumerateBackupsBesideGC(t *testing.T) {
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
			if result.WaitingPacks > 0 || result.FreedPacks < 3 {
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
func TestEnumerateReadersBesideGC(t *testing.T) {
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
			if result.WaitingPacks > 0 {
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
	if err != nil || result.FreedPacks != 0 || result.WaitingPacks < 3 || len(result.Blockers) != 1 {
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
	waited := result.WaitingPacks
	if result, err = w.collectOn(w.disk); err != nil || result.FreedPacks != waited || result.WaitingPacks != 0 {
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
	if err != nil || result.FreedPacks != 0 || result.WaitingPacks < 3 || len(result.Blockers) != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.finish(w.disk); err != nil {
		t.Error(err)
	}
}

// While a pack is being emptied, somebody finds the copy hurt, or takes it away, that
// makes it needless. The pack stays, unless it was condemned before.
func TestGCLeansOnNoCopyThatIsLostMeanwhile(t *testing.T) {
	t.Parallel()
	w := &gcWorld{place: &place{t: t}, disk: durabletest.NewDisk(), kept: map[*revision.Statement]*image{}}
	if _, err := repository.Init(t.Context(), w.disk, repository.InitOptions{ChunkSize: chunkSize, Codec: "lz4"}); err != nil {
		t.Fatal(err)
	}
	im := randomImage(1, 3)
	for _, name := range []revision.Name{"a", "b"} {
		w.kept[w.mustStoreWith(w.openWith(w.disk, ""), name, im, storeOptions{full: true})] = im
	}
	for what, lose := range map[string]func(disk *durabletest.Disk, pack chunkstore.PackID) error{
		"found hurt": func(disk *durabletest.Disk, pack chunkstore.PackID) error {
			r := w.openWith(disk, "")
			e := chunkstore.CorruptError{Pack: pack, ID: r.Hasher().ChunkID(im.chunks[1]), Kind: chunkstore.Chunk}
			return r.RecordDamage(t.Context(), &e)
		},
		"taken away": func(disk *durabletest.Disk, pack chunkstore.PackID) error {
			return disk.Remove(repository.PackName(pack))
		},
	} {
		stayed, went, passages := 0, 0, 1
		for at := 3; at < passages || passages == 1; at++ {
			for _, name := range w.packsOn(w.disk) {
				hurt, err := chunkstore.ParsePackID(name)
				if err != nil {
					t.Fatal(err)
				}
				disk, late := w.disk.Copy(), false
				_, passages, err = w.interleaved(disk, func(passage int) {
					if passage != at {
						return
					}
					late = w.generationOn(disk).Number > 0
					if err := lose(disk, hurt); err != nil && !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				if w.isElsewhere(disk, hurt, w.openWith(disk, "").Hasher().ChunkID(im.chunks[1])) {
					stayed++
				} else if went++; !late {
					t.Errorf("%s before passage %d: the good copy is gone", what, at)
				}
				if !late {
					if err := w.check(disk); err != nil {
						t.Errorf("%s before passage %d: %v", what, at, err)
					}
				}
			}
		}
		if stayed == 0 || went == 0 {
			t.Errorf("%s: the other copy stayed %d times, and went %d times", what, stayed, went)
		}
	}
}

// isElsewhere tells whether an object is in a pack that stays, besides one.
func (w *gcWorld) isElsewhere(disk *durabletest.Disk, besides chunkstore.PackID, id chunkstore.ID) bool {
	w.t.Helper()
	r := w.openWith(disk, "")
	g := w.generation(r)
	for _, name := range w.packsOn(disk) {
		pack, err := chunkstore.ParsePackID(name)
		if err != nil {
			w.t.Fatal(err)
		}
		entries, err := r.Contents(w.t.Context(), pack)
		if err != nil {
			w.t.Fatal(err)
		}
		_, condemned := g.Condemned[pack]
		if pack != besides && !condemned && slices.ContainsFunc(entries, func(e chunkstore.Entry) bool { return e.ID == id }) {
			return true
		}
	}
	return false
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

// The lease of a collection is taken from it, as from a process that was taken for dead:
// from then on it condemns nothing, and removes nothing.
func TestGCThatLostItsLease(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	_, passages, err := w.interleaved(w.disk.Copy(), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	for at := 3; at < passages; at++ {
		disk := w.disk.Copy()
		var before []string
		state := func() (names []string) { // but for what it made itself
			for name := range disk.Files() {
				if _, old := w.disk.Files()[name]; old && strings.HasPrefix(name, "packs/") || strings.HasPrefix(name, "gc/") && !strings.HasPrefix(name, "gc/moved/") ||
					strings.HasPrefix(name, "trash/") || strings.HasPrefix(name, "copies/") {
					names = append(names, name)
				}
			}
			slices.Sort(names)
			return names
		}
		_, _, err := w.interleaved(disk, func(passage int) {
			if passage != at {
				return
			}
			for name := range disk.Files() {
				if strings.HasPrefix(name, "locks/leases/") {
					if err := disk.Remove(name); err != nil {
						t.Error(err)
					}
				}
			}
			before = state()
		})
		if last := at == passages-1; (err == nil) != last || err != nil && !errors.Is(err, repository.ErrLostGround) {
			t.Errorf("lost before passage %d of %d: %v", at, passages, err)
		}
		if after := state(); err != nil && !slices.Equal(after, before) {
			t.Errorf("lost before passage %d: there were\n%q, and are\n%q", at, before, after)
		}
		left := disk.Copy()
		if err := errors.Join(w.check(left), w.finish(left)); err != nil {
			t.Errorf("lost before passage %d: %v", at, err)
		}
	}
}
