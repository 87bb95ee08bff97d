package fusemount

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"syscall"

	"varve/repository"
	"varve/revision"
)

// holes knows which images have how many chunks that are not zeros.
type holes struct {
	mu     sync.Mutex
	counts map[imageKey]uint64
	recent []presence // the latest last

	counting sync.Mutex // held by who reads maps
}

// presence is kept of a few images, so that those that build on them cost little.
type presence struct {
	key imageKey
	p   *revision.Presence
}

const (
	maxCounts   = 50_000
	maxPresence = 8
)

// blocks tells how many blocks of 512 bytes an image takes that leaves out its holes; known
// is false if they were not counted and are not to be. Where the maps cannot be read, it is
// taken for one without holes.
func (h *holes) blocks(c *listings, key imageKey, st *revision.Statement, count bool) (blocks uint64, known bool) {
	chunks, known := h.count(key)
	if !known && count {
		chunks = h.find(c, key, st)
		known = true
	}
	return min(chunks*st.ChunkSize, st.Size+511) / 512, known
}

func (h *holes) count(key imageKey) (uint64, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, known := h.counts[key]
	return n, known
}

func (h *holes) find(c *listings, key imageKey, st *revision.Statement) uint64 {
	h.counting.Lock() // each builds on what the one before it found
	defer h.counting.Unlock()
	if n, known := h.count(key); known {
		return n
	}
	rev, err := c.find(key)
	if err != nil {
		return st.Chunks()
	}
	p, err := c.repo.Presence(rev.Volume, key.id,
		func(id revision.ID) *revision.Presence { return h.recall(imageKey{key.volume, id}) },
		func(id revision.ID, p *revision.Presence) { h.remember(imageKey{key.volume, id}, p) })
	if err != nil {
		c.opts.Log.Warn("the holes of a revision are not known", "volume", rev.Volume.Name, "revision", key.id, "error", err)
		return st.Chunks()
	}
	return p.Count()
}

func (h *holes) recall(key imageKey) *revision.Presence {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.recent, func(p presence) bool { return p.key == key })
	if i < 0 {
		return nil
	}
	return h.recent[i].p
}

func (h *holes) remember(key imageKey, p *revision.Presence) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counts == nil || len(h.counts) >= maxCounts {
		h.counts = map[imageKey]uint64{}
	}
	h.counts[key] = p.Count()
	h.recent = append(h.recent, presence{key, p})
	if len(h.recent) > maxPresence {
		h.recent = slices.Delete(h.recent, 0, 1)
	}
}

// What lseek asks for.
const (
	seekData = 3
	seekHole = 4
)

// seek finds the next byte, from off on, that is data, or that is none. The end of the image
// is a hole.
func (o *opened) seek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	if whence != seekData && whence != seekHole {
		return 0, syscall.EINVAL
	}
	if off >= uint64(o.size) {
		return 0, syscall.ENXIO
	}
	l := o.m.layers.find(o.key)
	if l == nil {
		return o.seekBelow(ctx, off, whence)
	}
	for at := int64(off); at < o.size; {
		s, to := l.extent(at)
		is := s == here
		if s == below {
			found, errno := o.seekBelow(ctx, uint64(at), whence)
			switch {
			case errno == syscall.ENXIO: // no more data
				at = to
				continue
			case errno != 0 || int64(found) < to:
				return found, errno
			}
			at = to
			continue
		}
		if is == (whence == seekData) {
			return uint64(at), 0
		}
		at = to
	}
	if whence == seekData {
		return 0, syscall.ENXIO
	}
	return uint64(o.size), 0
}

// extent tells where the block at an offset is, and up to where others are, too, or nothing
// else is known.
func (l *layer) extent(off int64) (s blockState, to int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.parts[off/partSize] == nil { // up to the next part that was written to
		next := int64(math.MaxInt64 / partSize)
		for part := range l.parts {
			if part > off/partSize {
				next = min(next, part)
			}
		}
		return below, min(next*partSize, l.size)
	}
	s = l.state(off)
	end := min((off/partSize+1)*partSize, l.size)
	for to = off - off%blockSize; to < end && l.state(to) == s; to += blockSize {
	}
	return s, min(to, l.size)
}

// seekBelow is seek in what the revision holds: by chunks that are zeros.
func (o *opened) seekBelow(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	image, done := o.take()
	defer done()
	chunkSize := uint64(image.ChunkSize())
	for chunk := off / chunkSize; chunk*chunkSize < uint64(o.size); {
		next, is, err := run(ctx, image, chunk, whence == seekData)
		if err != nil {
			return 0, o.m.failedRead(ctx, image, int64(chunk*chunkSize), int64(chunkSize), err)
		}
		if is {
			return min(max(off, next*chunkSize), uint64(o.size)), 0
		}
		chunk = next
	}
	if whence == seekData {
		return 0, syscall.ENXIO
	}
	return uint64(o.size), 0
}

// run looks, in the region of a chunk and from there on, for the first that is data, or zeros.
// If there is none in the region, it gives the first chunk of the next one that may be.
func run(ctx context.Context, image *repository.Image, chunk uint64, data bool) (next uint64, is bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	region := chunk / revision.RegionChunks
	if data { // most regions of a large image may be holes
		rows, err := image.Regions()
		if err != nil {
			return 0, false, err
		}
		i, listed := slices.BinarySearchFunc(rows, region, func(r revision.Region, n uint64) int { return cmp.Compare(r.Region, n) })
		switch {
		case i == len(rows):
			return image.Statement().Chunks(), false, nil
		case !listed:
			return rows[i].Region * revision.RegionChunks, false, nil
		}
	}
	chunks, err := image.Chunks(region)
	if err != nil {
		return 0, false, err
	}
	i, found := slices.BinarySearchFunc(chunks, chunk, func(c revision.Chunk, n uint64) int { return cmp.Compare(c.Index, n) })
	end := (region + 1) * revision.RegionChunks
	if data {
		if i < len(chunks) {
			return chunks[i].Index, true, nil
		}
		return end, false, nil
	}
	for ; found && i < len(chunks) && chunks[i].Index == chunk; i++ {
		chunk++
	}
	return chunk, chunk < end, nil
}
