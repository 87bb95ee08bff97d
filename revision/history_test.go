package revision_test

import (
	"bytes"

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

// oneIn draws true once in n times. Ranges of numbers would give their ends too often.
func (h *history) oneIn(n int, label string) bool {
	return rapid.SampledFrom(append(make([]bool, n-1), true)).Draw(h.t, label)
}

// The chunks that may ever hold anything: few, around the borders of regions.
func (h *history) drawIndex(limit uint64) (uint64, bool) {
	border := rapid.SampledFrom([]uint64{2, revision.RegionChunks, 2 * revision.RegionChunks}).Draw(h.t, "border")
	index := border - 1 + rapid.SampledFrom([]uint64{0, 1, 2}).Draw(h.t, "beside")
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
	if len(h.images) == 0 || h.oneIn(4, "resize") {
		h.resize(&now)
	}
	changes := map[uint64]revision.Entry{}
	gone := map[uint64]bool{}
	for i := now.chunks; i < before.chunks; i++ {
		gone[i] = true
	}
	for range rapid.SampledFrom([]int{12, 8, 4, 1, 0}).Draw(h.t, "changes") {
		if i, ok := h.drawIndex(now.chunks); ok {
			h.change(&now, i, changes, gone)
		}
	}
	if h.oneIn(5, "discard") && now.chunks > 0 {
		first := rapid.Uint64Range(0, now.chunks-1).Draw(h.t, "first")
		end := rapid.Uint64Range(first, now.chunks).Draw(h.t, "end")
		for i := first; i < end; i++ {
			delete(now.stored, i)
			delete(changes, i)
			gone[i] = true
		}
	}
	h.commit(now, before, changes, gone, forceFull)
}

func (h *history) resize(now *image) {
	now.chunks = rapid.SampledFrom([]uint64{
		2*revision.RegionChunks + 3, 2*revision.RegionChunks - 1, revision.RegionChunks + 2,
		revision.RegionChunks, revision.RegionChunks - 1, 3, 1, 0,
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
	if h.oneIn(4, "erase") {
		delete(now.stored, i)
		delete(changes, i)
		gone[i] = true
		return
	}
	if _, again := changes[i]; again {
		return
	}
	// Now and then a chunk goes back to what some chunk held before.
	h.content++
	content := rapid.SampledFrom([]uint64{h.content, h.content, h.content, h.content/2 + 1}).Draw(h.t, "content")
	e := whole(i, content)
	patch := ref(1000+h.content, h.content%4)
	switch rapid.SampledFrom([]string{"patch", "patch", "patch", "zeros", "object", "whole"}).Draw(h.t, "how") {
	case "patch":
		// A patch above whatever is there now; above zeros if nothing is.
		e = patched(i, content, revision.BaseParent, patch)
		if gone[i] {
			e.Base = revision.BaseZeros
		}
	case "zeros":
		e = patched(i, content, revision.BaseZeros, patch)
	case "object":
		e = patched(i, content, revision.BaseObject, patch)
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
	for range rapid.SampledFrom([]int{8, 7, 6, 4, 2}).Draw(t, "revisions") {
		h.backup(h.oneIn(8, "full"))
	}
	return h
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
	var out bytes.Buffer
	w, err := revision.NewWriter(&out, revision.Header{ChunkSize: st.ChunkSize, Nonce: st.Nonce})
	if err != nil {
		t.Fatal(err)
	}
	if err := revision.FoldInto(t.Context(), w, neighbours, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(regions, st); err != nil {
		t.Fatal(err)
	}
	return openMap(t, out.Bytes())
}
