package backup

import (
	"varve/repository"
	"varve/revision"
)

// geometry says which chunks the volume has now, and which its parent had.
type geometry struct {
	chunkSize   int64
	size        int64  // of the volume, in bytes
	chunks      uint64 // of the volume
	parentSize  int64
	parentCount uint64 // chunks of the parent; 0 without one
}

func newGeometry(chunkSize int, size int64, parent *repository.Image) geometry {
	g := geometry{chunkSize: int64(chunkSize), size: size}
	g.chunks = g.countFor(size)
	if parent != nil {
		g.parentSize = parent.Size()
		g.parentCount = g.countFor(g.parentSize)
	}
	return g
}

// resized is the geometry of a volume that turns out to have another size.
func (g geometry) resized(size int64) geometry {
	g.size, g.chunks = size, g.countFor(size)
	return g
}

// countFor is the number of chunks of so many bytes, which may be the most there are.
func (g geometry) countFor(size int64) uint64 {
	return (uint64(size) + uint64(g.chunkSize) - 1) / uint64(g.chunkSize)
}

// regions counts the regions of the volume.
func (g geometry) regions() uint64 { return revision.RegionCount(g.chunks) }

// span gives the chunks of a region: the first, and the first after it.
func (g geometry) span(region uint64) (first, end uint64) {
	first = region * revision.RegionChunks
	return first, max(first, min(first+revision.RegionChunks, g.chunks))
}

// extent is the part of the volume that a chunk holds.
func (g geometry) extent(index uint64) repository.Extent {
	off := int64(index) * g.chunkSize
	return repository.Extent{Offset: off, Length: min(g.chunkSize, g.size-off)}
}

// boundary gives the chunk in which the shorter of volume and parent ends, if
// they differ in size. What a tracker or a hole says of it is not asked.
func (g geometry) boundary() (index uint64, ok bool) {
	shorter := min(g.size, g.parentSize)
	if g.parentCount == 0 || g.size == g.parentSize || shorter == 0 {
		return 0, false
	}
	return uint64((shorter - 1) / g.chunkSize), true
}
