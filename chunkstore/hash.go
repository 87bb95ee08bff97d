package chunkstore

import (
	"bytes"
	"encoding/binary"

	"github.com/zeebo/xxh3"
	"lukechampine.com/blake3"
)

// A Hasher computes the names of one lineage: its key keeps others from forging
// them, its seed keeps guests from steering fingerprints into each other.
type Hasher struct {
	key  [32]byte
	seed uint64
}

// NewHasher returns the Hasher of the lineage that has this key and seed.
func NewHasher(key [32]byte, seed uint64) Hasher { return Hasher{key: key, seed: seed} }

// Fingerprint is the seeded xxh3-128 of b as a little-endian number, and never
// zero: that is left to the zero chunk.
func (h Hasher) Fingerprint(b []byte) Fingerprint {
	sum := xxh3.Hash128Seed(b, h.seed)
	var f Fingerprint
	binary.LittleEndian.PutUint64(f[0:], sum.Lo)
	binary.LittleEndian.PutUint64(f[8:], sum.Hi)
	if f.IsZero() {
		f[0] = 1
	}
	return f
}

// matches tells whether f is the fingerprint of b, the zero one if b is zeros.
func (h Hasher) matches(b []byte, f Fingerprint) bool {
	if f.IsZero() {
		return IsZeros(b)
	}
	return h.Fingerprint(b) == f
}

// zeros is what bytes are compared with, piece by piece: it stays in the cache of a
// processor, where the bytes themselves do not.
var zeros [64 << 10]byte

// IsZeros tells whether all bytes are zero.
func IsZeros(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// ChunkID names the chunk with this content. It is never zero.
func (h Hasher) ChunkID(b []byte) ID { return h.name(Chunk, b) }

// PatchID names the patch with these plain bytes. It is never zero.
func (h Hasher) PatchID(plain []byte) ID { return h.name(Patch, plain) }

// name is BLAKE3-256 under the lineage's key over kind and content.
func (h Hasher) name(kind Kind, b []byte) ID {
	hash := blake3.New(len(ID{}), h.key[:])
	_, _ = hash.Write([]byte{byte(kind)}) // never fails, as hash.Hash promises
	_, _ = hash.Write(b)
	var id ID
	hash.Sum(id[:0])
	if id.IsZero() {
		id[0] = 1
	}
	return id
}

// checksum guards stored bytes against chance, not against people.
func checksum(b []byte) uint64 { return xxh3.Hash(b) }

// appendChecksum appends to b the checksum of body.
func appendChecksum(b, body []byte) []byte {
	return binary.LittleEndian.AppendUint64(b, checksum(body))
}
