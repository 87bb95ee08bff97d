package repository

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"

	"varve/chunkstore"
	"varve/revision"
)

// contentDonor may have the content of chunks that cannot be put together.
type contentDonor interface {
	// from tells what it is.
	from() Origin
	// contents calls try with what the chunk may have held, padded to a whole chunk, until try
	// has what it wanted; the bytes are then no longer the donor's. An error says why there is
	// no more.
	contents(ctx context.Context, h *hurtEntry, try func([]byte) bool) error
}

// sourceDonor is what a volume is read from.
type sourceDonor struct{ RepairSource }

func (d *sourceDonor) from() Origin { return Origin{OriginSource, d.Name} }

func (d *sourceDonor) contents(_ context.Context, h *hurtEntry, try func([]byte) bool) error {
	if h.place.Volume.UUID != d.Volume {
		return nil
	}
	plain, err := readPadded(d.Content, d.Size, h)
	if err != nil {
		return err
	}
	try(plain)
	return nil
}

// readPadded reads the place of an entry from anything that may hold it, as far as that goes.
func readPadded(from io.ReaderAt, size int64, h *hurtEntry) ([]byte, error) {
	at := h.place.Extent
	plain := make([]byte, h.chunkSize)
	want := plain[:max(0, min(at.Length, size-at.Offset))]
	if n, err := from.ReadAt(want, at.Offset); n < len(want) {
		return nil, err
	}
	return plain, nil
}

// ownDonor is the repository itself: other revisions may hold the same content, put together
// from other objects.
type ownDonor struct {
	p     *repairer
	found map[chunkstore.ID][]Place // nil: not looked for yet
}

func (d *ownDonor) from() Origin { return Origin{Kind: OriginElsewhere} }

// maxTwins bounds the places that are remembered of one content.
const maxTwins = 8

// look goes through all maps for other places with the contents that are wanted.
func (d *ownDonor) look(ctx context.Context) error {
	d.found = map[chunkstore.ID][]Place{}
	hurt := map[Place]bool{}
	for _, h := range d.p.losses.hurt() {
		d.found[h.entry.Content] = nil
		hurt[h.place] = true
	}
	volumes := d.p.volumesNow()
	chunkSize := int64(d.p.repo.desc.ChunkSize)
	for _, v := range volumes {
		visible, err := d.p.repo.revisionIDs(v.Name)
		if err != nil {
			return err
		}
		for _, id := range visible {
			m, err := d.p.repo.openRevision(v, id)
			if err != nil {
				continue
			}
			for record, err := range m.Records(0, math.MaxUint64) {
				if err != nil || ctx.Err() != nil {
					break
				}
				places, wanted := d.found[record.Entry.Content]
				off := int64(record.Entry.Index) * chunkSize
				place := Place{v, id, Extent{off, min(chunkSize, int64(m.Statement().Size)-off)}}
				if record.Zeros == nil && wanted && len(places) < maxTwins && !hurt[place] {
					d.found[record.Entry.Content] = append(places, place)
				}
			}
			if err := m.Close(); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (d *ownDonor) contents(ctx context.Context, h *hurtEntry, try func([]byte) bool) error {
	if d.found == nil {
		if err := d.look(ctx); err != nil {
			return err
		}
	}
	var errs []error
	for _, place := range d.found[h.entry.Content] {
		plain, err := d.read(ctx, place)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if try(plain) {
			return nil
		}
	}
	return errors.Join(errs...)
}

func (d *ownDonor) read(ctx context.Context, place Place) (_ []byte, err error) {
	im, err := d.p.reader.Image(ctx, place.Volume, place.Revision)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	plain := make([]byte, im.ChunkSize())
	_, err = im.ReadAt(plain[:place.Extent.Length], place.Extent.Offset)
	return plain, err
}

// otherRepository is another repository, and what is open of it.
type otherRepository struct {
	name   string
	repo   *Repository
	reader *Reader
	kin    bool // it is of the same lineage: objects have the same names

	volumes map[revision.UUID]*otherVolume // by the uuid that volumes have here
}

// otherVolume is what another repository has of a volume.
type otherVolume struct {
	images []*Image // the newest first
}

// maxOtherImages bounds the revisions of a volume that are looked at in another repository.
const maxOtherImages = 256

func newOther(here *Repository, other RepairOther, rd *Reader) *otherRepository {
	return &otherRepository{
		name: other.Name, repo: other.Repository, reader: rd, kin: other.Repository.desc.Lineage == here.desc.Lineage,
		volumes: map[revision.UUID]*otherVolume{},
	}
}

func (o *otherRepository) from() Origin { return Origin{OriginOther, o.name} }

func (o *otherRepository) close() error {
	var errs []error
	for _, v := range o.volumes {
		for _, im := range v.images {
			errs = append(errs, im.Close())
		}
	}
	return errors.Join(append(errs, o.reader.Close())...)
}

// volume finds a volume of ours there: by its uuid, or else by its name.
func (o *otherRepository) volume(v Volume) (Volume, error) {
	all, err := o.repo.Volumes()
	for _, theirs := range all {
		if theirs.UUID == v.UUID {
			return theirs, nil
		}
	}
	for _, theirs := range all {
		if theirs.Name == v.Name && !o.kin {
			return theirs, nil
		}
	}
	return Volume{}, errors.Join(ErrNoVolume, err)
}

// info gives what is noted there of a revision of ours.
func (o *otherRepository) info(v Volume, id revision.ID) (info Info, err error) {
	if !o.kin {
		return info, ErrNoVolume
	}
	theirs, err := o.volume(v)
	if err != nil {
		return info, err
	}
	err = readSmall(o.repo.fsys, infoName(theirs.Name, id), &info)
	return info, err
}

// locate finds packs there that have lost objects of ours, by their tables of contents.
func (o *otherRepository) locate(ctx context.Context, l *losses) (map[objectName]chunkstore.PackID, error) {
	damaged, err := o.repo.loadDamage()
	if err != nil {
		return nil, err
	}
	where := map[objectName]chunkstore.PackID{}
	for pack, err := range o.repo.store.Packs(ctx) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			continue // what that has is not to be had
		}
		for e := range pack.Entries() {
			name := objectName{e.Kind, e.ID}
			if _, has := where[name]; l.objects[name] != nil && (!has || damaged[chunkstore.Copy{Pack: where[name], ID: e.ID}]) {
				where[name] = pack.ID
			}
		}
	}
	return where, nil
}

// contents tries the revision of the same id first, then all others of the volume.
func (o *otherRepository) contents(ctx context.Context, h *hurtEntry, try func([]byte) bool) error {
	v, err := o.open(ctx, h.place)
	if err != nil {
		return err
	}
	images := slices.Clone(v.images)
	slices.SortStableFunc(images, func(a, b *Image) int {
		switch same := h.place.Revision; {
		case a.id == same && b.id != same:
			return -1
		case b.id == same && a.id != same:
			return 1
		}
		return 0
	})
	var errs []error
	tried := map[chunkstore.ID]bool{}
	for _, im := range images {
		if err := ctx.Err(); err != nil {
			return err
		}
		if im.ChunkSize() == h.chunkSize { // else chunks are others
			c, is, err := im.Chunk(h.entry.Index)
			if err != nil || !is || tried[c.Content] || o.kin && c.Content != h.entry.Content {
				errs = append(errs, err)
				continue
			}
			tried[c.Content] = true
		}
		plain, err := readPadded(im, im.Size(), h)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if try(plain) {
			return nil
		}
	}
	return errors.Join(errs...)
}

// open opens the revisions that the other repository has of a volume.
func (o *otherRepository) open(ctx context.Context, place Place) (*otherVolume, error) {
	if v := o.volumes[place.Volume.UUID]; v != nil {
		return v, nil
	}
	v := new(otherVolume)
	o.volumes[place.Volume.UUID] = v
	theirs, err := o.volume(place.Volume)
	if err != nil {
		return v, nil
	}
	revisions, err := o.repo.Revisions(theirs)
	if err != nil {
		return v, err
	}
	for _, rev := range slices.Backward(revisions) {
		if len(v.images) == maxOtherImages {
			break
		}
		im, err := o.reader.Image(ctx, theirs, rev.ID)
		if err != nil {
			if ctx.Err() != nil {
				return v, ctx.Err()
			}
			continue
		}
		im.KeepRegions(1)
		v.images = append(v.images, im)
	}
	return v, nil
}
