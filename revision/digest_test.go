package revision_test

import (
	"testing"

	"varve/chunkstore"
	"varve/revision"
)

// A region is hashed alike however its chunks are given.
func TestRegionHasher(t *testing.T) {
	t.Parallel()
	var hasher revision.RegionHasher
	for _, indexes := range [][]uint64{{0}, {7, 8, 4095}, {4095}, {}} {
		var contents [revision.RegionChunks][32]byte
		var chunks []revision.Chunk
		for _, i := range indexes {
			contents[i] = chunkstore.ID{1, byte(i)}
			chunks = append(chunks, revision.Chunk{Index: 3*revision.RegionChunks + i, Content: contents[i]})
		}
		if got, want := hasher.Hash(&contents), revision.RegionHash(chunks); got != want {
			t.Errorf("chunks %v: %x, want %x", indexes, got, want)
		}
	}
}
