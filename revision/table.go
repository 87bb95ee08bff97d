package revision

import (
	"encoding/binary"
	"errors"
	"fmt"

	"varve/chunkstore"
)

// The page index, the region table and the pack table have one shape; see
// docs/format.md. Integers are little-endian.
//
//	offset  size  field
//	     0     4  magic "VRPI", "VRRT" or "VRPT"
//	     4     2  version, 1
//	     6     2  zero
//	     8     8  number of rows
//	    16        rows
//	   end     8  xxh3-64 of all bytes before
//
// A row of the page index is a page, in the order of the file:
//
//	 0     8  first chunk
//	 8     8  last chunk
//	16     8  offset of the page in the file
//	24     4  length of the page
//	28     4  number of records
//	32     8  the page's checksum, so that no other page can take its place
//
// A row of the region table is a region that is not all zeros, ascending:
//
//	0     8  region
//	8    32  region hash
//
// A row of the pack table is the id of a pack (16), in the order of first use.
// These values are on disk. Never change them; add a version.
const (
	pageIndexMagic   = "VRPI"
	regionTableMagic = "VRRT"
	packTableMagic   = "VRPT"
	tableVersion     = 1
	tableHeaderSize  = 16

	pageRowSize   = 40
	regionRowSize = 40
	packRowSize   = 16
)

// pageRow is a row of the page index.
type pageRow struct {
	first, last uint64
	offset      uint64
	length      uint32
	records     uint32
	checksum    uint64
}

// describes tells whether the row is that of the verified page in buf.
func (row pageRow) describes(p page, buf []byte) bool {
	return p.first == row.first && p.last == row.last && uint32(p.count) == row.records &&
		binary.LittleEndian.Uint64(buf[len(buf)-checksumSize:]) == row.checksum
}

// A Region is a row of the region table: a region that is not all zeros.
type Region struct {
	Region uint64
	Hash   [32]byte
}

// encodeTable encodes a table whose rows appendRow writes.
func encodeTable[R any](magic string, rows []R, rowSize int, appendRow func([]byte, R) []byte) []byte {
	buf := make([]byte, 0, tableHeaderSize+len(rows)*rowSize+checksumSize)
	buf = append(buf, magic...)
	buf = binary.LittleEndian.AppendUint16(buf, tableVersion)
	buf = append(buf, 0, 0)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(len(rows)))
	for _, row := range rows {
		buf = appendRow(buf, row)
	}
	return appendChecksum(buf)
}

// decodeTable reads a table; memory is taken only for rows that are there.
func decodeTable[R any](buf []byte, magic string, rowSize int, decode func([]byte) R) ([]R, error) {
	if len(buf) < tableHeaderSize+checksumSize {
		return nil, fmt.Errorf("table of %d bytes", len(buf))
	}
	body, err := unseal(buf, magic, tableVersion)
	if err != nil {
		return nil, err
	}
	count, data := binary.LittleEndian.Uint64(body[8:]), body[tableHeaderSize:]
	if binary.LittleEndian.Uint16(body[6:]) != 0 {
		return nil, errors.New("reserved bytes are not zero")
	}
	if len(data)%rowSize != 0 || count != uint64(len(data)/rowSize) {
		return nil, fmt.Errorf("states %d rows of %d bytes, has %d bytes", count, rowSize, len(data))
	}
	rows := make([]R, count)
	for i := range rows {
		rows[i] = decode(data[i*rowSize : (i+1)*rowSize])
	}
	return rows, nil
}

func appendPageRow(buf []byte, row pageRow) []byte {
	buf = binary.LittleEndian.AppendUint64(buf, row.first)
	buf = binary.LittleEndian.AppendUint64(buf, row.last)
	buf = binary.LittleEndian.AppendUint64(buf, row.offset)
	buf = binary.LittleEndian.AppendUint32(buf, row.length)
	buf = binary.LittleEndian.AppendUint32(buf, row.records)
	return binary.LittleEndian.AppendUint64(buf, row.checksum)
}

func decodePageRow(b []byte) pageRow {
	return pageRow{
		first:    binary.LittleEndian.Uint64(b),
		last:     binary.LittleEndian.Uint64(b[8:]),
		offset:   binary.LittleEndian.Uint64(b[16:]),
		length:   binary.LittleEndian.Uint32(b[24:]),
		records:  binary.LittleEndian.Uint32(b[28:]),
		checksum: binary.LittleEndian.Uint64(b[32:]),
	}
}

func appendRegionRow(buf []byte, row Region) []byte {
	buf = binary.LittleEndian.AppendUint64(buf, row.Region)
	return append(buf, row.Hash[:]...)
}

func decodeRegionRow(b []byte) Region {
	return Region{Region: binary.LittleEndian.Uint64(b), Hash: [32]byte(b[8:40])}
}

func appendPackRow(buf []byte, id chunkstore.PackID) []byte { return append(buf, id[:]...) }

func decodePackRow(b []byte) chunkstore.PackID { return chunkstore.PackID(b) }

// checkPageRows makes sure that the pages fill their part of the file without a
// gap, and that their chunks ascend.
func checkPageRows(rows []pageRow, pages part) error {
	offset := pages.offset
	for i, row := range rows {
		switch {
		case row.length < minPage || row.length > maxPage || row.offset != offset:
			return fmt.Errorf("page %d of %d bytes at %d, want it at %d", i, row.length, row.offset, offset)
		case row.first > row.last || row.last >= maxChunks || i > 0 && row.first <= rows[i-1].last:
			return fmt.Errorf("page %d speaks of chunks %d to %d", i, row.first, row.last)
		}
		offset += uint64(row.length)
	}
	if offset != pages.end() {
		return fmt.Errorf("pages end at %d, want %d", offset, pages.end())
	}
	return nil
}

// checkRegions makes sure that the rows ascend and lie within the image.
func checkRegions(rows []Region, chunks uint64) error {
	for i, row := range rows {
		if i > 0 && row.Region <= rows[i-1].Region {
			return fmt.Errorf("region %d is out of order", row.Region)
		}
		if row.Region >= RegionCount(chunks) {
			return fmt.Errorf("region %d in an image of %d chunks", row.Region, chunks)
		}
		if row.Hash == [32]byte{} {
			return fmt.Errorf("region %d has no hash", row.Region)
		}
	}
	return nil
}

// checkPacks refuses a pack that is named twice, or not at all.
func checkPacks(packs []chunkstore.PackID) error {
	seen := make(map[chunkstore.PackID]bool, len(packs))
	for _, id := range packs {
		if seen[id] || id.IsZero() {
			return fmt.Errorf("pack %s named twice, or not at all", id)
		}
		seen[id] = true
	}
	return nil
}
