package revision_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"varve/chunkstore"
	"varve/revision"
)

// image is what a volume holds, as a model: the content of each chunk that is not
// zeros, and how it is put together.
type image struct {
	chunks uint64
	size   uint64
	stored map[uint64]revision.Chunk
}

func (im image) clone() image {
	c := im
	c.stored = make(map[uint64]revision.Chunk, len(im.stored))
	for i, chunk := range im.stored {
		c.stored[i] = chunk
	}
	return c
}

func (im image) sorted() []revision.Chunk {
	var chunks []revision.Chunk
	for i := range im.chunks {
		if c, ok := im.stored[i]; ok {
			chunks = append(chunks, c)
		}
	}
	return chunks
}

// history makes the revisions of one volume, as backups would.
type history struct {
	t       *rapid.T
	content uint64 // the last content that was invented
	chain   []*revision.Map
	images  []image
	byID    map[revision.ID]int
}

// The chunks that may ever hold anything: few, around the borders of regions.
func (h *history) drawIndex(limit uint64) (uint64, bool) {
	border := rapid.SampledFrom([]uint64{2, revision.RegionChunks, 2 * revision.RegionChunks}).Draw(h.t, "border")
	index := border - 2 + rapid.Uint64Range(0, 4).Draw(h.t, "beside")
	return index, index < limit
}

// backup makes the next revision: it resizes, writes and discards, then lists what
// became of it.
func (h *history) backup(forceFull bool) {
	now := image{stored: map[uint64]revision.Chunk{}}
	var before image
	if len(h.images) > 0 {
		before = h.images[len(h.images)-1]
		now = before.clone()
	}
	if len(h.images) == 0 || rapid.IntRange(0, 2).Draw(h.t, "resize") == 0 {
		h.resize(&now)
	}
	changes := map[uint64]revision.Entry{}
	gone := map[uint64]bool{}
	for i := now.chunks; i < before.chunks; i++ {
		gone[i] = true
	}
	for range rapid.IntRange(0, 8).Draw(h.t, "changes") {
		if i, ok := h.drawIndex(now.chunks); ok {
			h.change(&now, i, changes, gone)
		}
	}
	if rapid.IntRange(0, 4).Draw(h.t, "discard") == 0 && now.chunks > 0 {
		first := rapid.Uint64Range(0, now.chunks-1).Draw(h.t, "first")
		for i := first; i < rapid.Uint64Range(first, now.chunks).Draw(h.t, "end"); i++ {
			delete(now.stored, i)
			delete(changes, i)
			gone[i] = true
		}
	}
	h.commit(now, before, changes, gone, forceFull)
}

func (h *history) resize(now *image) {
	now.chunks = rapid.SampledFrom([]uint64{
		0, 1, 3, revision.RegionChunks - 1, revision.RegionChunks, revision.RegionChunks + 2,
		2*revision.RegionChunks - 1, 2*revision.RegionChunks + 3,
	}).Draw(h.t, "chunks")
	now.size = now.chunks * chunkSize
	if now.chunks > 0 {
		now.size -= rapid.SampledFrom([]uint64{0, 1, chunkSize - 1}).Draw(h.t, "short of")
	}
	for i := range now.stored {
		if i >= now.chunks {
			delete(now.stored, i)
		}
	}
}

func (h *history) change(now *image, i uint64, changes map[uint64]revision.Entry, gone map[uint64]bool) {
	if rapid.IntRange(0, 3).Draw(h.t, "erase") == 0 {
		delete(now.stored, i)
		delete(changes, i)
		gone[i] = true
		return
	}
	if _, again := changes[i]; again {
		return
	}
	h.content++
	e := whole(i, h.content)
	patch := ref(1000+h.content, h.content%4)
	switch rapid.IntRange(0, 4).Draw(h.t, "how") {
	case 0, 1:
		// A patch above whatever is there now; above zeros if nothing is.
		e = patched(i, h.content, revision.BaseParent, patch)
		if gone[i] {
			e.Base = revision.BaseZeros
		}
	case 2:
		e = patched(i, h.content, revision.BaseZeros, patch)
	case 3:
		e = patched(i, h.content, revision.BaseObject, patch)
	}
	stack := chunkstore.Stack{Base: e.BaseRef, Patches: e.Patches}
	if e.Base == revision.BaseParent {
		below := now.stored[i].Stack
		stack = chunkstore.Stack{Base: below.Base, Patches: append(below.Patches[:len(below.Patches):len(below.Patches)], patch)}
	}
	delete(gone, i)
	changes[i] = e
	now.stored[i] = revision.Chunk{Index: i, Fingerprint: e.Fingerprint, Content: e.Content, Stack: stack}
}

// commit writes the revision: a full, or a delta of the changes.
func (h *history) commit(now, before image, changes map[uint64]revision.Entry, gone map[uint64]bool, forceFull bool) {
	var parent *revision.Statement
	if len(h.chain) > 0 && !forceFull {
		parent = h.chain[len(h.chain)-1].Statement()
	}
	st := statement(uint64(len(h.chain)+1), now.chunks, parent)
	st.Size = now.size
	var records []revision.Record
	if parent == nil {
		for _, c := range now.sorted() {
			records = append(records, revision.Record{Entry: c.Entry()})
		}
	} else {
		for i := range max(now.chunks, before.chunks) {
			if e, ok := changes[i]; ok {
				records = append(records, revision.Record{Entry: e})
			} else if gone[i] {
				records = append(records, zeros(i, 1))
			}
		}
	}
	m := openMap(h.t, write(h.t, &st, records, regionsOf(now.sorted())))
	if err := m.Check(); err != nil {
		h.t.Errorf("Check of revision %d: %v", st.Sequence, err)
	}
	if parent != nil {
		if err := revision.CheckAgainstParent(m, h.chain[len(h.chain)-1]); err != nil {
			h.t.Errorf("CheckAgainstParent of revision %d: %v", st.Sequence, err)
		}
	}
	h.byID[st.ID] = len(h.chain)
	h.chain, h.images = append(h.chain, m), append(h.images, now)
}

// upTo gives the chain of a revision, newest first.
func (h *history) upTo(i int) []*revision.Map {
	chain := []*revision.Map{h.chain[i]}
	for p := h.chain[i].Statement().Parent; p != nil; p = chain[len(chain)-1].Statement().Parent {
		chain = append(chain, h.chain[h.byID[p.ID]])
	}
	return chain
}

func resolveAll(t *rapid.T, chain []*revision.Map) []revision.Chunk {
	var all []revision.Chunk
	for region := range uint64(4) {
		chunks, err := revision.Resolve(chain, region)
		if err != nil {
			t.Fatalf("Resolve of region %d: %v", region, err)
		}
		all = append(all, chunks...)
	}
	return all
}

func drawHistory(t *rapid.T) *history {
	h := &history{t: t, byID: map[revision.ID]int{}}
	for range rapid.IntRange(1, 8).Draw(t, "revisions") {
		h.backup(rapid.IntRange(0, 5).Draw(t, "full") == 0)
	}
	return h
}

func TestResolveGivesWhatTheModelHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt)
		for i, want := range h.images {
			if got := resolveAll(rt, h.upTo(i)); !reflect.DeepEqual(got, want.sorted()) {
				rt.Errorf("revision %d resolves to\n%v, want\n%v", i, got, want.sorted())
			}
		}
	})
}

// Folding any neighbours into the newest of them changes no image that is built on it.
func TestFoldKeepsEveryImage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt)
		newest := rapid.IntRange(0, len(h.chain)-1).Draw(rt, "newest")
		chain := h.upTo(newest)
		folded := rapid.IntRange(1, len(chain)).Draw(rt, "folded")
		merged := fold(rt, chain[:folded])
		if err := merged.Check(); err != nil {
			rt.Errorf("Check: %v", err)
		}
		if folded < len(chain) {
			if err := revision.CheckAgainstParent(merged, chain[folded]); err != nil {
				rt.Errorf("CheckAgainstParent: %v", err)
			}
		}
		got := resolveAll(rt, append([]*revision.Map{merged}, chain[folded:]...))
		if want := h.images[newest].sorted(); !reflect.DeepEqual(got, want) {
			rt.Errorf("the merged revision resolves to\n%v, want\n%v", got, want)
		}
	})
}

// fold writes the newest of the neighbours anew, as a merge does.
func fold(t *rapid.T, neighbours []*revision.Map) *revision.Map {
	st := *neighbours[0].Statement()
	oldest := neighbours[len(neighbours)-1].Statement()
	st.Kind, st.Parent, st.Nonce = oldest.Kind, oldest.Parent, hash16('n', 4711)
	regions, err := neighbours[0].Regions()
	if err != nil {
		t.Fatal(err)
	}
	var records []revision.Record
	for region := range uint64(4) {
		part, err := revision.Fold(neighbours, region)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, part...)
	}
	return openMap(t, write(t, &st, records, regions))
}

// A reader that counts what is read through it.
type countingReader struct {
	io.ReaderAt
	reads int
}

func (r *countingReader) ReadAt(p []byte, off int64) (int, error) {
	r.reads++
	return r.ReaderAt.ReadAt(p, off)
}

func TestResolveReadsOnlyWhatTouchesTheRegion(t *testing.T) {
	t.Parallel()
	// A full of four dense regions, and a delta that changes the last alone.
	var list []revision.Entry
	for i := range uint64(4 * revision.RegionChunks) {
		list = append(list, whole(i, i+1))
	}
	full := statement(1, 4*revision.RegionChunks, nil)
	data := write(t, &full, entries(list...), regionsOf(contents(list...)))
	for i := 3 * revision.RegionChunks; i < len(list); i++ {
		list[i] = whole(uint64(i), uint64(i)+100000)
	}
	delta := statement(2, 4*revision.RegionChunks, &full)
	changed := write(t, &delta, entries(list[3*revision.RegionChunks:]...), regionsOf(contents(list...)))

	below, above := &countingReader{ReaderAt: bytes.NewReader(data)}, &countingReader{ReaderAt: bytes.NewReader(changed)}
	var chain []*revision.Map
	for _, r := range []*countingReader{above, below} {
		m, err := revision.Open(r, int64(r.ReaderAt.(*bytes.Reader).Len()))
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, m)
	}
	for _, c := range []struct {
		region                 uint64
		pagesAbove, pagesUnder int
	}{{1, 0, 4}, {3, 4, 0}} {
		if _, err := revision.Resolve(chain, c.region); err != nil { // loads the tables
			t.Fatal(err)
		}
		above.reads, below.reads = 0, 0
		if _, err := revision.Resolve(chain, c.region); err != nil {
			t.Fatal(err)
		}
		if above.reads != c.pagesAbove || below.reads != c.pagesUnder {
			t.Errorf("region %d took %d reads of the delta and %d of the full, want %d and %d",
				c.region, above.reads, below.reads, c.pagesAbove, c.pagesUnder)
		}
	}
	if touches, err := chain[0].MayTouch(2); err != nil || touches {
		t.Errorf("MayTouch(2) = %v, %v, want false", touches, err)
	}
	if touches, err := chain[0].MayTouch(3); err != nil || !touches {
		t.Errorf("MayTouch(3) = %v, %v, want true", touches, err)
	}
}

func TestResolveRefusesAWrongOverlay(t *testing.T) {
	t.Parallel()
	old, changed := whole(0, 1), whole(0, 2)
	full := statement(1, 2, nil)
	base := openMap(t, write(t, &full, entries(old), regionsOf(contents(old))))
	for name, records := range map[string][]revision.Record{
		"entry lost":      nil,
		"entry of others": entries(whole(0, 3)),
		"entry misplaced": entries(whole(1, 2)),
		"erased":          {zeros(0, 1)},
	} {
		delta := statement(2, 2, &full)
		m := openMap(t, write(t, &delta, records, regionsOf(contents(changed))))
		if err := m.Check(); err != nil {
			t.Fatalf("%s: Check: %v", name, err)
		}
		chunks, err := revision.Resolve([]*revision.Map{m, base}, 0)
		var corrupt *revision.CorruptError
		if !errors.As(err, &corrupt) || !errors.Is(err, revision.ErrOverlay) || corrupt.Revision != delta.ID {
			t.Errorf("%s: Resolve = %v, %v, want a CorruptError of %s", name, chunks, err, delta.ID)
		}
	}
}

func TestResolveRefusesAWrongChain(t *testing.T) {
	t.Parallel()
	full, other := statement(1, 2, nil), statement(2, 2, nil)
	delta := statement(3, 2, &full)
	delta.Parent.Digest = revision.ImageDigest(chunkSize, full.Size, nil)
	m, base, stranger := openMap(t, write(t, &delta, nil, nil)), openMap(t, write(t, &full, nil, nil)),
		openMap(t, write(t, &other, nil, nil))
	if _, err := revision.Resolve([]*revision.Map{m, base}, 0); err != nil {
		t.Errorf("the right chain: %v", err)
	}
	for name, chain := range map[string][]*revision.Map{
		"other parent":   {m, stranger},
		"no full":        {m},
		"below a full":   {base, stranger},
		"upside down":    {base, m},
		"parent skipped": {m, m},
	} {
		var broken *revision.ChainError
		if _, err := revision.Resolve(chain, 0); !errors.As(err, &broken) {
			t.Errorf("%s: %v, want a ChainError", name, err)
		}
	}
	if _, err := revision.Resolve(nil, 0); err == nil {
		t.Error("Resolve of nothing succeeds")
	}
}

// A stack may take 255 patches, over however many revisions they came.
func TestResolveBoundsStacks(t *testing.T) {
	t.Parallel()
	var patches []chunkstore.Ref
	for i := range uint64(254) {
		patches = append(patches, ref(i, 0))
	}
	e := patched(0, 1, revision.BaseContent, patches...)
	full := statement(1, 1, nil)
	chain := []*revision.Map{openMap(t, write(t, &full, entries(e), regionsOf(contents(e))))}
	for n := range uint64(2) {
		e = patched(0, n+2, revision.BaseParent, ref(n+500, 0))
		st := statement(n+2, 1, chain[0].Statement())
		chain = append([]*revision.Map{openMap(t, write(t, &st, entries(e), regionsOf(contents(e))))}, chain...)
	}
	chunks, err := revision.Resolve(chain[1:], 0)
	if err != nil || len(chunks[0].Stack.Patches) != revision.MaxPatches {
		t.Errorf("255 patches: %v", err)
	}
	var corrupt *revision.CorruptError
	if _, err := revision.Resolve(chain, 0); !errors.As(err, &corrupt) {
		t.Errorf("256 patches: %v, want a CorruptError", err)
	}
}

// The run of zeros that a shrinking delta owes may be missing. That is damage, and
// still nothing comes back.
func TestWhatWasCutOffNeverComesBack(t *testing.T) {
	t.Parallel()
	kept, cut := whole(0, 1), whole(2, 2)
	full := statement(1, 3, nil)
	small := statement(2, 1, &full)
	base := openMap(t, write(t, &full, entries(kept, cut), regionsOf(contents(kept, cut))))
	small.Parent.Digest = full.Digest
	middle := openMap(t, write(t, &small, nil, regionsOf(contents(kept))))
	grown := statement(3, 3, &small)
	newest := openMap(t, write(t, &grown, nil, regionsOf(contents(kept))))

	var corrupt *revision.CorruptError
	if err := revision.CheckAgainstParent(middle, base); !errors.As(err, &corrupt) {
		t.Errorf("CheckAgainstParent = %v, want a CorruptError", err)
	}
	chunks, err := revision.Resolve([]*revision.Map{newest, middle, base}, 0)
	if err != nil || len(chunks) != 1 || chunks[0].Index != 0 {
		t.Errorf("Resolve = %v, %v, want chunk 0 alone", chunks, err)
	}
	records, err := revision.Fold([]*revision.Map{newest, middle}, 0)
	if err != nil || len(records) != 0 {
		t.Errorf("Fold = %v, %v, want nothing", records, err)
	}
}

func TestAMapServesManyAtOnce(t *testing.T) {
	t.Parallel()
	var list []revision.Entry
	for i := range uint64(2 * revision.RegionChunks) {
		list = append(list, whole(i, i+1))
	}
	st := statement(1, uint64(len(list)), nil)
	chain := []*revision.Map{openMap(t, write(t, &st, entries(list...), regionsOf(contents(list...))))}
	var group sync.WaitGroup
	for i := range uint64(8) {
		group.Go(func() {
			chunks, err := revision.Resolve(chain, i%2)
			if err != nil || len(chunks) != revision.RegionChunks || chunks[0].Index != i%2*revision.RegionChunks {
				t.Errorf("Resolve of region %d = %d chunks, %v", i%2, len(chunks), err)
			}
		})
	}
	group.Wait()
}
