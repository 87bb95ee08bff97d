package repository_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// gcWorld is a repository in memory that has something of all that a collection meets.
type gcWorld struct {
	*place
	disk *durabletest.Disk
	kept map[*revision.Statement]*image // visible
	held map[*revision.Statement]*image // in the trash, for long
}

// gcTime is when the time of half of the trash is over.
var gcTime = testTime.AddDate(0, 1, 0)

func newGCWorld(t testing.TB) *gcWorld {
	t.Helper()
	w := &gcWorld{place: &place{t: t}, disk: durabletest.NewDisk(), kept: map[*revision.Statement]*image{}, held: map[*revision.Statement]*image{}}
	if _, err := repository.Init(t.Context(), w.disk, repository.InitOptions{ChunkSize: chunkSize, Codec: "lz4"}); err != nil {
		t.Fatal(err)
	}
	w.state = t.TempDir()
	r := w.openWith(w.disk, w.state)
	make := func(name revision.Name, im *image) *revision.Statement { return w.mustStore(r, name, im) }

	im := randomImage(1, 4) // a history
	for night := range 3 {
		im = im.clone()
		im.write(int64(night)*chunkSize+8, []byte("changed"))
		w.kept[make("db1", im)] = im
	}
	gone := make("gone", randomImage(2, 6)) // a pack of which half is alive in another volume
	half := randomImage(2, 6)
	for i := range 3 {
		half.chunks[uint64(i)] = randomImage(3, 6).chunks[uint64(i)]
	}
	w.kept[make("half", half)] = half
	whole := randomImage(4, 2) // a pack of which nothing is, and a chain
	parent := make("whole", whole)
	whole = whole.clone()
	whole.write(0, []byte("later"))
	child := make("whole", whole)
	held := randomImage(5, 2) // one that may come back
	heldSt := make("held", held)
	w.held[heldSt] = held
	w.interrupt(r, "dead", randomImage(6, 2)) // a run that died, and that a later one has superseded
	im = randomImage(7, 2)
	w.kept[make("dead", im)] = im
	for _, st := range []*revision.Statement{child, parent, gone, heldSt} { // those that build on others first
		until := gcTime
		if st == heldSt {
			until = gcTime.AddDate(50, 0, 0)
		}
		if err := r.MoveToTrash(t.Context(), st, until); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// interrupt is a backup that dies just before its commit. Its packs and its record stay.
func (p *place) interrupt(r *repository.Repository, name revision.Name, im *image) {
	p.t.Helper()
	died := errors.New("died")
	func() {
		b, err := r.BeginBackup(p.t.Context(), repository.BackupOptions{Volume: name})
		if err != nil {
			p.t.Fatal(err)
		}
		s := &storing{repo: r, backup: b, im: im}
		if err := errors.Join(s.fill(p.t.Context(), storeOptions{}), b.Chunks().Barrier(p.t.Context()), b.Close()); err != nil {
			p.t.Fatal(errors.Join(died, err))
		}
	}()
}

func (w *gcWorld) openWith(fsys durable.FS, state string) *repository.Repository {
	w.t.Helper()
	r, err := repository.Open(fsys, repository.Options{StateDir: state, Command: "gc"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = r.Close() })
	return r
}

// check makes sure that all that is to be there is, and reads as it was.
func (w *gcWorld) check(disk *durabletest.Disk) error {
	r, err := repository.Open(disk, repository.Options{Command: "restore"})
	if err != nil {
		return err
	}
	for st, want := range w.kept {
		if err := compare(w.t.Context(), r, st, want); err != nil {
			return fmt.Errorf("%s@%s: %w", st.Volume.Name, st.ID, err)
		}
	}
	for st, want := range w.held {
		if err := r.CompareTrashed(w.t.Context(), st, func(im *repository.Image) error { return compareImage(im, want) }); err != nil {
			return fmt.Errorf("trashed %s@%s: %w", st.Volume.Name, st.ID, err)
		}
	}
	return errors.Join(r.Close())
}

// finish collects garbage once more, and makes sure that there is none after that, and
// nothing that says something of what is gone.
func (w *gcWorld) finish(disk *durabletest.Disk) error {
	return w.finishWith(disk, repository.GCOptions{Now: gcTime, Threshold: 1e-9})
}

func (w *gcWorld) finishWith(disk *durabletest.Disk, opts repository.GCOptions) error {
	r, err := repository.Open(disk, repository.Options{Command: "gc"})
	if err != nil {
		return err
	}
	result, err := r.CollectGarbage(w.t.Context(), opts)
	if err := errors.Join(append(result.Findings, err)...); err != nil {
		return err
	}
	if err := w.check(disk); err != nil {
		return err
	}
	if result.Dead != 0 || result.WaitingPacks != 0 || result.NoRoom {
		return fmt.Errorf("garbage is left: %+v", result)
	}
	packs := w.packsOn(disk)
	g, err := r.CurrentGeneration()
	if err != nil || g.Opaque || len(g.Condemned) > 0 {
		return fmt.Errorf("the generation is %+v, %v", g, err)
	}
	for name := range disk.Files() {
		switch {
		case strings.HasPrefix(name, "runs/"), strings.HasPrefix(name, "locks/leases/"), strings.Contains(name, durable.TempPrefix):
			return fmt.Errorf("%s is left", name)
		case strings.HasPrefix(name, "gc/moved/") && slices.Contains(packs, name[len("gc/moved/"):]):
			return fmt.Errorf("%s is left, and the pack too", name)
		}
	}
	return r.Close()
}

// packsOn lists the packs by their ids.
func (w *gcWorld) packsOn(disk *durabletest.Disk) (packs []string) {
	for name := range disk.Files() {
		if base, isPack := strings.CutSuffix(name, ".pack"); isPack {
			packs = append(packs, base[len("packs/xx/"):])
		}
	}
	return packs
}

func (w *gcWorld) collectOn(fsys durable.FS) (*repository.GCResult, error) {
	r, err := repository.Open(fsys, repository.Options{Command: "gc"})
	if err != nil {
		return nil, err
	}
	return r.CollectGarbage(w.t.Context(), repository.GCOptions{Now: gcTime})
}

func TestGCOfAllThereIs(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	if err := w.check(w.disk); err != nil {
		t.Fatal(err)
	}
	result, err := w.collectOn(w.disk)
	if err != nil || len(result.Findings) > 0 {
		t.Fatalf("%v, findings %v", err, result.Findings)
	}
	if len(result.Purged) != 3 || result.Kept != 1 || result.FreedPacks < 3 || result.Compacted == 0 || result.Copied == 0 {
		t.Errorf("%+v", result)
	}
	if err := w.check(w.disk); err != nil {
		t.Error(err)
	}
	if err := w.finish(w.disk); err != nil {
		t.Error(err)
	}
}

// foldImage writes the map of a full that names what an image is put together of.
func foldImage(t testing.TB, im *repository.Image) []byte {
	t.Helper()
	st := *im.Statement()
	st.Kind, st.Parent, st.Nonce = revision.Full, nil, revision.Nonce{1, 2, 3}
	var out bytes.Buffer
	w, err := revision.NewWriter(&out, revision.Header{ChunkSize: chunkSize, Nonce: st.Nonce})
	if err != nil {
		t.Fatal(err)
	}
	rows := mustRegions(t, im)
	for _, row := range rows {
		chunks, err := im.Chunks(row.Region)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			e := revision.Entry{Index: c.Index, Fingerprint: c.Fingerprint, Content: c.Content, Base: revision.BaseObject, BaseRef: c.Stack.Base, Patches: c.Stack.Patches}
			switch c.Stack.Base.ID {
			case c.Content:
				e.Base = revision.BaseContent
			case chunkstore.ID{}:
				e.Base = revision.BaseZeros
			}
			if err := w.Add(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Finish(rows, st); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
