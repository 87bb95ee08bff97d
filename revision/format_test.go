package revision

import (
	"testing"

	"varve/chunkstore"
)

// These values are on disk. A test that fails here asks for a new version, not for
// another expectation.
func TestConstantsOfTheFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"preamble magic", preambleMagic, "VARVEREV"},
		{"footer magic", footerMagic, "VARVEFTR"},
		{"page magic", pageMagic, "VRMP"},
		{"page index magic", pageIndexMagic, "VRPI"},
		{"region table magic", regionTableMagic, "VRRT"},
		{"pack table magic", packTableMagic, "VRPT"},
		{"versions", [3]int{fileVersion, pageVersion, tableVersion}, [3]int{1, 1, 1}},
		{"preamble", preambleSize, 64},
		{"footer", footerSize, 192},
		{"page header", pageHeaderSize, 32},
		{"longest page", maxPage, 65536},
		{"chunk record", chunkFixedSize, 54},
		{"reference", refSize, 36},
		{"hint", hintSize, 4},
		{"run record", runSize, 18},
		{"run mark", runMark, 255},
		{"table header", tableHeaderSize, 16},
		{"rows", [3]int{pageRowSize, regionRowSize, packRowSize}, [3]int{40, 40, 16}},
		{"parts", [partCount]int{partPreamble, partPages, partPageIndex, partRegions, partPacks, partStatement},
			[6]int{0, 1, 2, 3, 4, 5}},
		{"bases", [4]BaseKind{BaseZeros, BaseParent, BaseContent, BaseObject}, [4]BaseKind{0, 1, 2, 3}},
		{"region", RegionChunks, 4096},
		{"patches", MaxPatches, 255},
		{"region context", regionContext, "varve region v1"},
		{"image context", imageContext, "varve image v1"},
		{"kinds", [2]Kind{Full, Delta}, [2]Kind{"full", "delta"}},
		{"consistencies", [4]Consistency{Frozen, Snapshotted, Still, Live},
			[4]Consistency{"frozen", "snapshot", "still", "live"}},
		{"plans", [3]PlanKind{PlanAll, PlanData, PlanTracker}, [3]PlanKind{"all", "data", "tracker"}},
		{"alphabet", crockford, "0123456789abcdefghjkmnpqrstvwxyz"},
	} {
		if c.got != c.want {
			t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
		}
	}
}

// A whole chunk takes 58 bytes of a map, and pages are full.
func TestAMapIsSmall(t *testing.T) {
	t.Parallel()
	e := Entry{Base: BaseContent}
	if got := entrySize(&e); got != 58 {
		t.Errorf("a whole chunk takes %d bytes, want 58", got)
	}
	e.Base, e.Patches = BaseParent, make([]chunkstore.Ref, 1)
	if got := entrySize(&e); got != 90 {
		t.Errorf("a patched chunk takes %d bytes, want 90", got)
	}
}

func TestEscapeKnowsControlBytes(t *testing.T) {
	t.Parallel()
	if got, want := escape(".a\x00\n\x7f/%b."), "%2Ea%00%0A%7F%2F%25b."; got != want {
		t.Errorf("escape = %q, want %q", got, want)
	}
}
