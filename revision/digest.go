package revision

import (
	"encoding/binary"

	"lukechampine.com/blake3"
)

// The contexts under which BLAKE3 derives the two kinds of hash. They are part of
// the format.
const (
	regionContext = "varve region v1"
	imageContext  = "varve image v1"
)

// RegionHash is the hash of one region's non-zero chunks, which ascend: BLAKE3
// derive-key over (index in the region u32 ‖ content id) of each. A region of zeros
// has no hash.
func RegionHash(chunks []Chunk) [32]byte {
	data := make([]byte, 0, len(chunks)*36)
	for i := range chunks {
		data = appendLeaf(data, chunks[i].Index, chunks[i].Content)
	}
	return regionHash(data)
}

func appendLeaf(data []byte, index uint64, content [32]byte) []byte {
	data = binary.LittleEndian.AppendUint32(data, uint32(index%RegionChunks))
	return append(data, content[:]...)
}

func regionHash(leaves []byte) (hash [32]byte) {
	blake3.DeriveKey(hash[:], regionContext, leaves)
	return hash
}

// A RegionHasher hashes one region after another without garbage. It belongs to one goroutine.
type RegionHasher struct{ leaves []byte }

// Hash is the hash of a region of these content ids, of which zeros stand for chunks of zeros.
func (h *RegionHasher) Hash(contents *[RegionChunks][32]byte) [32]byte {
	h.leaves = h.leaves[:0]
	for i := range contents {
		if contents[i] != ([32]byte{}) {
			h.leaves = appendLeaf(h.leaves, uint64(i), contents[i])
		}
	}
	return regionHash(h.leaves)
}

// ImageDigest is BLAKE3 derive-key over chunk size u64 ‖ size u64 ‖ (region u64 ‖
// region hash) of each region that is not all zeros, ascending. It depends on the
// bytes and the size of the image, and on nothing else.
func ImageDigest(chunkSize, size uint64, rows []Region) (digest Digest) {
	data := make([]byte, 0, 16+len(rows)*regionRowSize)
	data = binary.LittleEndian.AppendUint64(data, chunkSize)
	data = binary.LittleEndian.AppendUint64(data, size)
	for _, row := range rows {
		data = appendRegionRow(data, row)
	}
	blake3.DeriveKey(digest[:], imageContext, data)
	return digest
}
