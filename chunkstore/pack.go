package chunkstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"sort"
)

// A pack is a header, frames one after another, a table of contents and a footer.
// Integers are little-endian. The header:
//
//	offset  size  field
//	     0     4  magic "VRVP"
//	     4     2  version, 1
//	     6     2  length of this header, 72
//	     8    16  repository id
//	    24    16  pack id
//	    40    16  run id: who wrote it
//	    56     4  encoder version: which program's choices, for measurements only
//	    60     4  flags, zero
//	    64     8  xxh3-64 of the bytes above
//
// The table of contents, rows ascending by id, then kind, without doubles:
//
//	 0     4  magic "VRVT"
//	 4     2  version, 1
//	 6     2  length of a row, 49
//	 8     4  number of rows, 1 to 65,536
//	12     4  flags, zero
//	16  49·n  rows: {id 32 bytes, kind u8, offset of the frame u64,
//	          length of the frame u32, length of the plain bytes u32}
//	 …     8  xxh3-64 of the bytes above
//
// The footer:
//
//	 0     4  magic "VRVE"
//	 4     2  version, 1
//	 6     2  length of this footer, 56
//	 8     8  offset of the table of contents, where the frames end
//	16     8  length of the table of contents
//	24     8  checksum of the table of contents, as at its end
//	32     8  checksum of the header, as at its end
//	40     8  length of the file
//	48     8  xxh3-64 of the bytes above
//
// These values are on disk. Never change them; add a version. Magic, version, the
// lengths of header and footer and their checksums keep their places in every
// version to come, so that a program knows a pack of the future for what it is.
const (
	packMagic     = "VRVP"
	packVersion   = 1
	packHeaderLen = 72

	tableMagic   = "VRVT"
	tableVersion = 1
	tableHeadLen = 16
	tableRowLen  = 49

	footerMagic   = "VRVE"
	footerVersion = 1
	footerLen     = 56

	encoderVersion = 1
)

// A pack is sealed when it has reached this size or this number of objects.
const (
	defaultPackSize = 64 << 20
	maxPackObjects  = 65536
)

var (
	errPackLength = errors.New("the lengths in the pack contradict each other")
	errPackName   = errors.New("the pack says that it is another one")
	errTableOrder = errors.New("the table of contents is out of order")
	errTableRow   = errors.New("the table of contents has an impossible row")
)

// PackInfo is what a sealed pack says of itself.
type PackInfo struct {
	ID         PackID
	Run        [16]byte
	Repository [16]byte
	Encoder    uint32 // version of the encoder that wrote it
	Objects    int
	Size       int64 // of the whole file
}

// Entry is one row of a pack's table of contents.
type Entry struct {
	ID     ID
	Kind   Kind
	Offset int64 // of the frame in the pack
	Stored int   // length of the frame
	Plain  int   // length of the object
}

func appendPackHeader(b []byte, info PackInfo) []byte {
	start := len(b)
	b = append(b, packMagic...)
	b = binary.LittleEndian.AppendUint16(b, packVersion)
	b = binary.LittleEndian.AppendUint16(b, packHeaderLen)
	b = append(b, info.Repository[:]...)
	b = append(b, info.ID[:]...)
	b = append(b, info.Run[:]...)
	b = binary.LittleEndian.AppendUint32(b, info.Encoder)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return appendChecksum(b, b[start:])
}

func parsePackHeader(b []byte) (PackInfo, error) {
	if err := checkSealed(b, packMagic, "pack", packVersion, packHeaderLen); err != nil {
		return PackInfo{}, err
	}
	if flags := binary.LittleEndian.Uint32(b[60:]); flags != 0 {
		return PackInfo{}, &FeatureError{What: "pack flags", Value: uint64(flags)}
	}
	return PackInfo{
		Repository: [16]byte(b[8:]), ID: PackID(b[24:]), Run: [16]byte(b[40:]),
		Encoder: binary.LittleEndian.Uint32(b[56:]),
	}, nil
}

// checkSealed verifies a structure of fixed length that states its magic, version
// and length first and its checksum last. Only of bytes that are whole the version
// is believed: else a flipped bit would pass for the future.
func checkSealed(b []byte, magic, what string, version, length int) error {
	switch {
	case len(b) != length:
		return errShort
	case string(b[:4]) != magic:
		return errMagic
	}
	body := b[:length-checksumLen]
	if checksum(body) != binary.LittleEndian.Uint64(b[len(body):]) {
		return errChecksum
	}
	if v := int(binary.LittleEndian.Uint16(b[4:])); v != version {
		return &VersionError{What: what, Version: v, Known: version}
	}
	if int(binary.LittleEndian.Uint16(b[6:])) != length {
		return errPackLength
	}
	return nil
}

type packFooter struct {
	tableOffset, tableLen int64
	tableSum, headerSum   uint64
	fileLen               int64
}

func (f packFooter) append(b []byte) []byte {
	start := len(b)
	b = append(b, footerMagic...)
	b = binary.LittleEndian.AppendUint16(b, footerVersion)
	b = binary.LittleEndian.AppendUint16(b, footerLen)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.tableOffset))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.tableLen))
	b = binary.LittleEndian.AppendUint64(b, f.tableSum)
	b = binary.LittleEndian.AppendUint64(b, f.headerSum)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.fileLen))
	return appendChecksum(b, b[start:])
}

// parsePackFooter verifies the footer of a pack of the given length, so that its
// lengths can be relied on when memory is taken for them.
func parsePackFooter(b []byte, fileLen int64) (packFooter, error) {
	if err := checkSealed(b, footerMagic, "pack footer", footerVersion, footerLen); err != nil {
		return packFooter{}, err
	}
	f := packFooter{
		tableOffset: int64(binary.LittleEndian.Uint64(b[8:])),
		tableLen:    int64(binary.LittleEndian.Uint64(b[16:])),
		tableSum:    binary.LittleEndian.Uint64(b[24:]),
		headerSum:   binary.LittleEndian.Uint64(b[32:]),
		fileLen:     int64(binary.LittleEndian.Uint64(b[40:])),
	}
	rows := f.tableLen - tableHeadLen - checksumLen
	switch {
	case f.fileLen != fileLen,
		f.tableOffset < packHeaderLen || f.tableOffset > fileLen,
		rows < tableRowLen || rows > maxPackObjects*tableRowLen || rows%tableRowLen != 0,
		f.tableOffset+f.tableLen+footerLen != fileLen:
		return packFooter{}, errPackLength
	}
	return f, nil
}

// contents is a verified table of contents, as it lies in the pack. It is
// searched in place: a pack of small patches has 65,536 rows, and many are open.
type contents []byte

// appendContents appends the table of contents with these entries, which it sorts.
func appendContents(b []byte, entries []Entry) []byte {
	slices.SortFunc(entries, func(x, y Entry) int {
		if c := bytes.Compare(x.ID[:], y.ID[:]); c != 0 {
			return c
		}
		return int(x.Kind) - int(y.Kind)
	})
	start := len(b)
	b = append(b, tableMagic...)
	b = binary.LittleEndian.AppendUint16(b, tableVersion)
	b = binary.LittleEndian.AppendUint16(b, tableRowLen)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(entries)))
	b = binary.LittleEndian.AppendUint32(b, 0)
	for _, e := range entries {
		b = append(b, e.ID[:]...)
		b = append(b, byte(e.Kind))
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Offset))
		b = binary.LittleEndian.AppendUint32(b, uint32(e.Stored))
		b = binary.LittleEndian.AppendUint32(b, uint32(e.Plain))
	}
	return appendChecksum(b, b[start:])
}

// parseContents verifies the table of contents of a pack whose frames end at framesEnd.
func parseContents(b []byte, framesEnd int64) (contents, error) {
	if len(b) < tableHeadLen+checksumLen {
		return nil, errShort
	}
	if string(b[:4]) != tableMagic {
		return nil, errMagic
	}
	body := b[:len(b)-checksumLen]
	if checksum(body) != binary.LittleEndian.Uint64(b[len(body):]) {
		return nil, errChecksum
	}
	if v := binary.LittleEndian.Uint16(b[4:]); v != tableVersion {
		return nil, &VersionError{What: "table of contents", Version: int(v), Known: tableVersion}
	}
	if flags := binary.LittleEndian.Uint32(b[12:]); flags != 0 {
		return nil, &FeatureError{What: "table of contents flags", Value: uint64(flags)}
	}
	rows := len(body) - tableHeadLen
	if binary.LittleEndian.Uint16(b[6:]) != tableRowLen || rows%tableRowLen != 0 ||
		int64(binary.LittleEndian.Uint32(b[8:])) != int64(rows/tableRowLen) {
		return nil, errPackLength
	}
	t := contents(b)
	return t, t.check(framesEnd)
}

// check makes sure that the rows ascend and that their frames fill the pack.
func (t contents) check(framesEnd int64) error {
	var before []byte
	var filled int64
	for i := range t.len() {
		row := t.row(i)
		if i > 0 && bytes.Compare(before, row[:33]) >= 0 {
			return errTableOrder
		}
		before = row[:33]
		e := t.at(i)
		if e.Kind != Chunk && e.Kind != Patch || e.Plain == 0 || e.Plain > maxPlain ||
			e.Stored < frameHeaderLen || e.Stored > maxStored(e.Plain) ||
			e.Offset < packHeaderLen || e.Offset > framesEnd-int64(e.Stored) {
			return errTableRow
		}
		filled += int64(e.Stored)
	}
	if filled != framesEnd-packHeaderLen {
		return errPackLength
	}
	return nil
}

func (t contents) len() int { return (len(t) - tableHeadLen - checksumLen) / tableRowLen }

func (t contents) row(i int) []byte { return t[tableHeadLen+i*tableRowLen:][:tableRowLen] }

func (t contents) at(i int) Entry {
	row := t.row(i)
	return Entry{
		ID: ID(row), Kind: Kind(row[32]),
		Offset: int64(binary.LittleEndian.Uint64(row[33:])),
		Stored: int(binary.LittleEndian.Uint32(row[41:])),
		Plain:  int(binary.LittleEndian.Uint32(row[45:])),
	}
}

func (t contents) find(key objectKey) (Entry, bool) {
	var want [33]byte
	copy(want[:], key.id[:])
	want[32] = byte(key.kind)
	i := sort.Search(t.len(), func(i int) bool { return bytes.Compare(t.row(i)[:33], want[:]) >= 0 })
	if i == t.len() || !bytes.Equal(t.row(i)[:33], want[:]) {
		return Entry{}, false
	}
	return t.at(i), true
}
