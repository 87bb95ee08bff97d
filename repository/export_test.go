package repository

import (
	"context"
	"errors"
	"slices"
	"time"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// What tests look at from outside.
const (
	GateName       = gateName
	LeasesDir      = leasesDir
	MaxLine        = maxJournalLine
	MaxRebuildTime = maxRebuildTime
	MaxRegions     = maxRegions
	SmallMap       = smallMap
)

var (
	Seal             = seal
	Unseal           = unseal
	DecodeDescriptor = decodeDescriptor
	DecodeSpace      = decodeSpace
	DecodePackProofs = decodePackProofs
	EncodePackProofs = encodePackProofs
	DecodeMapProofs  = decodeMapProofs
	CopyName         = copyName
	RevisionName     = revisionName
	RunName          = runName
	PackName         = chunkstore.PackName
	TrashName        = trashName
	InfoName         = infoName
)

type (
	RunRecord        = runRecord
	LeaseRecord      = leaseRecord
	GenerationRecord = generationRecord
	VolumeRecord     = volumeRecord
	DamageRecord     = damageRecord
	MovedRecord      = movedRecord
	Generation       = generation
	Space            = space
	OfVolumes        = ofVolumes
)

// TakeGate takes the gate. Closing the file opens it.
func TakeGate(ctx context.Context, fsys durable.FS) (durable.File, error) {
	return waitGate(ctx, fsys, gateWait)
}

func (r *Repository) AtGate(ctx context.Context, change func() error) error {
	return r.atGate(ctx, change)
}

func (r *Repository) CurrentGeneration() (Generation, error) { return r.currentGeneration() }

func (r *Repository) Publish(number uint64, condemned map[chunkstore.PackID]uint64) error {
	return r.publish(durable.NewTemps("test"), number, condemned)
}

func (r *Repository) Usable(pack chunkstore.PackInfo, volume revision.UUID) bool {
	return r.usable(pack, volume)
}

func (b *Backup) Run() [16]byte { return b.run }

func (b *Backup) LeaseName() string { return leaseName(b.lease.id) }

func (b *Backup) Generation() Generation { return b.lease.generation }

// CachedRegions counts the regions that an Image keeps.
func (im *Image) CachedRegions() int {
	im.mu.Lock()
	defer im.mu.Unlock()
	return len(im.regions)
}

// UniqueToVolumesIn tells so many objects apart at a time.
func (r *Repository) UniqueToVolumesIn(ctx context.Context, most int64) (*Unique, error) {
	return r.uniqueToVolumes(ctx, most)
}

// PacksOf gives the packs that the maps of a volume name.
func (r *Repository) PacksOf(v Volume) (map[chunkstore.PackID]bool, error) {
	revisions, err := r.Revisions(v)
	if err != nil {
		return nil, err
	}
	named := map[chunkstore.PackID]bool{}
	for _, rev := range revisions {
		m, err := r.openRevision(v, rev.ID)
		if err != nil {
			return nil, err
		}
		packs, err := m.Packs()
		if err := errors.Join(err, m.Close()); err != nil {
			return nil, err
		}
		for _, pack := range packs {
			named[pack] = true
		}
	}
	return named, nil
}

// StoredSizes tells what each object takes, all copies of it in these packs together; nil:
// in all packs.
func (r *Repository) StoredSizes(ctx context.Context, within map[chunkstore.PackID]bool) (map[chunkstore.ID]int64, error) {
	sizes := map[chunkstore.ID]int64{}
	for pack, err := range r.store.Packs(ctx) {
		if err != nil {
			return nil, err
		}
		if within != nil && !within[pack.ID] {
			continue
		}
		for e := range pack.Entries() {
			sizes[e.ID] += int64(e.Stored)
		}
	}
	return sizes, nil
}

// MoveToTrash takes a revision out of what is visible. What builds on it, the caller
// has taken away before.
func (r *Repository) MoveToTrash(ctx context.Context, st *revision.Statement, until time.Time) error {
	v := Volume{Name: st.Volume.Name, UUID: st.Volume.UUID}
	record := trashRecord{Volume: v.Name, Since: until.AddDate(0, 0, -7), Until: until, Op: OpRemove, By: r.me}
	return r.atGate(ctx, func() error { return r.moveToTrash(durable.NewTemps("rm-"+randomHex()), v, st.ID, record) })
}

// CompareTrashed lends the image of a revision in the trash.
func (r *Repository) CompareTrashed(ctx context.Context, st *revision.Statement, use func(*Image) error) (err error) {
	rd, err := r.NewReader(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	var maps []*mapFile
	defer func() { err = errors.Join(err, closeAll(maps)) }()
	for next := st.ID; next != ""; {
		m, err := r.openTrashed(st.Volume.UUID, next)
		if notFound(err) {
			m, err = r.openRevision(Volume{Name: st.Volume.Name, UUID: st.Volume.UUID}, next)
		}
		if err != nil {
			return err
		}
		maps = append(maps, m)
		next = ""
		if p := m.Statement().Parent; p != nil {
			next = p.ID
		}
	}
	im := &Image{rd: rd, id: st.ID, maps: maps, regions: map[uint64]*region{}}
	return use(im)
}

// Contents lists what a pack holds.
func (r *Repository) Contents(_ context.Context, pack chunkstore.PackID) (entries []chunkstore.Entry, err error) {
	p, err := r.store.Pack(pack)
	if err != nil {
		return nil, err
	}
	return slices.Collect(p.Entries()), nil
}

// LiveSet is a liveSet for tests.
type LiveSet struct{ set liveSet }

func (s *LiveSet) Add(key uint64) bool { return s.set.add(objectKey(key)) }

func (s *LiveSet) Find(key uint64) (int, bool) { return s.set.find(objectKey(key)) }

func (s *LiveSet) Len() int { return s.set.len() }

func (s *LiveSet) Places() int { return s.set.places() }
