package revision

import (
	"encoding/binary"
	"errors"
	"fmt"

	"varve/chunkstore"
)

// A revision file is preamble, map pages, page index, region table, pack table,
// statement, footer: written in one pass and opened from its end. See
// docs/format.md. Integers are little-endian.
//
// The preamble, whose length, version and checksum have their places in every
// version to come, so that a program knows a file of the future for what it is:
//
//	offset  size  field
//	     0     8  magic "VARVEREV"
//	     8     2  version, 1
//	    10     2  zero
//	    12     4  length of the preamble, 64
//	    16    16  nonce, as in the statement
//	    32     8  chunk size in bytes, as in the statement
//	    40     4  chunks of a region, 4096
//	    44     4  longest page in bytes, 65536
//	    48     8  zero
//	    56     8  xxh3-64 of all bytes before
//
// The footer:
//
//	  0     8  magic "VARVEFTR"
//	  8     2  version, 1
//	 10     2  zero
//	 12     4  length of the footer, 192
//	 16    16  nonce, as in the statement
//	 32  6×24  preamble, map pages, page index, region table, pack table, statement:
//	           offset u64, length u64, xxh3-64 of the part's bytes
//	176     8  length of the file
//	184     8  xxh3-64 of all bytes before
//
// These values are on disk. Never change them; add a version.
const (
	preambleMagic = "VARVEREV"
	footerMagic   = "VARVEFTR"
	fileVersion   = 1
	preambleSize  = 64
	footerSize    = 192
)

// RegionChunks is the number of chunks in a region. It is on disk.
const RegionChunks = 4096

// RegionCount is the number of regions of an image of so many chunks.
func RegionCount(chunks uint64) uint64 { return (chunks + RegionChunks - 1) / RegionChunks }

// The parts of a file, in their order.
const (
	partPreamble = iota
	partPages
	partPageIndex
	partRegions
	partPacks
	partStatement
	partCount
)

// part is a piece of the file.
type part struct {
	offset, length, checksum uint64
}

func (p part) end() uint64 { return p.offset + p.length }

// A Header is what must be known before the first record is written.
type Header struct {
	ChunkSize uint64
	Nonce     Nonce
}

func encodePreamble(h Header) []byte {
	buf := make([]byte, 0, preambleSize)
	buf = append(buf, preambleMagic...)
	buf = binary.LittleEndian.AppendUint16(buf, fileVersion)
	buf = append(buf, 0, 0)
	buf = binary.LittleEndian.AppendUint32(buf, preambleSize)
	buf = append(buf, h.Nonce[:]...)
	buf = binary.LittleEndian.AppendUint64(buf, h.ChunkSize)
	buf = binary.LittleEndian.AppendUint32(buf, RegionChunks)
	buf = binary.LittleEndian.AppendUint32(buf, maxPage)
	buf = append(buf, 0, 0, 0, 0, 0, 0, 0, 0)
	return appendChecksum(buf)
}

func decodePreamble(buf []byte) (Header, error) {
	var h Header
	if len(buf) != preambleSize {
		return h, fmt.Errorf("%d bytes", len(buf))
	}
	body, err := unseal(buf, preambleMagic, fileVersion)
	if err != nil {
		return h, err
	}
	h.Nonce = Nonce(body[16:32])
	h.ChunkSize = binary.LittleEndian.Uint64(body[32:])
	switch {
	case binary.LittleEndian.Uint16(body[10:]) != 0 || binary.LittleEndian.Uint64(body[48:]) != 0:
		return h, errors.New("reserved bytes are not zero")
	case binary.LittleEndian.Uint32(body[12:]) != preambleSize:
		return h, fmt.Errorf("states %d bytes", binary.LittleEndian.Uint32(body[12:]))
	case binary.LittleEndian.Uint32(body[40:]) != RegionChunks || binary.LittleEndian.Uint32(body[44:]) != maxPage:
		return h, errors.New("regions or pages are of another size")
	}
	return h, chunkstore.CheckChunkSize(h.ChunkSize)
}

// footer says where everything is.
type footer struct {
	nonce Nonce
	parts [partCount]part
}

func (f *footer) encode() []byte {
	buf := make([]byte, 0, footerSize)
	buf = append(buf, footerMagic...)
	buf = binary.LittleEndian.AppendUint16(buf, fileVersion)
	buf = append(buf, 0, 0)
	buf = binary.LittleEndian.AppendUint32(buf, footerSize)
	buf = append(buf, f.nonce[:]...)
	for _, p := range f.parts {
		buf = binary.LittleEndian.AppendUint64(buf, p.offset)
		buf = binary.LittleEndian.AppendUint64(buf, p.length)
		buf = binary.LittleEndian.AppendUint64(buf, p.checksum)
	}
	buf = binary.LittleEndian.AppendUint64(buf, f.parts[partStatement].end()+footerSize)
	return appendChecksum(buf)
}

// decodeFooter reads the last bytes of a file of that size. Afterwards the parts
// are known to follow one another without a gap, from the first byte to the footer.
func decodeFooter(buf []byte, size uint64) (footer, error) {
	var f footer
	if len(buf) != footerSize {
		return f, fmt.Errorf("%d bytes", len(buf))
	}
	body, err := unseal(buf, footerMagic, fileVersion)
	if err != nil {
		return f, err
	}
	f.nonce = Nonce(body[16:32])
	switch {
	case binary.LittleEndian.Uint16(body[10:]) != 0:
		return f, errors.New("reserved bytes are not zero")
	case binary.LittleEndian.Uint32(body[12:]) != footerSize:
		return f, fmt.Errorf("states %d bytes", binary.LittleEndian.Uint32(body[12:]))
	case binary.LittleEndian.Uint64(body[176:]) != size:
		return f, fmt.Errorf("states a file of %d bytes, which has %d", binary.LittleEndian.Uint64(body[176:]), size)
	}
	next, limit := uint64(0), size-footerSize
	for i := range f.parts {
		row := body[32+24*i:]
		p := part{
			offset:   binary.LittleEndian.Uint64(row),
			length:   binary.LittleEndian.Uint64(row[8:]),
			checksum: binary.LittleEndian.Uint64(row[16:]),
		}
		if p.offset != next || p.length > limit-next {
			return f, fmt.Errorf("part %d of %d bytes at %d, want it at %d", i, p.length, p.offset, next)
		}
		next, f.parts[i] = p.end(), p
	}
	switch {
	case next != limit:
		return f, fmt.Errorf("parts end at %d, the footer begins at %d", next, limit)
	case f.parts[partPreamble].length != preambleSize:
		return f, fmt.Errorf("preamble of %d bytes", f.parts[partPreamble].length)
	}
	return f, nil
}
