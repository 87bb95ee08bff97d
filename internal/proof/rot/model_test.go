package rot

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// loss is what a case takes from one revision.
type loss struct {
	whole   bool                // it can neither be opened nor walked
	extents []repository.Extent // ascending, joined
}

func (l loss) none() bool { return !l.whole && len(l.extents) == 0 }

func (l loss) equal(o loss) bool { return l.whole == o.whole && slices.Equal(l.extents, o.extents) }

// unit is one content of one chunk, put together in one way: what all revisions
// that have it read with the same reads.
type unit struct {
	objects []chunkstore.ID
	packs   map[string]bool // that hold copies of these
	places  []place
}

type place struct {
	kept  int
	index uint64
}

// model knows the reference so well that it can say what a case takes away.
type model struct {
	ref    *reference
	base   *baseTree
	layout *layout
	units  []*unit
	byPack map[string][]*unit
	byID   map[chunkstore.ID][]*unit
	chains [][]int             // of each revision: itself, its parent, and on
	rows   [][]uint64          // of each revision: the regions that are not zeros
	chunks [][]revision.Chunk  // of each revision
	state  []repository.Volume // of each revision
}

func newModel(t testing.TB, ref *reference) *model {
	t.Helper()
	m := &model{
		ref: ref, base: newBase(ref.Base), layout: parse(t, ref),
		byPack: map[string][]*unit{}, byID: map[chunkstore.ID][]*unit{},
	}
	m.link(t)
	m.learn(t)
	return m
}

// link follows the parents, by the statements.
func (m *model) link(t testing.TB) {
	t.Helper()
	for i := range m.ref.Kept {
		k := &m.ref.Kept[i]
		chain := []int{i}
		for said := m.layout.maps[k.copy()].said; said.Parent != nil; {
			p := slices.IndexFunc(m.ref.Kept, func(o kept) bool { return o.Volume == k.Volume && string(o.ID) == said.Parent.ID })
			if p < 0 {
				t.Fatalf("%s has no parent", k)
			}
			chain = append(chain, p)
			said = m.layout.maps[m.ref.Kept[p].copy()].said
		}
		m.chains = append(m.chains, chain)
	}
}

// learn asks the product, on the pristine files, of what objects each chunk is made.
func (m *model) learn(t testing.TB) {
	t.Helper()
	o := openCase(t, newBase(m.ref.Pristine).after(nil))
	defer o.close()
	units := map[string]*unit{}
	for i := range m.ref.Kept {
		k := &m.ref.Kept[i]
		m.state = append(m.state, repository.Volume{Name: k.Volume, UUID: k.UUID})
		im, err := o.reader.Image(context.Background(), m.state[i], k.ID)
		if err != nil {
			t.Fatal(err)
		}
		chunks, rows := resolved(t, im)
		if len(chunks) != len(k.Chunks) {
			t.Fatalf("%s has %d chunks, want %d", k, len(chunks), len(k.Chunks))
		}
		m.chunks, m.rows = append(m.chunks, chunks), append(m.rows, rows)
		for _, c := range chunks {
			m.unitOf(units, c).places = append(m.unitOf(units, c).places, place{i, c.Index})
		}
		if err := im.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func resolved(t testing.TB, im *repository.Image) (chunks []revision.Chunk, rows []uint64) {
	t.Helper()
	regions, err := im.Regions()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range regions {
		part, err := im.Chunks(row.Region)
		if err != nil {
			t.Fatal(err)
		}
		chunks, rows = append(chunks, part...), append(rows, row.Region)
	}
	return chunks, rows
}

func (m *model) unitOf(units map[string]*unit, c revision.Chunk) *unit {
	u := &unit{packs: map[string]bool{}}
	var key strings.Builder
	for _, ref := range append([]chunkstore.Ref{c.Stack.Base}, c.Stack.Patches...) {
		key.Write(ref.ID[:])
		key.Write(ref.Pack[:])
		if !ref.ID.IsZero() {
			u.objects = append(u.objects, ref.ID)
		}
	}
	if known := units[key.String()]; known != nil {
		return known
	}
	units[key.String()] = u
	m.units = append(m.units, u)
	for _, id := range u.objects {
		m.byID[id] = append(m.byID[id], u)
		for _, c := range m.layout.copies[id] {
			if !u.packs[c.pack] {
				u.packs[c.pack] = true
				m.byPack[c.pack] = append(m.byPack[c.pack], u)
			}
		}
	}
	return u
}

// expected is what a case is to come to.
type expected struct {
	losses  []loss         // of each revision
	maps    []loss         // of each revision, by its chain's maps alone
	touched map[*unit]bool // contents with an object in a pack that changed
	dead    map[*unit]bool // those of which an object has no good copy left
}

// expect says what each revision has lost after the changes.
func (m *model) expect(changed files) expected {
	after := m.base.after(changed)
	x := expected{touched: map[*unit]bool{}, dead: map[*unit]bool{}}
	states := make([]mapState, len(m.ref.Kept))
	for i := range m.ref.Kept {
		states[i] = m.mapState(after, &m.ref.Kept[i])
	}
	for i := range m.ref.Kept {
		x.maps = append(x.maps, m.mapLoss(i, states))
	}
	x.losses = slices.Clone(x.maps)
	m.judgeUnits(after, &x)
	for u := range x.dead {
		for _, p := range u.places {
			if l := &x.losses[p.kept]; !l.whole {
				k := &m.ref.Kept[p.kept]
				off := int64(p.index) * chunkSize
				l.extents = append(slices.Clip(l.extents), repository.Extent{Offset: off, Length: min(chunkSize, k.Size-off)})
			}
		}
	}
	for i := range x.losses {
		x.losses[i].extents = join(x.losses[i].extents)
	}
	return x
}

// join sorts extents and makes one of those that touch or overlap.
func join(extents []repository.Extent) []repository.Extent {
	slices.SortFunc(extents, func(a, b repository.Extent) int { return int(a.Offset>>12) - int(b.Offset>>12) })
	var joined []repository.Extent
	for _, e := range extents {
		if n := len(joined); n > 0 && e.Offset <= joined[n-1].Offset+joined[n-1].Length {
			end := max(joined[n-1].Offset+joined[n-1].Length, e.Offset+e.Length)
			joined[n-1].Length = end - joined[n-1].Offset
			continue
		}
		joined = append(joined, e)
	}
	return joined
}

// judgeUnits tells which contents the changes touch, and which they take away.
func (m *model) judgeUnits(after *memory, x *expected) {
	for pack := range after.changed {
		for _, u := range m.byPack[pack] {
			if x.touched[u] {
				continue
			}
			x.touched[u] = true
			if slices.ContainsFunc(u.objects, func(id chunkstore.ID) bool { return !m.alive(after, id) }) {
				x.dead[u] = true
			}
		}
	}
}

func (m *model) alive(after *memory, id chunkstore.ID) bool {
	return slices.ContainsFunc(m.layout.copies[id], func(c stored) bool { return m.good(after, c) })
}

// good tells whether a copy is what was once written, and its pack tells where it lies.
func (m *model) good(after *memory, c stored) bool {
	now, there := after.content(c.pack)
	was, l := m.ref.Pristine[c.pack], m.layout.packs[c.pack]
	return there && len(now) == len(was) && bytes.Equal(now[:72], was[:72]) && bytes.Equal(now[l.table:], was[l.table:]) &&
		bytes.Equal(now[c.begin:c.end], was[c.begin:c.end])
}

// mapState says what of a revision's map can be read, from either of its files.
type mapState struct {
	gone  bool // its head, or all of it
	parts [6]bool
	pages []mapPage // that are hurt
}

func (m *model) mapState(after *memory, k *kept) mapState {
	was := m.ref.Pristine[k.copy()]
	var state mapState
	state.gone = true
	for _, name := range []string{k.file(), k.copy()} {
		now, there := after.content(name)
		if there && bytes.Equal(now, was) {
			return mapState{}
		}
		if there && state.gone {
			state = m.partState(k, now, was)
		}
	}
	return state
}

func (m *model) partState(k *kept, now, was []byte) mapState {
	l := m.layout.maps[k.copy()]
	if len(now) != len(was) {
		return mapState{gone: true}
	}
	var state mapState
	differs := func(s span) bool { return !bytes.Equal(now[s.begin:s.end], was[s.begin:s.end]) }
	for i, part := range l.parts {
		state.parts[i] = differs(part)
	}
	state.gone = state.parts[0] || state.parts[5] || differs(span{l.parts[5].end, l.size})
	for _, page := range l.pages {
		if differs(page.span) {
			state.pages = append(state.pages, page)
		}
	}
	return state
}

// mapLoss is what a revision loses because maps of its chain are hurt, and no
// second copy of them is whole. Without its region table, there is nothing to hold
// a revision's own content against. What a map says of a region is lost with the
// page index, with a page that touches the region, and with the pack table.
func (m *model) mapLoss(i int, maps []mapState) loss {
	k := &m.ref.Kept[i]
	var l loss
	for n, link := range m.chains[i] {
		state := &maps[link]
		if state.gone || n == 0 && state.parts[partRegions] {
			return loss{whole: true}
		}
		for _, row := range m.rows[i] {
			first, end := row*revision.RegionChunks, (row+1)*revision.RegionChunks
			touched := func(pages []mapPage) bool {
				return slices.ContainsFunc(pages, func(p mapPage) bool { return p.first < end && p.last >= first })
			}
			pages := m.layout.maps[m.ref.Kept[link].copy()].pages
			if state.parts[partPageIndex] || touched(state.pages) || state.parts[partPacks] && touched(pages) {
				off := int64(first) * chunkSize
				l.extents = append(l.extents, repository.Extent{Offset: off, Length: min(int64(end)*chunkSize, k.Size) - off})
			}
		}
	}
	l.extents = join(l.extents)
	return l
}
