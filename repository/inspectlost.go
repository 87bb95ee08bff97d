package repository

import (
	"context"
	"errors"
	"maps"
	"slices"

	"varve/chunkstore"
	"varve/revision"
)

// MissingObject is an object that a map names and no pack lists.
type MissingObject struct {
	ID   chunkstore.ID
	Kind chunkstore.Kind
	Pack chunkstore.PackID // where the map believes it
}

// Missing finds the objects that maps name, as they are now, and that no pack lists. What
// was named by a map that is gone by now is not missed.
func (in *Inspection) Missing(ctx context.Context) ([]MissingObject, error) {
	if len(in.missing) == 0 {
		return nil, nil
	}
	if err := in.again(ctx); err != nil {
		return nil, err
	}
	found := map[chunkstore.ID]MissingObject{}
	for i := range in.forests {
		err := in.onForest(ctx, i, func(f *forest) error {
			for k := range f.nodes {
				if err := in.missingOf(f, &f.nodes[k], found); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	objects := slices.Collect(maps.Values(found))
	slices.SortFunc(objects, func(a, b MissingObject) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return objects, nil
}

// again looks for what was missing in the packs that there are now: some may have come.
func (in *Inspection) again(ctx context.Context) error {
	for pack, err := range in.rd.repo.store.Packs(ctx) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			continue // it was told
		}
		for e := range pack.Entries() {
			if i, missed := slices.BinarySearch(in.missing, keyOf(e.ID)); missed {
				in.missing = slices.Delete(in.missing, i, i+1)
			}
		}
	}
	return nil
}

func (in *Inspection) missingOf(f *forest, n *node, found map[chunkstore.ID]MissingObject) error {
	if n.use == "" {
		return nil // it is lost with its map
	}
	m, err := f.open(in.rd.repo, n)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }() // it is only read
	note := func(ref chunkstore.Ref, kind chunkstore.Kind) {
		if _, missed := slices.BinarySearch(in.missing, keyOf(ref.ID)); missed {
			found[ref.ID] = MissingObject{ID: ref.ID, Kind: kind, Pack: ref.Pack}
		}
	}
	for record, err := range m.Records(0, revision.MaxChunks) {
		if err != nil {
			return damagedMap(m.name, err)
		}
		eachObject(record.Entry, note)
	}
	return nil
}

// eachObject names the objects of an entry with their kinds, but those that it leaves to
// the parent.
func eachObject(e revision.Entry, use func(chunkstore.Ref, chunkstore.Kind)) {
	if e.Base == revision.BaseContent || e.Base == revision.BaseObject {
		use(e.BaseRef, chunkstore.Chunk)
	}
	for _, p := range e.Patches {
		use(p, chunkstore.Patch)
	}
}

// onForest goes through a volume as it was found, and anew if it changed meanwhile.
func (in *Inspection) onForest(ctx context.Context, i int, look func(*forest) error) error {
	for try := 1; ; try++ {
		err := look(in.forests[i])
		if !errors.Is(err, errMoved) || try == forestTries {
			return err
		}
		f, err := in.rd.repo.settled(ctx, in.forests[i].volume, func(f *forest) (bool, error) {
			look := &mapLook{in: in, f: f, fault: func(Fault) {}}
			return false, look.run(ctx)
		})
		if err != nil {
			return err
		}
		in.forests[i] = f
	}
}

// A Loss is what a visible revision has lost by one cause.
type Loss struct {
	Revision Revision
	Cause    int         // of an object, what Losses was given for it; -1: a map
	Map      revision.ID // of a map, whose it is: its own, or of one that it builds on
	Whole    bool        // it cannot be opened
	Extents  []Extent    // ascending, joined
}

// Causes are what content is lost by, each with a number that stands for it.
type Causes struct {
	Objects map[chunkstore.ID]int // of which there is no good copy any more
	Chunks  map[ChunkOf]int       // that do not come out as a map says
}

// ChunkOf is a chunk as one revision has it.
type ChunkOf struct {
	Volume   revision.UUID
	Revision revision.ID
	Index    uint64
}

// Losses says what the visible revisions lose by some causes, and by maps that cannot be read.
func (in *Inspection) Losses(ctx context.Context, lost Causes) (losses []Loss, err error) {
	for i := range in.forests {
		var found []Loss
		err := in.onForest(ctx, i, func(f *forest) error {
			found = nil
			var broken []int
			for k := range f.nodes {
				if f.nodes[k].broken && f.nodes[k].kind == nodeVisible {
					broken = append(broken, k)
				}
			}
			for _, k := range broken {
				more, err := in.lossesByImage(ctx, f, k, lost)
				if err != nil {
					return err
				}
				found = append(found, more...)
			}
			if len(lost.Objects) == 0 && len(lost.Chunks) == 0 {
				return nil
			}
			more, err := in.lossesByMaps(ctx, f, lost)
			found = append(found, more...)
			return err
		})
		if err != nil {
			return nil, err
		}
		losses = append(losses, found...)
	}
	return losses, nil
}

// causes are those by which a chunk is lost, ascending; shared, and never changed.
type causes []int

func (c causes) with(cause int) causes {
	i, has := slices.BinarySearch(c, cause)
	if has {
		return c
	}
	return slices.Insert(slices.Clone(c), i, cause)
}

// lossesByMaps follows lost chunks through the revisions whose chains are whole.
func (in *Inspection) lossesByMaps(ctx context.Context, f *forest, lost Causes) (losses []Loss, err error) {
	keys := make(map[objectKey]bool, len(lost.Objects))
	for id := range lost.Objects {
		keys[keyOf(id)] = true
	}
	err = climb(f, func(n *node, below map[uint64]causes, sole bool) (map[uint64]causes, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if n.broken {
			return nil, nil
		}
		now := below
		if now == nil {
			now = map[uint64]causes{}
		} else if !sole {
			now = maps.Clone(below)
		}
		if err := in.followLost(f, n, lost, keys, now); err != nil {
			return nil, err
		}
		if n.kind == nodeVisible && len(now) > 0 {
			losses = append(losses, in.told(n.rev, now)...)
		}
		return now, nil
	})
	return losses, err
}

// followLost lays what a map says over what its parent has lost.
func (in *Inspection) followLost(f *forest, n *node, lost Causes, keys map[objectKey]bool, now map[uint64]causes) error {
	m, err := f.open(in.rd.repo, n)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }() // it is only read
	erase := func(first, end uint64) {
		maps.DeleteFunc(now, func(chunk uint64, _ causes) bool { return first <= chunk && chunk < end })
	}
	erase(m.Statement().Chunks(), revision.MaxChunks)
	for record, err := range m.Records(0, revision.MaxChunks) {
		if err != nil {
			return damagedMap(m.name, err)
		}
		if z := record.Zeros; z != nil {
			if len(now) > 0 {
				erase(z.First, z.End())
			}
			continue
		}
		e := record.Entry
		var by causes
		if e.Base == revision.BaseParent {
			by = now[e.Index]
		}
		eachObject(e, func(ref chunkstore.Ref, _ chunkstore.Kind) {
			if keys[keyOf(ref.ID)] {
				if cause, is := lost.Objects[ref.ID]; is {
					by = by.with(cause)
				}
			}
		})
		if cause, is := lost.Chunks[ChunkOf{f.volume.UUID, n.rev.ID, e.Index}]; is {
			by = by.with(cause)
		}
		if len(by) > 0 {
			now[e.Index] = by
		} else if len(now) > 0 {
			delete(now, e.Index)
		}
	}
	return nil
}

// told makes losses of the lost chunks of a revision, one for each cause.
func (in *Inspection) told(rev Revision, chunks map[uint64]causes) (losses []Loss) {
	chunkSize, size := int64(in.rd.repo.desc.ChunkSize), int64(rev.Statement.Size)
	at := map[int]int{}
	for _, chunk := range slices.Sorted(maps.Keys(chunks)) {
		off := int64(chunk) * chunkSize
		e := Extent{Offset: off, Length: min(chunkSize, size-off)}
		for _, cause := range chunks[chunk] {
			i, known := at[cause]
			if !known {
				i = len(losses)
				at[cause] = i
				losses = append(losses, Loss{Revision: rev, Cause: cause})
			}
			losses[i].Extents = appendExtent(losses[i].Extents, e)
		}
	}
	return losses
}

// lossesByImage reads what is left of a revision of whose chain a map is damaged, region by
// region, as whoever restores it does.
func (in *Inspection) lossesByImage(ctx context.Context, f *forest, k int, lost Causes) (losses []Loss, err error) {
	root := k
	for p := f.nodes[root].parent; p >= 0 && f.nodes[p].broken; p = f.nodes[root].parent {
		root = p
	}
	n := &f.nodes[k]
	if f.nodes[root].again != nil {
		return nil, nil // another try may read it
	}
	by := Loss{Revision: n.rev, Cause: -1, Map: f.nodes[root].rev.ID}
	if st := f.nodes[root].rev.Statement; f.nodes[root].use != "" && f.nodes[root].parent < 0 && st != nil && st.Parent != nil {
		// It is whole, and what it builds on is not.
		if i := slices.IndexFunc(f.nodes, func(n node) bool { return n.rev.ID == st.Parent.ID }); i >= 0 {
			if f.nodes[i].again != nil {
				return nil, nil
			}
			by.Map = st.Parent.ID
		}
	}
	im, err := in.rd.Image(ctx, f.volume, n.rev.ID)
	if err == nil {
		defer func() { _ = im.Close() }() // it is only read
		var rows []revision.Region
		if rows, err = im.Regions(); err == nil {
			return in.lossesByRegion(ctx, im, rows, by, lost)
		}
	}
	if damaged := new(DamagedRevisionError); errors.As(err, &damaged) {
		by.Whole = true
		return []Loss{by}, nil
	}
	return nil, err
}

func (in *Inspection) lossesByRegion(ctx context.Context, im *Image, rows []revision.Region, by Loss, lost Causes) ([]Loss, error) {
	chunks := map[uint64]causes{}
	size := int64(revision.RegionChunks) * int64(im.ChunkSize())
	for _, row := range rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		there, err := im.Chunks(row.Region)
		if damaged := new(DamagedRevisionError); errors.As(err, &damaged) {
			off := int64(row.Region) * size
			by.Extents = appendExtent(by.Extents, Extent{Offset: off, Length: min(size, im.Size()-off)})
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, c := range there {
			for _, ref := range append([]chunkstore.Ref{c.Stack.Base}, c.Stack.Patches...) {
				if cause, is := lost.Objects[ref.ID]; is {
					chunks[c.Index] = chunks[c.Index].with(cause)
				}
			}
		}
	}
	rev := by.Revision
	rev.Statement = im.Statement()
	losses := in.told(rev, chunks)
	if len(by.Extents) > 0 {
		by.Revision = rev
		losses = append(losses, by)
	}
	return losses, nil
}

// Visible finds a visible revision as it was when its volume was looked at.
func (in *Inspection) Visible(volume revision.UUID, id revision.ID) (Revision, error) {
	for _, f := range in.forests {
		if f.volume.UUID != volume {
			continue
		}
		for i := range f.nodes {
			if n := &f.nodes[i]; n.kind == nodeVisible && n.rev.ID == id {
				return n.rev, nil
			}
		}
	}
	return Revision{}, errGone
}
