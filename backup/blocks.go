package backup

import (
	"bytes"

	"varve/chunkstore"
)

// zeros is what a chunk of zeros is compared with, piece by piece.
var zeros [64 << 10]byte

// isZero tells whether all bytes are zero.
func isZero(p []byte) bool {
	for len(p) > len(zeros) {
		if !bytes.Equal(p[:len(zeros)], zeros[:]) {
			return false
		}
		p = p[len(zeros):]
	}
	return bytes.Equal(p, zeros[:len(p)])
}

// dataBlocks counts the blocks that are not zeros.
func dataBlocks(chunk []byte) (n int) {
	for off := 0; off < len(chunk); off += chunkstore.BlockSize {
		if !isZero(chunk[off:min(off+chunkstore.BlockSize, len(chunk))]) {
			n++
		}
	}
	return n
}

// changedBlocks counts the blocks in which two contents of a chunk differ.
func changedBlocks(a, b []byte) (n int) {
	for off := 0; off < len(a); off += chunkstore.BlockSize {
		end := min(off+chunkstore.BlockSize, len(a))
		if !bytes.Equal(a[off:end], b[off:end]) {
			n++
		}
	}
	return n
}
