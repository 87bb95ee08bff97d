package filevolume

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/sys/unix"

	"varve/volume"
)

// Data implements [volume.HoleFinder] with SEEK_DATA and SEEK_HOLE. Where the file system does not have them,
// or answers what cannot be, the rest of the file is one extent of data.
func (s *fileSnapshot) Data(ctx context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	seek := func(off int64, whence int) (int64, error) {
		return unix.Seek(int(s.cache.f.Fd()), off, whence)
	}
	return func(yield func(volume.Extent, error) bool) {
		end := min(within.End(), s.Size())
		for off := max(within.Offset, 0); off < end; {
			if err := ctx.Err(); err != nil {
				yield(volume.Extent{}, err)
				return
			}
			data, err := nextData(seek, off, end)
			if err != nil {
				yield(volume.Extent{}, fmt.Errorf("find holes of %q: %w", s.path, err))
				return
			}
			if data.Length == 0 {
				break
			}
			if !yield(data, nil) {
				return
			}
			off = data.End()
		}
		// To a file cut short, all beyond its new end is a hole.
		now, err := s.cache.f.Stat()
		if err == nil && now.Size() < end {
			err = &volume.ReadError{Volume: s.path, Offset: max(now.Size(), within.Offset), Err: volume.ErrChanged}
		}
		if err != nil {
			yield(volume.Extent{}, err)
		}
	}
}

// nextData finds the first data at off or after, before size. An empty extent: there is none.
func nextData(seek func(off int64, whence int) (int64, error), off, size int64) (volume.Extent, error) {
	start, err := seek(off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return volume.Extent{}, nil
	case isUnsupported(err):
		start = off
	case err != nil:
		return volume.Extent{}, err
	case start < off:
		start = off
	case start >= size:
		return volume.Extent{}, nil
	}
	end, err := seek(start, unix.SEEK_HOLE)
	switch {
	case errors.Is(err, unix.ENXIO), isUnsupported(err):
		end = size // the file ends before start now, or has no holes to tell of
	case err != nil:
		return volume.Extent{}, err
	case end <= start, end > size:
		end = size
	}
	return volume.Extent{Offset: start, Length: end - start}, nil
}
