package revision_test

import (
	"bytes"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"varve/revision"
)

// Folding any neighbours into the newest of them changes no image that is built on it.
func TestEnumerateFolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt)
		newest := len(h.chain) - 1
		chain := h.upTo(newest)
		folded := min(len(chain), rapid.SampledFrom([]int{2, 3, 1, 8}).Draw(rt, "folded"))
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

// A map that lacks a record, and so gives another image, fails in one of the regions
// that are to be looked at.
func TestEnumerateWrongFolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt)
		newest := len(h.chain) - 1
		chain := h.upTo(newest)
		if len(chain) < 3 {
			rt.Skip("there is nothing below to fold onto")
		}
		merged := fold(rt, chain[:2])
		var records []revision.Record
		for r, err := range merged.Records(0, math.MaxUint64) {
			if err != nil {
				rt.Fatal(err)
			}
			records = append(records, r)
		}
		if merged.Statement().Kind == revision.Full || len(records) == 0 {
			rt.Skip("a full is checked when it is written")
		}
		drop := rapid.IntRange(0, len(records)-1).Draw(rt, "drop")
		regions, err := merged.Regions()
		if err != nil {
			rt.Fatal(err)
		}
		st := *merged.Statement()
		wrong := openMap(rt, write(rt, &st, append(records[:drop:drop], records[drop+1:]...), regions))
		chain = append([]*revision.Map{wrong}, chain[2:]...)
		resolvesAll := func(regions []uint64) bool {
			for _, region := range regions {
				if _, err := revision.Resolve(chain, region); err != nil {
					return false
				}
			}
			return true
		}
		unproven, err := revision.Unproven(wrong, chain[1])
		if err != nil {
			rt.Fatal(err)
		}
		if all := resolvesAll([]uint64{0, 1, 2, 3}); resolvesAll(unproven) != all {
			rt.Errorf("regions %v say %v of a map that lacks %v, all of them say %v", unproven, !all, records[drop], all)
		}
	})
}

// Discarded exabytes are folded in a moment, whichever of the neighbours discarded them.
func TestFoldLeapsOverLongRunsOfZeros(t *testing.T) {
	t.Parallel()
	const far = 1 << 40 // chunks
	discarded := []revision.Record{zeros(5, far-5)}
	parted := []revision.Record{
		{Entry: whole(0, 1)}, {Entry: whole(3*revision.RegionChunks, 2)}, {Entry: whole(far/2, 3)},
	}
	for name, c := range map[string]struct {
		newest, middle []revision.Record
		want           []revision.Record
	}{
		"the newest": {discarded, parted, []revision.Record{{Entry: whole(0, 1)}, zeros(5, far-5)}},
		"the older":  {nil, discarded, discarded},
		"below single ones": {parted, discarded, []revision.Record{
			{Entry: whole(0, 1)}, zeros(5, 3*revision.RegionChunks-5), {Entry: whole(3*revision.RegionChunks, 2)},
			zeros(3*revision.RegionChunks+1, far/2-3*revision.RegionChunks-1), {Entry: whole(far/2, 3)}, zeros(far/2+1, far/2-1),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			full := statement(1, far, nil)
			below := openMap(t, write(t, &full, nil, nil))
			older := statement(2, far, below.Statement())
			middle := openMap(t, write(t, &older, c.middle, nil))
			st := statement(3, far, middle.Statement())
			newest := openMap(t, write(t, &st, c.newest, nil))

			var out bytes.Buffer
			w, err := revision.NewWriter(&out, revision.Header{ChunkSize: st.ChunkSize, Nonce: st.Nonce})
			if err != nil {
				t.Fatal(err)
			}
			if err := revision.FoldInto(t.Context(), w, []*revision.Map{newest, middle}, nil); err != nil {
				t.Fatal(err)
			}
			st.Parent = older.Parent
			if err := w.Finish(nil, st); err != nil {
				t.Fatal(err)
			}
			var got []revision.Record
			for r, err := range openMap(t, out.Bytes()).Records(0, math.MaxUint64) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, r)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
