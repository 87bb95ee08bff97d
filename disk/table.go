package disk

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"varve/volume"
)

// readTable finds the partitions of a disk. A boot sector looks like a table's, so what the disk holds as a whole counts.
func readTable(r io.ReaderAt, size int64, kind Kind) (Layout, error) {
	boot := make([]byte, mbrSize)
	if size < mbrSize {
		return Layout{}, nil
	}
	if err := readAt(r, boot, 0); err != nil {
		return Layout{}, fmt.Errorf("read the partition table: %w", err)
	}
	isEmpty := !slices.ContainsFunc(boot, func(b byte) bool { return b != 0 })
	primary, isTable := parseMBR(boot)
	isProtective := isTable && slices.ContainsFunc(primary, func(e mbrEntry) bool { return e.kind == protective })
	switch {
	case kind.hasBootSector():
		return Layout{}, nil
	case isProtective, isEmpty && kind == Unknown:
		l, err := readGPT(r, size)
		if err == nil || errors.Is(err, errUnreadable) {
			return l, err
		}
		if isProtective {
			return Layout{Table: GPT, Problem: err.Error()}, nil
		}
		return Layout{}, nil
	case isTable:
		return readMBR(r, size, primary)
	}
	return Layout{}, nil
}

// errUnreadable is in errors of reading, as opposed to those of what was read.
var errUnreadable = errors.New("it cannot be read")

func readAt(r io.ReaderAt, p []byte, off int64) error {
	if n, err := r.ReadAt(p, off); n < len(p) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("%w at byte %d: %w", errUnreadable, off+int64(n), err)
	}
	return nil
}

// extent is where sectors lie in bytes; none: beyond what a disk can have, or empty.
func extent(first, count uint64, sector int64) (volume.Extent, bool) {
	const most = 1 << 62
	limit := uint64(most / sector)
	if count == 0 || first > limit || count > limit-first {
		return volume.Extent{}, false
	}
	return volume.Extent{Offset: int64(first) * sector, Length: int64(count) * sector}, true
}
