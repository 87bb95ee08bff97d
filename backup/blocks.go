package backup

import "varve/chunkstore"

// dataBlocks counts the blocks that are not zeros.
func dataBlocks(chunk []byte) (n int) {
	for off := 0; off < len(chunk); off += chunkstore.BlockSize {
		if !chunkstore.IsZeros(chunk[off:min(off+chunkstore.BlockSize, len(chunk))]) {
			n++
		}
	}
	return n
}
