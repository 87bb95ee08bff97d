package chunkstore

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// A patch holds the blocks in which a chunk differs from what lies below it in a
// stack. Its plain bytes, with m = chunk size / 4096 / 8:
//
//	offset  size  field
//	     0    16  fingerprint of the content below, zero: the zero chunk
//	    16    16  fingerprint of the result
//	    32     m  bitmap of changed blocks, least significant bit first
//	  32+m     m  bitmap of XORed blocks, each of them also changed
//	 32+2m  4096  for each changed block, ascending: its new bytes, or
//	     …        their XOR with the same block of the content below
//
// At least one block is changed. A writer XORs a block if and only if fewer than
// 2048 bytes of the XOR are not zero; a reader follows the bit.
const (
	patchFingerprints = 32
	xorLimit          = BlockSize / 2
)

var (
	errPatchLength  = errors.New("the patch has the wrong length")
	errPatchEmpty   = errors.New("the patch changes no block")
	errPatchBitmaps = errors.New("the patch XORs a block that it does not change")
	errPatchBelow   = errors.New("the patch belongs on other content")
	errPatchResult  = errors.New("the patch makes other content than the map says")
)

// PatchStats says what a patch consists of.
type PatchStats struct {
	Changed int // blocks
	XORed   int // of these
	Plain   int // bytes before compression
}

// patchHead is the part of a patch that precedes its blocks.
type patchHead struct {
	below, result  Fingerprint
	changed, xored []byte
}

func patchHeadLen(chunkSize int) int { return patchFingerprints + 2*(chunkSize/BlockSize/8) }

// maxPatchLen is the length of a patch that changes every block.
func maxPatchLen(chunkSize int) int { return patchHeadLen(chunkSize) + chunkSize }

// parsePatchHead verifies the first bytes of a patch of length plain.
func parsePatchHead(b []byte, chunkSize, plain int) (patchHead, error) {
	n := patchHeadLen(chunkSize)
	if plain < n || len(b) < n {
		return patchHead{}, errPatchLength
	}
	maps := b[patchFingerprints:n]
	h := patchHead{
		below: Fingerprint(b[:16]), result: Fingerprint(b[16:32]),
		changed: maps[:len(maps)/2], xored: maps[len(maps)/2:],
	}
	blocks := 0
	for i, c := range h.changed {
		if h.xored[i]&^c != 0 {
			return patchHead{}, errPatchBitmaps
		}
		blocks += bits.OnesCount8(c)
	}
	if blocks == 0 {
		return patchHead{}, errPatchEmpty
	}
	if plain != n+blocks*BlockSize {
		return patchHead{}, errPatchLength
	}
	return h, nil
}

func (h patchHead) changes(block int) bool { return h.changed[block/8]>>(block%8)&1 != 0 }
func (h patchHead) xors(block int) bool    { return h.xored[block/8]>>(block%8)&1 != 0 }

// length is that of the whole patch.
func (h patchHead) length() int { return h.position(len(h.changed) * 8) }

// position is where in the patch the bytes of a changed block begin.
func (h patchHead) position(block int) int {
	rank := 0
	for _, c := range h.changed[:block/8] {
		rank += bits.OnesCount8(c)
	}
	if block%8 != 0 {
		rank += bits.OnesCount8(h.changed[block/8] & (1<<(block%8) - 1))
	}
	return patchFingerprints + 2*len(h.changed) + rank*BlockSize
}

// AppendPatch appends to dst the plain bytes of the patch that turns below into
// result, two contents of one chunk with these fingerprints.
func AppendPatch(dst, below, result []byte, belowFP, resultFP Fingerprint) ([]byte, PatchStats) {
	if len(below) != len(result) || len(below)%(8*BlockSize) != 0 {
		panic("chunkstore: patch between contents that are no two of one chunk")
	}
	start, m := len(dst), len(below)/BlockSize/8
	dst = append(append(dst, belowFP[:]...), resultFP[:]...)
	maps := len(dst)
	for range 2 * m {
		dst = append(dst, 0)
	}
	var st PatchStats
	for i := range len(below) / BlockSize {
		was, is := below[i*BlockSize:][:BlockSize], result[i*BlockSize:][:BlockSize]
		if string(was) == string(is) {
			continue
		}
		dst[maps+i/8] |= 1 << (i % 8)
		st.Changed++
		dst = append(dst, is...)
		if differsLittle(was, is) {
			dst[maps+m+i/8] |= 1 << (i % 8)
			st.XORed++
			xorInto(dst[len(dst)-BlockSize:], was)
		}
	}
	st.Plain = len(dst) - start
	return dst, st
}

// ChangedBlocks counts the blocks in which two contents of a chunk differ.
func ChangedBlocks(a, b []byte) (n int) {
	for off := 0; off < len(a); off += BlockSize {
		end := min(off+BlockSize, len(a))
		if string(a[off:end]) != string(b[off:end]) {
			n++
		}
	}
	return n
}

// ApplyPatch turns chunk, which holds the content below the patch, into its
// result. It tells the fingerprints that the patch states; comparing them with
// those of the contents is the caller's. Damaged patches leave chunk untouched.
func ApplyPatch(chunk, plain []byte) (below, result Fingerprint, err error) {
	h, err := parsePatchHead(plain, len(chunk), len(plain))
	if err != nil {
		return below, result, err
	}
	at := patchHeadLen(len(chunk))
	for i, c := range h.changed {
		for ; c != 0; c &= c - 1 {
			block := i*8 + bits.TrailingZeros8(c)
			to, from := chunk[block*BlockSize:][:BlockSize], plain[at:][:BlockSize]
			if h.xors(block) {
				xorInto(to, from)
			} else {
				copy(to, from)
			}
			at += BlockSize
		}
	}
	return h.below, h.result, nil
}

// differsLittle tells whether fewer than xorLimit bytes differ.
func differsLittle(a, b []byte) bool {
	different := 0
	for i := 0; i+8 <= len(a); i += 8 {
		x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:])
		// The high bit of each byte that is not zero: adding 0x7f carries into it
		// from any lower bit, and x itself adds its own.
		const low = 0x7f7f7f7f7f7f7f7f
		different += bits.OnesCount64((x&low + low | x) &^ low)
		if different >= xorLimit {
			return false
		}
	}
	return true
}

// xorInto XORs src into dst; both have the same length.
func xorInto(dst, src []byte) {
	n := len(dst) &^ 7
	for i := 0; i < n; i += 8 {
		x := binary.LittleEndian.Uint64(dst[i:]) ^ binary.LittleEndian.Uint64(src[i:])
		binary.LittleEndian.PutUint64(dst[i:], x)
	}
	for i := n; i < len(dst); i++ {
		dst[i] ^= src[i]
	}
}
