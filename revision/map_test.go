package revision_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"varve/chunkstore"
	"varve/revision"
)

// collect reads all records that touch a range.
func collect(t testing.TB, m *revision.Map, first, end uint64) []revision.Record {
	t.Helper()
	var records []revision.Record
	for r, err := range m.Records(first, end) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}

// drawRecords makes records of a delta: sparse or dense, with runs that never meet.
func drawRecords(t *rapid.T) []revision.Record {
	var records []revision.Record
	gaps := rapid.SampledFrom([]uint64{0, 3, 3000, 1 << 33}).Draw(t, "gaps")
	next, afterRun := uint64(0), false
	for range rapid.IntRange(0, 300).Draw(t, "records") {
		first := next + rapid.Uint64Range(0, gaps).Draw(t, "gap")
		if afterRun && first == next {
			first++
		}
		if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
			count := rapid.Uint64Range(1, 10000).Draw(t, "count")
			records = append(records, zeros(first, count))
			next, afterRun = first+count, true
			continue
		}
		afterRun = false
		base := revision.BaseKind(rapid.IntRange(0, 3).Draw(t, "base"))
		least := 1
		if base == revision.BaseContent {
			least = 0
		}
		var patches []chunkstore.Ref
		for p := range rapid.IntRange(least, rapid.SampledFrom([]int{1, 4, 255}).Draw(t, "most")).Draw(t, "patches") {
			patches = append(patches, ref(uint64(p)+1000*first, uint64(p%7)))
		}
		records = append(records, revision.Record{Entry: patched(first, first+7, base, patches...)})
		next = first + 1
	}
	return records
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		records := drawRecords(rt)
		end := uint64(0)
		if len(records) > 0 {
			_, end = records[len(records)-1].Span()
		}
		parent := statement(1, end, nil)
		parent.Digest = hash32('d', 1)
		st := statement(2, end, &parent)
		m := openMap(t, write(t, &st, records, nil))
		if !reflect.DeepEqual(m.Statement(), &st) {
			rt.Errorf("statement = %+v, want %+v", m.Statement(), &st)
		}
		if err := m.Check(); err != nil {
			rt.Errorf("Check: %v", err)
		}
		if got, err := m.End(); err != nil || got != end {
			rt.Errorf("End = %d, %v, want %d", got, err, end)
		}
		first := rapid.Uint64Range(0, end).Draw(rt, "first")
		last := rapid.Uint64Range(first, end).Draw(rt, "last")
		var want []revision.Record
		for _, r := range records {
			if a, b := r.Span(); a < last && b > first {
				want = append(want, r)
			}
		}
		if got := collect(t, m, first, last); !reflect.DeepEqual(got, want) {
			rt.Errorf("Records(%d, %d) = %d records, want %d, or they differ", first, last, len(got), len(want))
		}
	})
}
