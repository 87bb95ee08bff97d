package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"

	"varve/chunkstore"
	"varve/revision"
)

// objectName is the whole name of an object.
type objectName struct {
	kind chunkstore.Kind
	id   chunkstore.ID
}

// lostObject is an object that maps name and of which no pack has a good copy.
type lostObject struct {
	objectName
	packs []chunkstore.PackID // where maps believe it to be
	asked bool                // a volume that is repaired needs it
	from  Origin              // that it was had from again; zero: it was not
	cost  map[Place]bool      // what the next backups store anew for it
}

// hurtEntry is what a revision's own map says of a chunk that cannot be put together.
type hurtEntry struct {
	place     Place
	chunkSize int
	entry     revision.Entry
	stack     chunkstore.Stack // resolved
	from      contentDonor     // has the content; nil: not found yet
}

// hurtPack is a pack that cannot be opened.
type hurtPack struct {
	id    chunkstore.PackID
	name  string
	cause error
}

// losses is what maps name and packs have not, as far as anybody knows.
type losses struct {
	objects map[objectName]*lostObject
	entries []*hurtEntry // of visible revisions, by volume, number and chunk
	packs   []hurtPack
	hidden  bool // a map cannot be read, and may name anything
}

// survey finds out what was lost: by all maps, and the tables of contents of all packs.
func (p *repairer) survey(ctx context.Context) (*losses, error) {
	p.opts.Step("looking for what is lost")
	if err := p.reader.refresh(); err != nil {
		return nil, err
	}
	m := newMarker(p.repo)
	if err := m.markAll(ctx); err != nil {
		return nil, err
	}
	found := &losses{objects: map[objectName]*lostObject{}, hidden: len(m.hidden) > 0}
	missing, err := p.missing(ctx, &m.live, found)
	if err != nil || len(missing) == 0 {
		return found, err
	}
	chunks := map[revision.UUID]map[uint64]bool{}
	volumes := p.volumesNow()
	gone, err := p.volumesGone(volumes)
	if err != nil {
		return nil, err
	}
	for _, v := range slices.Concat(volumes, gone) {
		if err := p.name(ctx, v, missing, found, chunks); err != nil {
			return nil, err
		}
	}
	named := map[objectKey]bool{}
	for name := range found.objects {
		named[keyOf(name.id)] = true
	}
	found.hidden = found.hidden || len(named) < len(missing) // whose map went meanwhile, or cannot be told whose it is
	for _, v := range volumes {
		if p.covers(v.UUID) && len(chunks[v.UUID]) > 0 {
			if err := p.place(ctx, v, slices.Sorted(maps.Keys(chunks[v.UUID])), found); err != nil {
				return nil, err
			}
		}
	}
	return found, ctx.Err()
}

// missing gives, by the beginnings of their ids, the objects that live and of which no pack
// has a copy that is not known to be hurt.
func (p *repairer) missing(ctx context.Context, live *liveSet, found *losses) (map[objectKey]bool, error) {
	keys, err := p.repo.unlisted(ctx, live, p.repo.damageNow(), func(_ *chunkstore.Pack, _ bool, err error) {
		corrupt := new(chunkstore.CorruptError)
		switch {
		case errors.As(err, &corrupt):
			found.packs = append(found.packs, hurtPack{corrupt.Pack, corrupt.Path, corrupt})
		case err != nil:
			p.trouble(err)
		}
	})
	missing := map[objectKey]bool{}
	for _, key := range keys {
		missing[key] = true
	}
	return missing, err
}

// volumesGone lists, by their uuids alone, the volumes that have something in the trash or among
// the copies, and no directory: they may come back.
func (p *repairer) volumesGone(there []Volume) (gone []Volume, err error) {
	for _, dir := range []string{trashDir, copiesDir} {
		entries, err := p.repo.fsys.ReadDir(dir)
		if err != nil && !notFound(err) {
			return nil, err
		}
		for _, e := range entries {
			uuid, err := revision.ParseUUID(e.Name())
			is := func(v Volume) bool { return v.UUID == uuid }
			if err == nil && !slices.ContainsFunc(there, is) && !slices.ContainsFunc(gone, is) {
				gone = append(gone, Volume{UUID: uuid})
			}
		}
	}
	return gone, nil
}

// name goes through the maps of a volume, and notes the whole names of what is missing, and in
// which chunks.
func (p *repairer) name(ctx context.Context, v Volume, missing map[objectKey]bool, found *losses, chunks map[revision.UUID]map[uint64]bool) error {
	chunks[v.UUID] = map[uint64]bool{}
	dirs := []string{trashDirOf(v.UUID), copyDir(v.UUID)} // a copy may be another writing, or all there is
	if v.Name != "" {
		dirs = append(dirs, volumeDir(v.Name))
	}
	for _, dir := range dirs {
		ids, err := p.repo.idsIn(dir)
		if err != nil && !notFound(err) {
			return err
		}
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := p.nameIn(path.Join(dir, string(id)+revisionExt), v, id, missing, found, chunks[v.UUID]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *repairer) nameIn(file string, v Volume, id revision.ID, missing map[objectKey]bool, found *losses, chunks map[uint64]bool) error {
	m, err := openIdentified(p.repo.fsys, file, v, id)
	if err != nil {
		return nil // it is hurt itself, or gone meanwhile
	}
	asked := p.covers(v.UUID)
	for record, err := range m.Records(0, math.MaxUint64) {
		if err != nil {
			break // likewise
		}
		eachObject(record.Entry, func(ref chunkstore.Ref, kind chunkstore.Kind) {
			if missing[keyOf(ref.ID)] {
				found.note(objectName{kind, ref.ID}, ref.Pack, asked)
				chunks[record.Entry.Index] = true
			}
		})
	}
	return m.Close()
}

func (l *losses) note(name objectName, pack chunkstore.PackID, asked bool) {
	o := l.objects[name]
	if o == nil {
		o = &lostObject{objectName: name, cost: map[Place]bool{}}
		l.objects[name] = o
	}
	o.asked = o.asked || asked
	if !slices.Contains(o.packs, pack) {
		o.packs = append(o.packs, pack)
	}
}

// place finds the chunks that revisions of a volume have of their own and that cannot be put
// together, and what of the newest revision that is.
func (p *repairer) place(ctx context.Context, v Volume, chunks []uint64, found *losses) error {
	l, err := p.repo.list(v)
	if err != nil {
		return err
	}
	newest := true
	for _, rev := range slices.Backward(l.visible) {
		im, err := p.reader.Image(ctx, v, rev.ID)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue // hurtRevisions tells
		}
		err = p.placeIn(ctx, im, chunks, found, newest)
		if err := errors.Join(err, im.Close()); err != nil {
			return err
		}
		newest = false
	}
	slices.SortStableFunc(found.entries, func(a, b *hurtEntry) int {
		return cmp.Or(cmp.Compare(a.place.Volume.Name, b.place.Volume.Name), cmp.Compare(a.place.Revision, b.place.Revision), cmp.Compare(a.entry.Index, b.entry.Index))
	})
	return nil
}

func (p *repairer) placeIn(ctx context.Context, im *Image, chunks []uint64, found *losses, newest bool) error {
	own := im.chain()[0]
	for _, at := range chunks {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, is, err := im.Chunk(at)
		if err != nil || !is || len(found.of(c.Stack)) == 0 {
			continue
		}
		place := Place{im.volume, im.id, im.ChunkExtent(at)}
		if newest {
			for _, o := range found.of(c.Stack) {
				o.cost[place] = true
			}
		}
		for record, err := range own.Records(at, at+1) {
			if err == nil && record.Zeros == nil && record.Entry.Content == c.Content {
				found.entries = append(found.entries, &hurtEntry{place: place, chunkSize: im.ChunkSize(), entry: record.Entry, stack: c.Stack})
			}
		}
	}
	return nil
}

// of gives the lost objects of a stack that were not had again.
func (l *losses) of(s chunkstore.Stack) (lost []*lostObject) {
	if o := l.objects[objectName{chunkstore.Chunk, s.Base.ID}]; o != nil && o.from.IsZero() {
		lost = append(lost, o)
	}
	for _, ref := range s.Patches {
		if o := l.objects[objectName{chunkstore.Patch, ref.ID}]; o != nil && o.from.IsZero() {
			lost = append(lost, o)
		}
	}
	return lost
}

// inOrder gives the objects by the places that need them.
func (l *losses) inOrder() (objects []*lostObject) {
	seen := map[*lostObject]bool{}
	for _, h := range l.entries {
		for _, name := range h.names() {
			if o := l.objects[name]; o != nil && !seen[o] {
				objects, seen[o] = append(objects, o), true
			}
		}
	}
	var others []*lostObject
	for _, o := range l.objects {
		if !seen[o] {
			others = append(others, o)
		}
	}
	sortLost(others)
	return append(objects, others...)
}

// names gives the objects of the stack, the base first.
func (h *hurtEntry) names() []objectName {
	names := []objectName{{chunkstore.Chunk, h.stack.Base.ID}}
	for _, ref := range h.stack.Patches {
		names = append(names, objectName{chunkstore.Patch, ref.ID})
	}
	return names
}

// left gives the objects that were not had again, in an order that is always the same.
func (l *losses) left() (left []*lostObject) {
	for _, o := range l.objects {
		if o.from.IsZero() {
			left = append(left, o)
		}
	}
	sortLost(left)
	return left
}

// wanted gives those of them that a volume needs that is repaired.
func (l *losses) wanted() []*lostObject {
	return slices.DeleteFunc(l.left(), func(o *lostObject) bool { return !o.asked })
}

func sortLost(objects []*lostObject) {
	slices.SortFunc(objects, func(a, b *lostObject) int {
		return cmp.Or(slices.Compare(a.id[:], b.id[:]), cmp.Compare(a.kind, b.kind))
	})
}

// hurt gives the entries that cannot be put together still.
func (l *losses) hurt() (hurt []*hurtEntry) {
	for _, h := range l.entries {
		if len(l.of(h.stack)) > 0 {
			hurt = append(hurt, h)
		}
	}
	return hurt
}

func (h *hurtEntry) String() string {
	return fmt.Sprintf("%s@%s at byte %d", h.place.Volume.Name, h.place.Revision.Short(), h.place.Extent.Offset)
}
