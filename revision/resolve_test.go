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

func TestEnumerateResolve(t *testing.T) {
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
// still nothing comes back, although a revision below it reaches as far as the newest.
func TestWhatWasCutOffNeverComesBack(t *testing.T) {
	t.Parallel()
	kept, cut := whole(0, 1), whole(2, 2)
	before, after := regionsOf(contents(kept, cut)), regionsOf(contents(kept))
	full := statement(1, 3, nil)
	base := openMap(t, write(t, &full, entries(kept, cut), before))
	same := statement(2, 3, &full)
	above := openMap(t, write(t, &same, nil, before))
	small := statement(3, 1, &same)
	gap := openMap(t, write(t, &small, []revision.Record{zeros(2, 1)}, after))
	shrunk := openMap(t, write(t, &small, nil, after))
	grown := statement(4, 3, &small)
	newest := openMap(t, write(t, &grown, nil, after))

	for _, m := range []*revision.Map{shrunk, gap} {
		var corrupt *revision.CorruptError
		if err := revision.CheckAgainstParent(m, above); !errors.As(err, &corrupt) {
			t.Errorf("CheckAgainstParent = %v, want a CorruptError", err)
		}
	}
	chunks, err := revision.Resolve([]*revision.Map{newest, shrunk, above, base}, 0)
	if err != nil || len(chunks) != 1 || chunks[0].Index != 0 {
		t.Errorf("Resolve = %v, %v, want chunk 0 alone", chunks, err)
	}
	records, err := revision.Fold([]*revision.Map{newest, shrunk}, 0)
	if err != nil || len(records) != 0 {
		t.Errorf("Fold = %v, %v, want nothing", records, err)
	}
}

// What a merged revision says of one chunk, by what the two revisions said.
func TestFoldOfOneChunk(t *testing.T) {
	t.Parallel()
	old, patch, older := whole(0, 1), ref(10, 1), ref(11, 2)
	onParent := patched(0, 2, revision.BaseParent, patch)
	for name, c := range map[string]struct {
		above, below, want []revision.Record
	}{
		"nothing":        {nil, nil, nil},
		"only above":     {entries(onParent), nil, entries(onParent)},
		"only below":     {nil, entries(old), entries(old)},
		"run below":      {nil, []revision.Record{zeros(0, 2)}, []revision.Record{zeros(0, 2)}},
		"run above":      {[]revision.Record{zeros(0, 2)}, entries(old), []revision.Record{zeros(0, 2)}},
		"hidden":         {entries(whole(0, 3)), entries(old), entries(whole(0, 3))},
		"patch on a run": {entries(onParent), []revision.Record{zeros(0, 1)}, entries(patched(0, 2, revision.BaseZeros, patch))},
		"patch on the parent's": {entries(onParent), entries(patched(0, 1, revision.BaseParent, older)),
			entries(patched(0, 2, revision.BaseParent, older, patch))},
		"patch on zeros": {entries(onParent), entries(patched(0, 1, revision.BaseZeros, older)),
			entries(patched(0, 2, revision.BaseZeros, older, patch))},
		"patch on a whole chunk": {entries(onParent), entries(old),
			entries(withBase(onParent, revision.BaseObject, old.BaseRef))},
		"patch that undoes another": {entries(patched(0, 1, revision.BaseParent, patch)),
			entries(patched(0, 2, revision.BaseContent, older)),
			entries(withBase(patched(0, 1, revision.BaseParent, older, patch), revision.BaseObject, whole(0, 2).BaseRef))},
		"back to the base's content": {entries(patched(0, 1, revision.BaseParent, patch)),
			entries(withBase(patched(0, 2, revision.BaseParent, older), revision.BaseObject, old.BaseRef)),
			entries(withBase(patched(0, 1, revision.BaseParent, older, patch), revision.BaseContent, old.BaseRef))},
	} {
		full := statement(1, 2, nil)
		full.Digest = hash32('d', 1)
		parent := statement(2, 2, &full)
		below := openMap(t, write(t, &parent, c.below, nil))
		st := statement(3, 2, &parent)
		above := openMap(t, write(t, &st, c.above, nil))
		got, err := revision.Fold([]*revision.Map{above, below}, 0)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
		if _, err := tryWrite(&st, got, nil); err != nil {
			t.Errorf("%s: cannot be written: %v", name, err)
		}
	}
}

func withBase(e revision.Entry, base revision.BaseKind, ref chunkstore.Ref) revision.Entry {
	e.Base, e.BaseRef = base, ref
	return e
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
