package chunkstore

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A frame holds one object. Integers are little-endian.
//
//	offset  size  field
//	     0     4  magic "VRVF"
//	     4     2  version, 1
//	     6     1  kind: 1 chunk, 2 patch
//	     7     1  codec: 0 none, 1 lz4, 2 zstd, 3 s2
//	     8     1  log2 of the segment size, 12 to 20
//	     9     3  flags, zero
//	    12     4  key id, zero: not encrypted
//	    16    32  id of the object
//	    48     4  length of the plain bytes, not zero
//	    52     4  length of all that follows this header
//	    56  12·n  segment table: {stored length u32, xxh3-64 of the stored bytes u64}
//	     …     8  xxh3-64 of header and segment table
//	     …        the n segments
//
// n is the plain length divided by the segment size, rounded up. A segment whose
// stored length equals its plain length is stored plain; none is longer.
// The checksum covers the table, and the table's checksums cover the segments: a
// reader of one segment checks all that it relies on, and no byte is uncovered.
//
// These values are on disk. Never change them; add a version. What is needed to
// find the checksum keeps its place in every version to come.
const (
	frameMagic     = "VRVF"
	frameVersion   = 1
	frameHeaderLen = 56
	segmentRowLen  = 12
	checksumLen    = 8

	minSegmentLog = 12
	maxSegmentLog = 20
)

// segmentLog is the size of the segments that are written. docs/performance.md has
// the measurements behind it.
const segmentLog = 16

var (
	errMagic        = errors.New("wrong magic number")
	errChecksum     = errors.New("wrong checksum")
	errShort        = errors.New("the file ends too early")
	errSegmentSize  = errors.New("impossible segment size")
	errFrameLength  = errors.New("the lengths in the frame contradict each other")
	errOtherObject  = errors.New("the frame holds another object than the table of contents says")
	errKind         = errors.New("unknown kind of object")
	errNotWhatPut   = errors.New("the encoded object decodes to something else")
	errFingerprint  = errors.New("content and fingerprint do not agree")
	errWrongContent = errors.New("the content does not match its name")
)

type frameHeader struct {
	kind       Kind
	codec      Codec
	segmentLog uint8
	keyID      uint32
	id         ID
	plain      uint32
	rest       uint32 // length of all that follows the header
}

func (h frameHeader) append(b []byte) []byte {
	b = append(b, frameMagic...)
	b = binary.LittleEndian.AppendUint16(b, frameVersion)
	b = append(b, byte(h.kind), byte(h.codec), h.segmentLog, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, h.keyID)
	b = append(b, h.id[:]...)
	b = binary.LittleEndian.AppendUint32(b, h.plain)
	return binary.LittleEndian.AppendUint32(b, h.rest)
}

// parseFrameHeader reads the header at the start of b, without its checksum, which
// needs the table too, and so without its version.
func parseFrameHeader(b []byte) (frameHeader, error) {
	if len(b) < frameHeaderLen {
		return frameHeader{}, errShort
	}
	if string(b[:4]) != frameMagic {
		return frameHeader{}, errMagic
	}
	h := frameHeader{
		kind: Kind(b[6]), codec: Codec(b[7]), segmentLog: b[8],
		keyID: binary.LittleEndian.Uint32(b[12:]),
		id:    ID(b[16:48]),
		plain: binary.LittleEndian.Uint32(b[48:]),
		rest:  binary.LittleEndian.Uint32(b[52:]),
	}
	if h.segmentLog < minSegmentLog || h.segmentLog > maxSegmentLog {
		return frameHeader{}, errSegmentSize
	}
	if h.plain == 0 || h.plain > maxPlain || int64(h.rest) < int64(h.tableLen()+checksumLen) {
		return frameHeader{}, errFrameLength
	}
	return h, nil
}

// check refuses what a header under a right checksum may say and this program does
// not know.
func (h frameHeader) check(b []byte) error {
	if v := binary.LittleEndian.Uint16(b[4:]); v != frameVersion {
		return &VersionError{What: "frame", Version: int(v), Known: frameVersion}
	}
	switch {
	case h.kind != Chunk && h.kind != Patch:
		return errKind
	case h.codec > S2:
		return &FeatureError{What: "frame codec", Value: uint64(h.codec)}
	case b[9]|b[10]|b[11] != 0:
		flags := uint64(b[9]) | uint64(b[10])<<8 | uint64(b[11])<<16
		return &FeatureError{What: "frame flags", Value: flags}
	case h.keyID != 0:
		return &FeatureError{What: "frame key", Value: uint64(h.keyID)}
	}
	return nil
}

func (h frameHeader) segments() int {
	return int((uint64(h.plain) + 1<<h.segmentLog - 1) >> h.segmentLog)
}

func (h frameHeader) tableLen() int { return h.segments() * segmentRowLen }

// headLen is the length of all that stands before the first segment.
func (h frameHeader) headLen() int { return frameHeaderLen + h.tableLen() + checksumLen }

// plainLen is the length of segment i before compression.
func (h frameHeader) plainLen(i int) int {
	return min(1<<h.segmentLog, int(h.plain)-i<<h.segmentLog)
}

// maxHeadLen bounds the head of a frame with this many plain bytes.
func maxHeadLen(plain int) int {
	return frameHeader{segmentLog: minSegmentLog, plain: uint32(plain)}.headLen()
}

// frameHead is all of a frame that precedes its segments, verified.
type frameHead struct {
	frameHeader
	table []byte
}

// parseFrameHead verifies the head of a frame at the start of b.
func parseFrameHead(b []byte) (frameHead, error) {
	h, err := parseFrameHeader(b)
	if err != nil {
		return frameHead{}, err
	}
	end := frameHeaderLen + h.tableLen()
	if len(b) < end+checksumLen {
		return frameHead{}, errShort
	}
	if checksum(b[:end]) != binary.LittleEndian.Uint64(b[end:]) {
		return frameHead{}, errChecksum
	}
	if err := h.check(b); err != nil {
		return frameHead{}, err
	}
	head := frameHead{frameHeader: h, table: b[frameHeaderLen:end]}
	stored := int64(h.tableLen() + checksumLen)
	for i := range h.segments() {
		n := head.storedLen(i)
		if n == 0 || n > h.plainLen(i) || n < h.plainLen(i) && h.codec == None {
			return frameHead{}, errFrameLength
		}
		stored += int64(n)
	}
	if stored != int64(h.rest) {
		return frameHead{}, errFrameLength
	}
	return head, nil
}

func (h frameHead) storedLen(i int) int {
	return int(binary.LittleEndian.Uint32(h.table[i*segmentRowLen:]))
}

func (h frameHead) sum(i int) uint64 {
	return binary.LittleEndian.Uint64(h.table[i*segmentRowLen+4:])
}

// offset is where segment i begins in the frame; that of the segment after the
// last is where the frame ends.
func (h frameHead) offset(i int) int {
	at := h.headLen()
	for k := range i {
		at += h.storedLen(k)
	}
	return at
}

// openSegment verifies the stored bytes of segment i and decodes them into dst,
// which has the segment's plain length.
func (h frameHead) openSegment(c *coder, i int, dst, stored []byte) error {
	if checksum(stored) != h.sum(i) {
		return fmt.Errorf("segment %d: %w", i, errChecksum)
	}
	if len(stored) == len(dst) {
		copy(dst, stored)
		return nil
	}
	if err := c.decompress(h.codec, dst, stored); err != nil {
		return fmt.Errorf("segment %d: %w", i, err)
	}
	return nil
}

// encodeFrame builds the frame of an object in c.frame, where it stays until the
// coder's next use.
func (c *coder) encodeFrame(codec Codec, kind Kind, id ID, plain []byte) ([]byte, error) {
	h := frameHeader{kind: kind, codec: codec, segmentLog: segmentLog, id: id, plain: uint32(len(plain))}
	if need := h.headLen() + len(plain) + encoderSlack; cap(c.frame) < need {
		c.frame = make([]byte, 0, need)
	}
	b := c.frame[:h.headLen()]
	for i := range h.segments() {
		segment := plain[i<<segmentLog:][:h.plainLen(i)]
		start := len(b)
		var err error
		if b, err = c.compress(codec, b, segment); err != nil {
			return nil, err
		}
		row := b[frameHeaderLen+i*segmentRowLen:]
		binary.LittleEndian.PutUint32(row, uint32(len(b)-start))
		binary.LittleEndian.PutUint64(row[4:], checksum(b[start:]))
	}
	c.frame = b
	h.rest = uint32(len(b) - frameHeaderLen)
	h.append(b[:0])
	end := frameHeaderLen + h.tableLen()
	binary.LittleEndian.PutUint64(b[end:], checksum(b[:end]))
	return b, nil
}

// encoderSlack is room for an encoder to overshoot a segment before its result
// is found too long and dropped.
const encoderSlack = 4 << 10

// verifyFrame decodes a frame just encoded and compares it with what went in.
func (c *coder) verifyFrame(frame []byte, kind Kind, id ID, plain []byte) error {
	head, err := parseFrameHead(frame)
	if err != nil {
		return err
	}
	if head.kind != kind || head.id != id || int(head.plain) != len(plain) || head.offset(head.segments()) != len(frame) {
		return errNotWhatPut
	}
	c.segment = sized(c.segment, 1<<head.segmentLog)
	at := head.headLen()
	for i := range head.segments() {
		n, want := head.storedLen(i), plain[i<<head.segmentLog:][:head.plainLen(i)]
		if err := head.openSegment(c, i, c.segment[:len(want)], frame[at:at+n]); err != nil {
			return err
		}
		if string(c.segment[:len(want)]) != string(want) {
			return errNotWhatPut
		}
		at += n
	}
	return nil
}

// decodeFrame decodes a whole frame into dst, which has its plain length.
func (c *coder) decodeFrame(frame, dst []byte) (frameHead, error) {
	head, err := parseFrameHead(frame)
	if err != nil {
		return frameHead{}, err
	}
	if int(head.plain) != len(dst) || int(head.rest) != len(frame)-frameHeaderLen {
		return frameHead{}, errFrameLength
	}
	at := head.headLen()
	for i := range head.segments() {
		n := head.storedLen(i)
		if err := head.openSegment(c, i, dst[i<<head.segmentLog:][:head.plainLen(i)], frame[at:at+n]); err != nil {
			return frameHead{}, err
		}
		at += n
	}
	return head, nil
}

// maxStored bounds the length of a frame with this many plain bytes.
func maxStored(plain int) int { return maxHeadLen(plain) + plain }

// maxPlain bounds the plain bytes of any object.
const maxPlain = MaxChunkSize + patchFingerprints + 2*MaxChunkSize/BlockSize/8
