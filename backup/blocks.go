package backup

import (
	"bytes"

	"varve/chunkstore"
)

// dataBlocks counts the blocks that are not zeros.
func dataBlocks(chunk []byte) (n int) {
	for off := 0; off < len(chunk); off += chunkstore.BlockSize {
		if !chunkstore.IsZeros(chunk[off:min(off+chunkstore.BlockSize, len(chunk))]) {
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
