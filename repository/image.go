package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"varve/chunkstore"
	"varve/revision"
)

// Image is a volume as a revision holds it: an [io.ReaderAt] over its bytes, the
// chunks that are not zeros, and its digest. Everything that is read is checked.
// An Image is safe for concurrent use, as long as its Reader is open.
type Image struct {
	rd     *Reader
	volume Volume
	id     revision.ID

	mu      sync.Mutex
	maps    []*mapFile // newest first; replaced whole
	retired []*mapFile // damaged ones, closed in the end
	rescued bool       // the maps were checked, and copies put in for those that are damaged
	regions map[uint64]*region
	recent  []uint64 // regions in the order of their use, the latest last
	keep    int      // how many of them
}

// region is a resolved region, or one being resolved.
type region struct {
	once   sync.Once
	chunks []revision.Chunk
	err    error
}

// maxRegions bounds the resolved regions that an Image keeps, unless it is told otherwise;
// each takes up to about half a megabyte, and more where stacks are long.
const maxRegions = 12

// Image opens a revision. Opening reads the headers of its chain, nothing else.
func (rd *Reader) Image(ctx context.Context, v Volume, id revision.ID) (*Image, error) {
	var err error
	for range 3 { // a merge may replace what was just looked up
		var maps []*mapFile
		maps, err = rd.chain(v, id)
		if err == nil {
			return &Image{rd: rd, volume: v, id: id, maps: maps, regions: map[uint64]*region{}, keep: maxRegions}, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		v, _ = rd.repo.movedTo(v)
	}
	if notFound(err) || isDamaged(err) {
		return nil, &DamagedRevisionError{Volume: v.Name, ID: id, Cause: err}
	}
	return nil, fmt.Errorf("open revision %s@%s: %w", v.Name, id, err)
}

// Close gives up the maps. Reading must have ended. It may be called twice.
func (im *Image) Close() error {
	im.mu.Lock()
	defer im.mu.Unlock()
	return errors.Join(closeAll(im.maps), closeAll(im.retired))
}

// chain gives the maps as they are now.
func (im *Image) chain() []*mapFile {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.maps
}

// Statement is what the revision says of itself. It must not be changed.
func (im *Image) Statement() *revision.Statement { return im.chain()[0].Statement() }

// Volume is whose image it is.
func (im *Image) Volume() Volume { return im.volume }

// Repository is the id of the repository that it is of.
func (im *Image) Repository() revision.UUID { return im.rd.repo.ID() }

// Size is the length of the image in bytes.
func (im *Image) Size() int64 { return int64(im.Statement().Size) }

// ChunkSize is the length of every chunk but a shorter last one, in bytes.
func (im *Image) ChunkSize() int { return im.rd.repo.desc.ChunkSize }

// ChainLength counts the maps that the image is read through.
func (im *Image) ChainLength() int { return len(im.chain()) }

// RegionCount counts the regions of the image, those of zeros too.
func (im *Image) RegionCount() uint64 {
	return revision.RegionCount(im.Statement().Chunks())
}

// Regions returns the hashes of the regions that are not all zeros, having
// checked that they give the digest of the image.
func (im *Image) Regions() ([]revision.Region, error) {
	var rows []revision.Region
	err := im.withMaps(func(maps []*mapFile) (err error) {
		rows, err = maps[0].Regions()
		return err
	})
	return rows, err
}

// Chunks returns the chunks of one region that are not zeros, ascending, checked
// against the region's recorded hash. The slice is shared: it must not be changed.
func (im *Image) Chunks(n uint64) ([]revision.Chunk, error) {
	reg := im.region(n)
	reg.once.Do(func() {
		reg.chunks, reg.err = im.resolve(n)
		if reg.err != nil {
			im.forget(n, reg)
		}
	})
	return reg.chunks, reg.err
}

// checkRegions resolves every region in which there may be anything, and so makes
// sure that all of them can be. It takes as long as the maps are large, whatever
// size the image says it has.
func (im *Image) checkRegions(ctx context.Context) error {
	listed, err := im.Regions()
	if err != nil {
		return err
	}
	var regions []uint64
	for _, row := range listed {
		regions = append(regions, row.Region)
	}
	err = im.withMaps(func(maps []*mapFile) error {
		for _, m := range maps {
			begun, err := m.PageRegions()
			if err != nil {
				return err
			}
			regions = append(regions, begun...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(regions)
	count := im.RegionCount()
	for _, n := range slices.Compact(regions) {
		if n >= count { // of what the volume was before it shrank
			break
		}
		if _, err := im.Chunks(n); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// region finds the place of a region in the cache, or makes one.
func (im *Image) region(n uint64) *region {
	im.mu.Lock()
	defer im.mu.Unlock()
	reg, known := im.regions[n]
	if !known {
		reg = new(region)
		im.regions[n] = reg
	}
	im.recent = append(slices.DeleteFunc(im.recent, func(m uint64) bool { return m == n }), n)
	im.dropRegions()
	return reg
}

// dropRegions gives up the regions that were not used for the longest time, under the lock.
func (im *Image) dropRegions() {
	for len(im.recent) > im.keep {
		delete(im.regions, im.recent[0])
		im.recent = im.recent[1:]
	}
}

// KeepRegions says how many resolved regions are kept, one at least: more for who reads here
// and there, fewer for who has many images open.
func (im *Image) KeepRegions(n int) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.keep = max(n, 1)
	im.dropRegions()
}

// forget lets a region that failed be tried again.
func (im *Image) forget(n uint64, reg *region) {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.regions[n] == reg {
		delete(im.regions, n)
		im.recent = slices.DeleteFunc(im.recent, func(m uint64) bool { return m == n })
	}
}

func (im *Image) resolve(n uint64) ([]revision.Chunk, error) {
	var chunks []revision.Chunk
	err := im.withMaps(func(maps []*mapFile) (err error) {
		plain := make([]*revision.Map, len(maps))
		for i, m := range maps {
			plain[i] = m.Map
		}
		if chunks, err = revision.Resolve(plain, n); err != nil {
			err = fmt.Errorf("resolve region %d: %w", n, err)
		}
		return err
	})
	return chunks, err
}

// ReadChunk reads a whole chunk into buf, which has the size of one, and checks
// it against its fingerprint.
func (im *Image) ReadChunk(ctx context.Context, c revision.Chunk, buf []byte) error {
	return im.rd.chunks.ReadChunk(ctx, c.Stack, c.Fingerprint, buf)
}

// ReadAt implements [io.ReaderAt]. It reads and checks no more than it needs.
func (im *Image) ReadAt(p []byte, off int64) (int, error) {
	size := im.Size()
	if off < 0 {
		return 0, fmt.Errorf("read revision %s at %d: negative offset", im.id, off)
	}
	if off >= size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), size-off)
	chunkSize := int64(im.ChunkSize())
	done := int64(0)
	for done < want {
		at := off + done
		inChunk := at % chunkSize
		n := min(chunkSize-inChunk, want-done)
		if err := im.readWithin(p[done:done+n], uint64(at/chunkSize), int(inChunk)); err != nil {
			return int(done), err
		}
		done += n
	}
	if done < int64(len(p)) {
		return int(done), io.EOF
	}
	return int(done), nil
}

// Chunk finds one chunk by its index. It is not found if it is zeros.
func (im *Image) Chunk(index uint64) (c revision.Chunk, found bool, err error) {
	chunks, err := im.Chunks(index / revision.RegionChunks)
	if err != nil {
		return c, false, err
	}
	i, found := slices.BinarySearchFunc(chunks, index, func(c revision.Chunk, index uint64) int {
		return cmp.Compare(c.Index, index)
	})
	if !found {
		return c, false, nil
	}
	return chunks[i], true, nil
}

// readWithin reads a part of one chunk.
func (im *Image) readWithin(p []byte, index uint64, off int) error {
	c, found, err := im.Chunk(index)
	if err != nil {
		return err
	}
	if !found {
		clear(p)
		return nil
	}
	if len(p) == im.ChunkSize() {
		return im.ReadChunk(context.Background(), c, p)
	}
	return im.rd.chunks.ReadAt(context.Background(), c.Stack, c.Fingerprint, p, off)
}

// Extents yields the ranges of the image that are not known to be zeros, ascending.
func (im *Image) Extents(ctx context.Context) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		rows, err := im.Regions()
		if err != nil {
			yield(Extent{}, err)
			return
		}
		for _, row := range rows {
			chunks, err := im.Chunks(row.Region)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Extent{}, err)
				return
			}
			for _, c := range chunks {
				if !yield(im.ChunkExtent(c.Index), nil) {
					return
				}
			}
		}
	}
}

// ChunkExtent is the part of the image that a chunk holds.
func (im *Image) ChunkExtent(index uint64) Extent {
	chunkSize := int64(im.ChunkSize())
	off := int64(index) * chunkSize
	return Extent{Offset: off, Length: min(chunkSize, im.Size()-off)}
}

// Hurt tells whether a chunk stands on a copy that is known to be damaged.
func (im *Image) Hurt(s chunkstore.Stack) bool {
	return im.isHurtCopy(s.Base) || slices.ContainsFunc(s.Patches, im.isHurtCopy)
}

func (im *Image) isHurtCopy(ref chunkstore.Ref) bool {
	return im.rd.repo.damageNow()[chunkstore.Copy{Pack: ref.Pack, ID: ref.ID}]
}

// StoredSize is how many bytes of packs the base and the patches of a stack take.
func (im *Image) StoredSize(ctx context.Context, s chunkstore.Stack) (base, patches int64, err error) {
	if !s.Base.ID.IsZero() {
		if base, err = im.rd.chunks.StoredSize(ctx, s.Base, chunkstore.Chunk); err != nil {
			return 0, 0, err
		}
	}
	for _, p := range s.Patches {
		n, err := im.rd.chunks.StoredSize(ctx, p, chunkstore.Patch)
		if err != nil {
			return 0, 0, err
		}
		patches += n
	}
	return base, patches, nil
}

// Hasher computes the names that the image's chunks have.
func (im *Image) Hasher() chunkstore.Hasher { return im.rd.repo.names }
