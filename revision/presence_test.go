package revision_test

import (
	"testing"

	"pgregory.net/rapid"

	"varve/revision"
)

// What is present along a chain is what the model holds, and what is made for a child leaves
// that of its parent as it was.
func TestEnumeratePresence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt)
		found := make([]*revision.Presence, len(h.chain))
		for i, m := range h.chain {
			var parent *revision.Presence
			if m.Statement().Parent != nil {
				parent = found[h.byID[m.Statement().Parent.ID]]
			}
			var err error
			if found[i], err = m.Presence(parent); err != nil {
				rt.Fatal(err)
			}
		}
		for i, want := range h.images {
			if got := found[i].Count(); got != uint64(len(want.stored)) {
				rt.Errorf("revision %d has %d chunks, want %d", i, got, len(want.stored))
			}
			for chunk := range want.chunks + 3 {
				if _, is := want.stored[chunk]; found[i].Has(chunk) != is {
					rt.Errorf("revision %d: that chunk %d is there is %v, want %v", i, chunk, !is, is)
				}
			}
		}
	})
}
