package repository_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// spaceWatch is a repository of which is known whether packs were looked into, without
// which nobody can tell how much anything takes.
type spaceWatch struct {
	*place
	repo   *repository.Repository
	opened atomic.Int64
}

func newSpaceWatch(t *testing.T) *spaceWatch {
	t.Helper()
	w := &spaceWatch{place: newPlace(t)}
	w.repo = w.openOn(durabletest.NewWatched(w.tree(), func(op, name string) error {
		if op == "open" && strings.HasSuffix(name, ".pack") {
			w.opened.Add(1)
		}
		return nil
	}))
	return w
}

func (w *spaceWatch) spaceFile() string {
	return filepath.Join(w.state, w.repo.ID().String(), "space.json")
}

// ask asks all there is to ask, and tells whether packs were looked into for it.
func (w *spaceWatch) ask(r *repository.Repository) (answers []*repository.Unique, looked bool) {
	w.t.Helper()
	before := w.opened.Load()
	all, err := r.UniqueToVolumes(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	answers = append(answers, all)
	volumes, err := r.Volumes()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, v := range volumes {
		one, err := r.UniqueToRevisions(w.t.Context(), v)
		if err != nil {
			w.t.Fatal(err)
		}
		answers = append(answers, one)
		for id, frees := range one.Revisions {
			if got, _, err := r.Freed(w.t.Context(), v, []revision.ID{id}); err != nil || got != frees {
				w.t.Errorf("%s alone frees %d, want %d: %v", id, got, frees, err)
			}
		}
	}
	return answers, w.opened.Load() > before
}

// check compares what is remembered with what somebody finds out who remembers nothing.
func (w *spaceWatch) check(after string) {
	w.t.Helper()
	fresh, err := repository.Open(w.tree(), repository.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = fresh.Close() }() // it only read
	want, _ := w.ask(fresh)
	got, _ := w.ask(w.repo)
	again, looked := w.ask(w.repo)
	if looked {
		w.t.Errorf("after %s: packs are looked into the second time", after)
	}
	for i := range want {
		for _, found := range []*repository.Unique{got[i], again[i]} {
			if !maps.Equal(found.Volumes, want[i].Volumes) || !maps.Equal(found.Revisions, want[i].Revisions) || len(found.Unread) > 0 {
				w.t.Fatalf("after %s: %+v, want %+v", after, found, want[i])
			}
		}
	}
}

// Whatever is done, what is remembered is what would be found out.
func TestEnumerateSpace(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		w := newSpaceWatch(t)
		random := rand.New(rand.NewPCG(seed, 3))
		names := []revision.Name{"a", "b"}
		images := map[revision.Name]*image{"a": randomImage(seed, 3), "b": randomImage(seed, 2)}
		for _, name := range names {
			w.mustStore(w.repo, name, images[name])
		}
		for step := range 25 {
			n := random.IntN(len(names))
			name := names[n]
			what := fmt.Sprintf("step %d, seed %d: ", step, seed)
			revs := ids(w.revisions(w.repo, name))
			v := w.revisions(w.repo, name)
			switch kind := random.IntN(8); {
			case kind == 0 && len(revs) > 2:
				what += "removal"
				random.Shuffle(len(revs), func(i, j int) { revs[i], revs[j] = revs[j], revs[i] })
				opts := repository.RemoveOptions{Op: repository.OpRemove, Undelete: time.Hour}
				if _, err := w.repo.Remove(t.Context(), v[0].Volume, revs[:random.IntN(2)+1], opts); err != nil {
					t.Fatal(err)
				}
			case kind == 1:
				what += "return"
				trash, err := w.repo.Trash()
				if err != nil {
					t.Fatal(err)
				}
				if len(trash) == 0 {
					continue
				}
				if _, err := w.repo.Undelete(t.Context(), trash[random.IntN(len(trash))], 0); err != nil {
					t.Fatal(err)
				}
			case kind == 2:
				what += "collection"
				if _, err := w.repo.CollectGarbage(t.Context(), repository.GCOptions{Threshold: 1e-9, EmptyTrash: random.IntN(2) == 0}); err != nil {
					t.Fatal(err)
				}
			case kind == 3:
				what += "full of a delta"
				if _, err := w.repo.Flatten(t.Context(), v[0].Volume, revs[len(revs)-1:], 0); err != nil {
					t.Fatal(err)
				}
			case kind == 4 && step > 8:
				what += "rename"
				names[n] = revision.Name(fmt.Sprint("renamed-", step))
				if _, err := w.repo.Rename(t.Context(), name, names[n], 0); err != nil {
					t.Fatal(err)
				}
				images[names[n]] = images[name]
			default:
				what += "backup"
				im := images[name].clone()
				im.write(random.Int64N(im.size-4096), randomImage(random.Uint64N(6), 1).at(0, 4096))
				images[name] = im
				w.mustStoreWith(w.repo, name, im, storeOptions{full: random.IntN(6) == 0})
			}
			w.check(what)
		}
	}
}

// What is remembered wrongly, of another repository, or by another program, says nothing.
func TestSpaceOfOthersIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := newSpaceWatch(t)
	w.mustStore(w.repo, "db1", randomImage(1, 3))
	w.check("a backup")
	good, err := os.ReadFile(w.spaceFile())
	if err != nil {
		t.Fatal(err)
	}
	lie := func(change func(s *repository.Space)) []byte {
		s, err := repository.DecodeSpace(good)
		if err != nil {
			t.Fatal(err)
		}
		for uuid := range s.Volumes {
			s.Volumes[uuid] = 1
		}
		change(s)
		file, err := repository.Seal(s)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	for what, file := range map[string][]byte{
		"cut short":             good[:len(good)-2],
		"a bit":                 slices.Concat(good[:60], []byte{good[60] ^ 1}, good[61:]),
		"nothing":               {},
		"of a newer program":    lie(func(s *repository.Space) { s.Version++ }),
		"of another repository": lie(func(s *repository.Space) { s.Repository[0] ^= 1 }),
		"of another state":      lie(func(s *repository.Space) { s.State = "0" + s.State[1:] + "0" }),
		"without revisions":     lie(func(s *repository.Space) { s.Revisions = nil }),
	} {
		if err := os.WriteFile(w.spaceFile(), file, 0o640); err != nil {
			t.Fatal(err)
		}
		w.check("remembering what is " + what)
	}
}

// A copy that may stand for a lost file is reason enough to look.
func TestSpaceOfALostFileIsNotRemembered(t *testing.T) {
	t.Parallel()
	w := newSpaceWatch(t)
	st := w.mustStore(w.repo, "db1", randomImage(1, 3))
	w.check("a backup")
	w.remove(repository.RevisionName("db1", st.ID)) // the copy stands in
	for range 2 {
		if _, looked := w.ask(w.repo); !looked {
			t.Error("a revision lost its file, and nobody looked")
		}
	}
}

// What could not be told for certain is not remembered.
func TestSpaceInDoubtIsNotRemembered(t *testing.T) {
	t.Parallel()
	w := newSpaceWatch(t)
	st := w.mustStore(w.repo, "db1", randomImage(1, 3))
	for _, name := range []string{repository.RevisionName("db1", st.ID), repository.CopyName(st.Volume.UUID, st.ID)} {
		data := w.read(name)
		data[70] ^= 1 // in the first page
		w.write(name, data)
	}
	for range 2 {
		found, err := w.repo.UniqueToVolumes(t.Context())
		if err != nil || len(found.Unread) != 1 {
			t.Errorf("%+v, %v", found, err)
		}
	}
}

// What was read is what would be written.
func FuzzSpace(f *testing.F) {
	s := repository.Space{Version: 1, State: "s", Volumes: map[revision.UUID]int64{{1}: 5}, Revisions: map[revision.UUID]repository.OfVolumes{
		{1}: {Volume: 5, Revisions: map[revision.ID]int64{"20261124T010003Z-k3f9": 4}},
	}}
	file, err := repository.Seal(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := repository.DecodeSpace(file)
		if err != nil {
			return
		}
		again, err := repository.Seal(s)
		if err != nil || string(again) != string(file) {
			t.Errorf("%q becomes %q, %v", file, again, err)
		}
	})
}
