package repository

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"

	"varve/chunkstore"
	"varve/revision"
)

// Unique tells what nobody else uses: bytes in packs, in all copies, that would be free once the
// trash is empty, if something went. Objects that several use are nobody's.
type Unique struct {
	Volumes   map[revision.UUID]int64 // by volume: of all of its revisions together
	Revisions map[revision.ID]int64   // of the one volume that was asked for: of each alone
	// Unread are the revisions whose maps cannot be read, and the volumes of which that
	// cannot be told. What they use counts as unused by them: so the numbers are then
	// the most that it can be.
	Unread []error
}

// objectKey is the beginning of an object's id. Ids are keyed hashes: of ten million
// objects, two have the same key in one repository out of half a million, and one
// object is then counted wrong.
type objectKey uint64

func keyOf(id chunkstore.ID) objectKey { return objectKey(binary.LittleEndian.Uint64(id[:])) }

// users tells who uses objects: a volume or a revision by its number, or several.
type users map[objectKey]uint32

const several = math.MaxUint32

func (u users) add(key objectKey, who uint32) {
	if had, known := u[key]; known && had != who {
		who = several
	}
	u[key] = who
}

// maxUsers is how many objects are told apart at a time. Each takes some forty
// bytes; where there may be more, all maps are gone through once for each part.
const maxUsers = 4 << 20

// recordSize is the least that a map takes for an object.
const recordSize = 58

// UniqueToVolumes tells of each volume what only it uses. It reads the maps of all
// revisions, and the tables of contents of all packs, unless this host remembers the
// answer and nothing changed since.
func (r *Repository) UniqueToVolumes(ctx context.Context) (*Unique, error) {
	return r.remembered(ctx,
		func(s *space) *Unique {
			if s.Volumes == nil {
				return nil
			}
			return &Unique{Volumes: maps.Clone(s.Volumes)}
		},
		func() (*Unique, error) { return r.uniqueToVolumes(ctx, maxUsers) },
		func(s *space, u *Unique) { s.Volumes = u.Volumes },
	)
}

func (r *Repository) uniqueToVolumes(ctx context.Context, most int64) (*Unique, error) {
	volumes, err := r.Volumes()
	out := &Unique{Volumes: map[revision.UUID]int64{}}
	if err != nil {
		out.Unread = append(out.Unread, err)
	}
	size := int64(0)
	for _, v := range volumes {
		out.Volumes[v.UUID] = 0
		size += r.sizeOfMaps(v)
	}
	parts := objectKey(size/recordSize/most + 1)
	for part := range parts {
		table := users{}
		for i, v := range volumes {
			unread, err := r.eachObject(ctx, v, func(key objectKey) {
				if key%parts == part {
					table.add(key, uint32(i))
				}
			})
			if err != nil {
				return nil, err
			}
			if part == 0 {
				out.Unread = append(out.Unread, unread...)
			}
		}
		for pack, err := range r.store.Packs(ctx) {
			if err := passOver(err); err != nil {
				return nil, err
			}
			if pack == nil {
				continue
			}
			for e := range pack.Entries() {
				if who, used := table[keyOf(e.ID)]; used && who != several {
					out.Volumes[volumes[who].UUID] += int64(e.Stored)
				}
			}
		}
	}
	return out, ctx.Err()
}

// passOver lets a pack be damaged: what it holds takes no room that could be told.
func passOver(err error) error {
	if corrupt := new(chunkstore.CorruptError); errors.As(err, &corrupt) {
		return nil
	}
	return err
}

// sizeOfMaps tells how long the files of a volume's revisions are together.
func (r *Repository) sizeOfMaps(v Volume) (total int64) {
	entries, err := r.fsys.ReadDir(volumeDir(v.Name))
	if err != nil {
		return 0
	}
	for _, id := range idsAmong(entries, revisionExt) {
		if info, err := r.fsys.Lstat(revisionName(v.Name, id)); err == nil {
			total += info.Size()
		}
	}
	return total
}

// eachObject names every object that a map of the volume lists, many of them more
// than once.
func (r *Repository) eachObject(ctx context.Context, v Volume, use func(objectKey)) (unread []error, err error) {
	revisions, err := r.Revisions(v)
	if errors.Is(err, ErrNoVolume) {
		return nil, nil // it went meanwhile
	}
	if err != nil {
		return []error{&VolumeError{Volume: v.Name, Err: err}}, ctx.Err()
	}
	for _, rev := range revisions {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := namedBy(use)(r.openRevision(v, rev.ID))
		if isDamaged(err) && namedBy(use)(r.openCopy(v, rev.ID)) == nil { // once more, from its copy
			err = nil
		}
		switch {
		case err == nil, notFound(err): // or it went meanwhile
		case isDamaged(err):
			unread = append(unread, &DamagedRevisionError{Volume: v.Name, ID: rev.ID, Cause: err})
		default:
			return nil, err
		}
	}
	return unread, nil
}

// namedBy names the objects that a map lists, and closes it.
func namedBy(use func(objectKey)) func(*mapFile, error) error {
	return func(m *mapFile, err error) error {
		if err != nil {
			return err
		}
		for record, err := range m.Records(0, math.MaxUint64) {
			if err != nil {
				return errors.Join(damagedMap(m.name, err), m.Close())
			}
			eachRef(record.Entry, use)
		}
		return m.Close()
	}
}

// eachRef names the objects of an entry, but those that it leaves to the parent.
func eachRef(e revision.Entry, use func(objectKey)) {
	if e.Base == revision.BaseContent || e.Base == revision.BaseObject {
		use(keyOf(e.BaseRef.ID))
	}
	for _, p := range e.Patches {
		use(keyOf(p.ID))
	}
}

// openWhole opens a revision's map, every byte of which is checked, or its copy.
func (r *Repository) openWhole(rev Revision) (*mapFile, error) {
	m, err := r.openRevision(rev.Volume, rev.ID)
	if err != nil {
		return nil, err
	}
	damage := m.Check()
	if damage == nil {
		return m, nil
	}
	second := r.standIn(rev.Volume, m)
	if err := m.Close(); err != nil || second != nil {
		return second, err
	}
	return nil, damagedMap(m.name, damage)
}

// UniqueToRevisions tells of each revision of a volume what only it uses, and what
// the volume does, in the packs that its maps name. (Another copy of an object, which a
// map named that is gone, is nobody's already.) It reads the maps of all revisions of the repository, and the
// tables of contents of the packs that the volume lies in, unless this host remembers
// the answer and nothing changed since.
func (r *Repository) UniqueToRevisions(ctx context.Context, v Volume) (*Unique, error) {
	return r.remembered(ctx,
		func(s *space) *Unique {
			of, known := s.Revisions[v.UUID]
			if !known {
				return nil
			}
			return &Unique{Volumes: map[revision.UUID]int64{v.UUID: of.Volume}, Revisions: maps.Clone(of.Revisions)}
		},
		func() (*Unique, error) { return r.uniqueToRevisions(ctx, v) },
		func(s *space, u *Unique) {
			s.Revisions[v.UUID] = ofVolumes{Volume: u.Volumes[v.UUID], Revisions: u.Revisions}
		},
	)
}

func (r *Repository) uniqueToRevisions(ctx context.Context, v Volume) (*Unique, error) {
	return r.uniqueWithin(ctx, v, &lifetimes{table: users{}}, func(out *Unique, ids []revision.ID, who uint32, stored int64) {
		out.Volumes[v.UUID] += stored
		if who != several {
			out.Revisions[ids[who]] += stored
		}
	})
}

// Freed tells how many bytes would be free, once the trash is empty, if all of these
// revisions of a volume went together: more than the sum of what each frees alone, for
// what they share among themselves goes too. It reads what [Repository.UniqueToRevisions]
// reads; of one alone, this host may remember the answer.
func (r *Repository) Freed(ctx context.Context, v Volume, going []revision.ID) (int64, *Unique, error) {
	goes := map[revision.ID]bool{}
	for _, id := range going {
		goes[id] = true
	}
	if len(goes) == 1 {
		out, err := r.UniqueToRevisions(ctx, v)
		if err != nil {
			return 0, nil, err
		}
		return out.Revisions[going[0]], out, nil
	}
	freed := int64(0)
	l := &lifetimes{table: users{}, goes: func(id revision.ID) bool { return goes[id] }}
	out, err := r.uniqueWithin(ctx, v, l, func(_ *Unique, _ []revision.ID, who uint32, stored int64) {
		if who != several {
			freed += stored
		}
	})
	return freed, out, err
}

// uniqueWithin finds what no other volume uses, and counts it.
func (r *Repository) uniqueWithin(
	ctx context.Context, v Volume, l *lifetimes, count func(out *Unique, ids []revision.ID, who uint32, stored int64),
) (*Unique, error) {
	out := &Unique{Volumes: map[revision.UUID]int64{v.UUID: 0}, Revisions: map[revision.ID]int64{}}
	packs, err := r.followVolume(ctx, v, l, out)
	if err != nil {
		return nil, err
	}
	foreign := map[objectKey]bool{}
	volumes, err := r.Volumes()
	if err != nil {
		out.Unread = append(out.Unread, err)
	}
	for _, other := range volumes {
		if other.UUID == v.UUID {
			continue
		}
		unread, err := r.eachObject(ctx, other, func(key objectKey) {
			if _, ours := l.table[key]; ours {
				foreign[key] = true
			}
		})
		if err != nil {
			return nil, err
		}
		out.Unread = append(out.Unread, unread...)
	}
	for _, id := range packs {
		pack, err := r.store.Pack(id)
		if err := passOver(err); err != nil && !notFound(err) {
			return nil, err
		}
		if pack == nil {
			continue
		}
		for e := range pack.Entries() {
			who, used := l.table[keyOf(e.ID)]
			if !used || foreign[keyOf(e.ID)] {
				continue
			}
			count(out, l.ids, who, int64(e.Stored))
		}
	}
	return out, ctx.Err()
}

// followVolume goes through the revisions of a volume, and tells in which packs they lie.
func (r *Repository) followVolume(ctx context.Context, v Volume, l *lifetimes, out *Unique) (packs []chunkstore.PackID, err error) {
	revisions, err := r.Revisions(v)
	if err != nil {
		return nil, err
	}
	var maps []*mapFile
	defer func() { err = errors.Join(err, closeAll(maps)) }()
	known := map[chunkstore.PackID]bool{}
	for _, rev := range revisions {
		out.Revisions[rev.ID] = 0
		m, err := r.openWhole(rev)
		if err == nil {
			maps = append(maps, m)
			err = l.add(m.Map)
		}
		switch {
		case err == nil:
		case isDamaged(err), notFound(err):
			out.Unread = append(out.Unread, &DamagedRevisionError{Volume: v.Name, ID: rev.ID, Cause: err})
			continue
		default:
			return nil, err
		}
		named, err := m.Packs()
		if err != nil {
			return nil, damagedMap(m.name, err)
		}
		for _, pack := range named {
			for _, now := range chunkstore.FollowMoved(pack, r.moved) {
				known[now] = true
			}
		}
	}
	if err := l.follow(ctx); err != nil {
		return nil, err
	}
	for pack := range known {
		packs = append(packs, pack)
	}
	slices.SortFunc(packs, chunkstore.PackID.Compare)
	return packs, nil
}
