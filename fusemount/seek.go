package fusemount

import (
	"cmp"
	"context"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"varve/repository"
	"varve/revision"
)

// seek finds the next byte, from off on, that is data, or that is none. The end of the image
// is a hole.
func (o *openImage) seek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	if whence != unix.SEEK_DATA && whence != unix.SEEK_HOLE {
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
		if is == (whence == unix.SEEK_DATA) {
			return uint64(at), 0
		}
		at = to
	}
	if whence == unix.SEEK_DATA {
		return 0, syscall.ENXIO
	}
	return uint64(o.size), 0
}

// seekBelow is seek in what the revision holds: by chunks that are zeros.
func (o *openImage) seekBelow(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	image, done := o.acquire()
	defer done()
	chunkSize := uint64(image.ChunkSize())
	for chunk := off / chunkSize; chunk*chunkSize < uint64(o.size); {
		next, is, err := nextChunk(ctx, image, chunk, whence == unix.SEEK_DATA)
		if err != nil {
			return 0, o.m.failedRead(ctx, image, int64(chunk*chunkSize), int64(chunkSize), err)
		}
		if is {
			return min(max(off, next*chunkSize), uint64(o.size)), 0
		}
		chunk = next
	}
	if whence == unix.SEEK_DATA {
		return 0, syscall.ENXIO
	}
	return uint64(o.size), 0
}

// nextChunk looks, in the region of a chunk and from there on, for the first that is data, or zeros.
// If there is none in the region, it gives the first chunk of the next one that may be.
func nextChunk(ctx context.Context, image *repository.Image, chunk uint64, data bool) (next uint64, is bool, err error) {
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
