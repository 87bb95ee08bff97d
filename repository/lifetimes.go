package repository

import (
	"context"
	"fmt"
	"slices"

	"varve/revision"
)

// lifetimes finds out which revisions of a volume use an object: the one whose map
// lists it, and all that build on that one and do not list the chunk anew. No stack is
// put together for it, and each record is read once.
type lifetimes struct {
	table users // by the numbers of revisions in ids
	ids   []revision.ID
	maps  []*revision.Map
	above []int // the parent's number; -1: none, or it cannot be read
	kids  []int // how many build on it
	byID  map[revision.ID]int
	// goes tells which revisions are looked at as one that goes; nil: each is looked at
	// alone. Then what any of the others uses is used by several.
	goes func(revision.ID) bool
}

// layer is what one revision lists of a chunk.
type layer struct {
	own    []objectKey
	who    uint32 // the revision
	below  *layer // of the parent, under it
	shared bool   // another revision has it too; with goes: one that stays has it
}

// add takes the next revision, the oldest first.
func (l *lifetimes) add(m *revision.Map) error {
	st, above := m.Statement(), -1
	if st.Parent != nil {
		n, known := l.byID[st.Parent.ID]
		if !known {
			return &DamagedFileError{Path: string(st.ID), Cause: fmt.Errorf("%w: its parent %s cannot be read", errBadContent, st.Parent.ID)}
		}
		above = n
		l.kids[n]++
	}
	if l.byID == nil {
		l.byID = map[revision.ID]int{}
	}
	l.byID[st.ID] = len(l.ids)
	l.ids, l.maps, l.above, l.kids = append(l.ids, st.ID), append(l.maps, m), append(l.above, above), append(l.kids, 0)
	return nil
}

// follow goes through all regions that any of the maps speaks of.
func (l *lifetimes) follow(ctx context.Context) error {
	regions := map[uint64]bool{}
	for _, m := range l.maps {
		begun, err := m.PageRegions()
		if err != nil {
			return err
		}
		rows, err := m.Regions()
		if err != nil {
			return err
		}
		for _, n := range begun {
			regions[n] = true
		}
		for _, row := range rows {
			regions[row.Region] = true
		}
	}
	for n := range regions {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.region(n); err != nil {
			return err
		}
	}
	return nil
}

// region follows the chunks of one region through all revisions. What is on top in each
// is kept only as long as one that builds on it is to come.
func (l *lifetimes) region(n uint64) error {
	first := n * revision.RegionChunks
	tops := make([][]*layer, len(l.maps)) // by revision and chunk
	kids := slices.Clone(l.kids)          // that are to come
	var made []*layer
	var spare [][]*layer
	for i, m := range l.maps {
		var now, before []*layer
		if k := len(spare); k > 0 {
			now, spare = spare[k-1], spare[:k-1]
			clear(now)
		} else {
			now = make([]*layer, revision.RegionChunks)
		}
		if l.above[i] >= 0 {
			before = tops[l.above[i]]
			copy(now, before)
		}
		for record, err := range m.Records(first, first+revision.RegionChunks) {
			if err != nil {
				return err
			}
			from, end := record.Span()
			for c := max(from, first); c < min(end, first+revision.RegionChunks); c++ {
				if record.Zeros != nil {
					now[c-first] = nil
					continue
				}
				now[c-first] = l.newLayer(record.Entry, uint32(i), now[c-first])
				made = append(made, now[c-first])
			}
		}
		if end := m.Statement().Chunks(); end < first+revision.RegionChunks {
			clear(now[max(end, first)-first:])
		}
		for c, top := range now {
			if l.goes == nil && top != nil && before != nil && top == before[c] {
				top.shared = true
			}
		}
		l.keep(i, now)
		if kids[i] > 0 {
			tops[i] = now
		} else {
			spare = append(spare, now)
		}
		if above := l.above[i]; above >= 0 {
			if kids[above]--; kids[above] == 0 {
				spare, tops[above] = append(spare, before), nil
			}
		}
	}
	for _, made := range made {
		who := made.who
		if l.goes != nil {
			who = 0
		}
		if made.shared {
			who = several
		}
		for _, key := range made.own {
			l.table.add(key, who)
		}
	}
	return nil
}

// keep marks what a revision is made of, if it is one that stays.
func (l *lifetimes) keep(i int, now []*layer) {
	if l.goes == nil || l.goes(l.ids[i]) {
		return
	}
	for _, n := range now {
		for ; n != nil && !n.shared; n = n.below {
			n.shared = true
		}
	}
}

// newLayer lays what a revision lists over what its parent has.
func (l *lifetimes) newLayer(e revision.Entry, who uint32, below *layer) *layer {
	n := &layer{who: who}
	eachRef(e, func(key objectKey) { n.own = append(n.own, key) })
	if e.Base == revision.BaseParent {
		n.below = below
		for ; l.goes == nil && below != nil && !below.shared; below = below.below {
			below.shared = true
		}
	}
	return n
}
