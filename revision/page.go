package revision

import (
	"encoding/binary"
	"errors"
	"fmt"

	"varve/chunkstore"
)

// A map page holds records in ascending order; see docs/format.md. Integers are
// little-endian.
//
//	offset  size  field
//	     0     4  magic "VRMP"
//	     4     2  version, 1
//	     6     2  number of records, at least 1
//	     8     4  length of the page in bytes, at most 65536
//	    12     4  zero
//	    16     8  first chunk that the page speaks of
//	    24     8  last chunk that the page speaks of
//	    32        records
//	   end     8  xxh3-64 of all bytes before
//
// A record is a chunk
//
//	 0     1  base: 0 zeros, 1 the parent's, 2 the object named by the content id, 3 another object
//	 1     1  number of patches
//	 2     4  index of the chunk, counted from the page's first
//	 6    16  fingerprint
//	22    32  content id
//	54        base 2: hint u32. Base 3: object id (32), hint u32. Else nothing
//	          per patch, oldest first: object id (32), hint u32
//
// or a run of zero chunks
//
//	 0     1  255
//	 1     1  zero
//	 2     8  first chunk
//	10     8  number of chunks
//
// A hint is an index into the pack table. These values are on disk. Never change
// them; add a version.
const (
	pageMagic      = "VRMP"
	pageVersion    = 1
	pageHeaderSize = 32
	maxPage        = 64 << 10
	minPage        = pageHeaderSize + runSize + checksumSize

	chunkFixedSize = 54 // of a chunk's record, without base and patches
	refSize        = 36
	hintSize       = 4
	runSize        = 18
	runMark        = 0xff
)

// startPage begins a page in buf, whose header finishPage fills in.
func startPage(buf []byte) []byte {
	return append(buf[:0], make([]byte, pageHeaderSize)...)
}

// finishPage completes the page that holds these records.
func finishPage(buf []byte, first, last uint64, records int) []byte {
	copy(buf, pageMagic)
	binary.LittleEndian.PutUint16(buf[4:], pageVersion)
	binary.LittleEndian.PutUint16(buf[6:], uint16(records))
	binary.LittleEndian.PutUint32(buf[8:], uint32(len(buf)+checksumSize))
	binary.LittleEndian.PutUint64(buf[16:], first)
	binary.LittleEndian.PutUint64(buf[24:], last)
	return appendChecksum(buf)
}

// appendRun encodes a run of zeros.
func appendRun(buf []byte, run ZeroRun) []byte {
	buf = append(buf, runMark, 0)
	buf = binary.LittleEndian.AppendUint64(buf, run.First)
	return binary.LittleEndian.AppendUint64(buf, run.Count)
}

// entrySize is how many bytes appendEntry adds.
func entrySize(e *Entry) int {
	n := chunkFixedSize + refSize*len(e.Patches)
	switch e.Base {
	case BaseContent:
		n += hintSize
	case BaseObject:
		n += refSize
	}
	return n
}

// appendEntry encodes a chunk. The first chunk of the page is given, and hint
// finds a pack in the pack table.
func appendEntry(buf []byte, e *Entry, first uint64, hint func(chunkstore.PackID) uint32) []byte {
	buf = append(buf, byte(e.Base), byte(len(e.Patches)))
	buf = binary.LittleEndian.AppendUint32(buf, uint32(e.Index-first))
	buf = append(buf, e.Fingerprint[:]...)
	buf = append(buf, e.Content[:]...)
	switch e.Base {
	case BaseContent:
		buf = binary.LittleEndian.AppendUint32(buf, hint(e.BaseRef.Pack))
	case BaseObject:
		buf = append(buf, e.BaseRef.ID[:]...)
		buf = binary.LittleEndian.AppendUint32(buf, hint(e.BaseRef.Pack))
	}
	for _, patch := range e.Patches {
		buf = append(buf, patch.ID[:]...)
		buf = binary.LittleEndian.AppendUint32(buf, hint(patch.Pack))
	}
	return buf
}

// page is a verified map page.
type page struct {
	first, last uint64
	count       int
	records     []byte
}

func decodePage(buf []byte) (page, error) {
	if len(buf) < minPage || len(buf) > maxPage {
		return page{}, fmt.Errorf("page of %d bytes", len(buf))
	}
	body, err := unseal(buf, pageMagic, pageVersion)
	if err != nil {
		return page{}, err
	}
	p := page{
		first:   binary.LittleEndian.Uint64(body[16:]),
		last:    binary.LittleEndian.Uint64(body[24:]),
		count:   int(binary.LittleEndian.Uint16(body[6:])),
		records: body[pageHeaderSize:],
	}
	switch {
	case binary.LittleEndian.Uint32(body[8:]) != uint32(len(buf)):
		return page{}, fmt.Errorf("states %d bytes and has %d", binary.LittleEndian.Uint32(body[8:]), len(buf))
	case binary.LittleEndian.Uint32(body[12:]) != 0:
		return page{}, errors.New("reserved bytes are not zero")
	case p.count == 0:
		return page{}, errors.New("no records")
	case p.first > p.last || p.last >= maxChunks:
		return page{}, fmt.Errorf("chunks %d to %d", p.first, p.last)
	}
	return p, nil
}
