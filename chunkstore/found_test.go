package chunkstore_test

import (
	"errors"
	"os"
	"slices"
	"sync"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable"
)

func TestAnObjectIsStoredOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	w := p.writer(s)
	first, again := p.put(w, chunk(1)), p.put(w, chunk(1))
	if first.Found || first.Stored == 0 || !again.Found || again.Stored != 0 || again.Ref != first.Ref {
		t.Errorf("in one pack: first %+v, again %+v", first, again)
	}
	p.barrier(w)
	if again := p.put(w, chunk(1)); !again.Found || again.Ref != first.Ref {
		t.Errorf("in a sealed pack of the same run: %+v", again)
	}
	other := p.writer(s)
	if again := p.put(other, chunk(1)); !again.Found || again.Ref != first.Ref {
		t.Errorf("in another run: %+v", again)
	}
	if got := other.Relied(); !slices.Equal(got, []chunkstore.PackID{first.Ref.Pack}) {
		t.Errorf("relied on %v, want %v", got, first.Ref.Pack)
	}
	if n := len(p.packs()); n != 1 {
		t.Errorf("%d packs, want 1", n)
	}
}

func TestChunkAndPatchOfOneIDAreTwoObjects(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	put := p.store(s, chunk(1))[0]
	r := s.Reader(nil)
	defer closeReader(t, r)
	_, err := r.StoredSize(t.Context(), put.Ref, chunkstore.Patch)
	if !errors.Is(err, chunkstore.ErrNotFound) {
		t.Errorf("a chunk's id as a patch: %v, want %v", err, chunkstore.ErrNotFound)
	}
}

// What may not be relied on is stored again.
func TestFoundObjectsFollowTheRules(t *testing.T) {
	t.Parallel()
	type run = chunkstore.WriterConfig
	for name, rule := range map[string]struct {
		want   bool // found
		config func(p *place, put chunkstore.Put) run
	}{
		"usable": {true, func(*place, chunkstore.Put) run { return run{Usable: anyPack} }},
		"refused": {false, func(*place, chunkstore.Put) run {
			return run{Usable: func(chunkstore.PackInfo) bool { return false }}
		}},
		"nobody asked":     {false, func(*place, chunkstore.Put) run { return run{} }},
		"same run resumed": {true, func(*place, chunkstore.Put) run { return run{Run: [16]byte{1}} }},
		"condemned": {false, func(_ *place, put chunkstore.Put) run {
			return run{Usable: anyPack, View: seeing(chunkstore.View{Condemned: map[chunkstore.PackID]bool{put.Ref.Pack: true}})}
		}},
		"damaged": {false, func(_ *place, put chunkstore.Put) run {
			hurt := chunkstore.Copy{Pack: put.Ref.Pack, ID: put.Ref.ID}
			return run{Usable: anyPack, View: seeing(chunkstore.View{Damaged: map[chunkstore.Copy]bool{hurt: true}})}
		}},
		"pack gone": {false, func(p *place, put chunkstore.Put) run {
			p.remove(put.Ref.Pack)
			return run{Usable: anyPack}
		}},
		"table of contents damaged": {false, func(p *place, put chunkstore.Put) run {
			flip(p.t, p.path(put.Ref.Pack), -100)
			return run{Usable: anyPack}
		}},
		"pack truncated": {false, func(p *place, put chunkstore.Put) run {
			if err := os.Truncate(p.path(put.Ref.Pack), 1000); err != nil {
				p.t.Fatal(err)
			}
			return run{Usable: anyPack}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			s := p.open()
			put := p.store(s, chunk(1))[0]
			cfg := rule.config(p, put)
			w := p.writerWith(s, cfg)
			again := p.put(w, chunk(1))
			if again.Found != rule.want {
				t.Errorf("found = %v, want %v", again.Found, rule.want)
			}
			p.barrier(w)
			if got := slices.Contains(w.Relied(), put.Ref.Pack); got != rule.want {
				t.Errorf("relied on = %v, want %v", got, rule.want)
			}
			r := s.Reader(cfg.View)
			defer closeReader(t, r)
			p.mustRead(r, just(again.Ref), chunk(1))
		})
	}
}

// seeing is a view that never changes.
func seeing(v chunkstore.View) func() chunkstore.View { return func() chunkstore.View { return v } }

func TestAPackOfAnotherRepositoryIsNotReliedOn(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	cfg := p.config()
	cfg.Repository = [16]byte{8}
	put := p.store(p.openWith(cfg), chunk(1))[0]
	s := p.open() // finds a foreign catalog, and the foreign pack
	own := chunkstore.WriterConfig{Usable: func(info chunkstore.PackInfo) bool { return info.Repository == p.config().Repository }}
	if again := p.put(p.writerWith(s, own), chunk(1)); again.Found {
		t.Error("a pack that says it belongs to another repository was relied on")
	}
	r := s.Reader(nil)
	defer closeReader(t, r)
	p.mustRead(r, just(put.Ref), chunk(1)) // but its bytes are right
}

func TestUsableIsAskedOnceForEachPack(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	p.store(s, chunk(1), chunk(2), chunk(3))
	p.store(s, chunk(4))
	asked := map[chunkstore.PackID]int{}
	w := p.writerWith(s, chunkstore.WriterConfig{Usable: func(info chunkstore.PackInfo) bool {
		asked[info.ID]++
		return info.Objects == 3
	}})
	for range 2 {
		for i := range uint64(4) {
			if put, want := p.put(w, chunk(i+1)), i < 3; put.Found != want && i < 3 {
				t.Errorf("chunk %d: found = %v, want %v", i+1, put.Found, want)
			}
		}
	}
	if len(asked) != 2 {
		t.Errorf("asked about %d packs, want 2", len(asked))
	}
	for id, n := range asked {
		if n != 1 {
			t.Errorf("asked %d times about %s", n, id)
		}
	}
}

// syncRecorder notes which directories are synced.
type syncRecorder struct {
	durable.FS
	mu     sync.Mutex
	synced map[string]int
}

func (r *syncRecorder) SyncDir(name string) error {
	r.mu.Lock()
	r.synced[name]++
	r.mu.Unlock()
	return r.FS.SyncDir(name)
}

// Whoever renamed a found pack may lose power before it syncs the directory.
func TestBarrierSyncsTheDirectoriesOfFoundPacks(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.store(p.open(), chunk(1))

	cfg := p.config()
	recorder := &syncRecorder{FS: p.fsys, synced: map[string]int{}}
	cfg.FS = recorder
	w := p.writer(p.openWith(cfg))
	found, own := p.put(w, chunk(1)), p.put(w, chunk(2))
	if !found.Found {
		t.Fatal("the first chunk was not found")
	}
	p.barrier(w)
	for _, put := range []chunkstore.Put{found, own} {
		if dir := "packs/" + put.Ref.Pack.String()[:2]; recorder.synced[dir] != 1 {
			t.Errorf("%s was synced %d times, want 1; found = %v", dir, recorder.synced[dir], put.Found)
		}
	}
	before := len(recorder.synced)
	p.barrier(w)
	if len(recorder.synced) != before {
		t.Error("a barrier with nothing new synced directories")
	}
}

func TestWritersInParallel(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	w := p.writerWith(s, chunkstore.WriterConfig{Codec: chunkstore.LZ4, PackSize: 200_000})
	refs := make([]chunkstore.Ref, 60)
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := worker; i < len(refs); i += 4 {
				content := chunk(uint64(i % 20)) // each content three times
				put, err := w.PutChunk(t.Context(), p.hasher.ChunkID(content), content)
				if err != nil {
					t.Error(err)
					return
				}
				refs[i] = put.Ref
			}
		})
	}
	group.Wait()
	p.barrier(w)
	r := s.Reader(nil)
	defer closeReader(t, r)
	for i, ref := range refs {
		p.mustRead(r, just(ref), chunk(uint64(i%20)))
	}
	objects := 0
	for pack, err := range s.Packs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for e := range pack.Entries() {
			objects++
			if e.Plain != chunkSize || e.Kind != chunkstore.Chunk {
				t.Errorf("entry %+v", e)
			}
		}
	}
	if objects != 20 {
		t.Errorf("%d objects in all packs, want 20", objects)
	}
}

func TestCloseRemovesWhatIsNotSealed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	w := p.writerWith(s, chunkstore.WriterConfig{PackSize: 3 * chunkSize})
	for i := range uint64(4) { // the first three fill a pack
		p.put(w, chunk(i))
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if packs, temps := p.packs(), p.leftovers(); len(packs) != 1 || len(temps) != 0 {
		t.Errorf("after Close: packs %v, temporary files %v; want one pack", packs, temps)
	}
	if _, err := w.PutChunk(t.Context(), p.hasher.ChunkID(chunk(9)), chunk(9)); !errors.Is(err, chunkstore.ErrClosed) {
		t.Errorf("PutChunk after Close: %v, want %v", err, chunkstore.ErrClosed)
	}
	next := p.writer(s)
	for i := range uint64(4) {
		if put := p.put(next, chunk(i)); put.Found != (i < 3) {
			t.Errorf("chunk %d in the next run: found = %v", i, put.Found)
		}
	}
}

func TestPutPatchChecksItsFingerprints(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	w := p.writer(p.open())
	a, b := chunk(1), chunk(2)
	_, _, err := w.PutPatch(t.Context(), a, b, p.fingerprint(b), p.fingerprint(b))
	if err == nil {
		t.Error("a patch with a wrong fingerprint was stored")
	}
	zeros := make([]byte, chunkSize)
	put, _, err := w.PutPatch(t.Context(), zeros, a, chunkstore.Fingerprint{}, p.fingerprint(a))
	if err != nil {
		t.Fatal(err)
	}
	p.barrier(w)
	r := p.open().Reader(nil)
	defer closeReader(t, r)
	p.mustRead(r, chunkstore.Stack{Patches: []chunkstore.Ref{put.Ref}}, a)
	p.mustRead(r, chunkstore.Stack{}, zeros)
}
