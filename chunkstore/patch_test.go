package chunkstore

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// drawContents draws two contents of a chunk that differ in some blocks, little or
// much, and the blocks that differ.
func drawContents(t *rapid.T, size int) (below, result []byte) {
	below = bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "pattern"), size/64)
	result = bytes.Clone(below)
	for _, block := range rapid.SliceOfNDistinct(rapid.IntRange(0, size/BlockSize-1), 1, -1, rapid.ID[int]).Draw(t, "blocks") {
		n := rapid.SampledFrom([]int{1, 2, 2047, 2048, 2049, 4096}).Draw(t, "bytes")
		for i := range n {
			result[block*BlockSize+(i*7)%BlockSize] ^= byte(1 + i%255) // 7 is odd: each place once
		}
	}
	return below, result
}

func TestPatchesTurnOneContentIntoAnother(t *testing.T) {
	t.Parallel()
	h := NewHasher([32]byte{}, 3)
	rapid.Check(t, func(t *rapid.T) {
		below, result := drawContents(t, MinChunkSize)
		plain, stats := AppendPatch([]byte("kept"), below, result, h.Fingerprint(below), h.Fingerprint(result))
		plain = bytes.TrimPrefix(plain, []byte("kept"))
		if stats.Plain != len(plain) || len(plain) != patchHeadLen(len(below))+stats.Changed*BlockSize {
			t.Fatalf("stats %+v of %d bytes", stats, len(plain))
		}
		got := bytes.Clone(below)
		from, to, err := ApplyPatch(got, plain)
		if err != nil || from != h.Fingerprint(below) || to != h.Fingerprint(result) {
			t.Fatalf("ApplyPatch: %v, %v, %v", from, to, err)
		}
		if !bytes.Equal(got, result) {
			t.Fatal("the patch makes something else")
		}
		head, err := parsePatchHead(plain, len(below), len(plain))
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(below) / BlockSize {
			was, is := below[i*BlockSize:][:BlockSize], result[i*BlockSize:][:BlockSize]
			different := 0
			for k := range was {
				if was[k] != is[k] {
					different++
				}
			}
			if head.changes(i) != (different > 0) || head.xors(i) != (different > 0 && different < 2048) {
				t.Fatalf("block %d with %d bytes different: changed %v, XORed %v", i, different, head.changes(i), head.xors(i))
			}
			if !head.changes(i) {
				continue
			}
			block := bytes.Clone(plain[head.position(i):][:BlockSize])
			if head.xors(i) {
				xorInto(block, was)
			}
			if !bytes.Equal(block, is) {
				t.Fatalf("block %d by its position in the patch is another one", i)
			}
		}
	})
}

func TestDamagedPatchesAreRefused(t *testing.T) {
	t.Parallel()
	below, result := make([]byte, MinChunkSize), make([]byte, MinChunkSize)
	result[5*BlockSize] = 1
	whole, _ := AppendPatch(nil, below, result, Fingerprint{}, Fingerprint{1})
	for name, change := range map[string]func(b []byte) []byte{
		"empty":                 func([]byte) []byte { return nil },
		"head cut off":          func(b []byte) []byte { return b[:35] },
		"block cut short":       func(b []byte) []byte { return b[:len(b)-1] },
		"trailing byte":         func(b []byte) []byte { return append(b, 0) },
		"no block":              func(b []byte) []byte { return make([]byte, patchHeadLen(MinChunkSize)) },
		"XORed but not changed": func(b []byte) []byte { b[34] |= 1; return b },
		"one more changed":      func(b []byte) []byte { b[32] |= 1; return b },
	} {
		chunk := bytes.Clone(below)
		if _, _, err := ApplyPatch(chunk, change(bytes.Clone(whole))); err == nil {
			t.Errorf("%s: applied", name)
		}
		if !bytes.Equal(chunk, below) {
			t.Errorf("%s: the chunk was changed", name)
		}
	}
}

func FuzzPatch(f *testing.F) {
	below := make([]byte, MinChunkSize)
	result := bytes.Clone(below)
	for i := range 3 {
		copy(result[i*20000:], "some text that differs")
	}
	seed, _ := AppendPatch(nil, below, result, Fingerprint{}, Fingerprint{1})
	f.Add(seed)
	f.Add(seed[:40])
	f.Fuzz(func(t *testing.T, plain []byte) {
		chunk := make([]byte, MinChunkSize)
		from, to, err := ApplyPatch(chunk, plain)
		if err != nil {
			return
		}
		head, err := parsePatchHead(plain, len(chunk), len(plain))
		if err != nil || head.length() != len(plain) || head.below != from || head.result != to {
			t.Fatalf("applied, but its head is %+v, %v", head, err)
		}
		for i := range len(chunk) / BlockSize {
			want := make([]byte, BlockSize) // over zeros, XORed or not, the block is what the patch has
			if head.changes(i) {
				want = plain[head.position(i):][:BlockSize]
			}
			if !bytes.Equal(chunk[i*BlockSize:][:BlockSize], want) {
				t.Fatalf("block %d is not what the patch says", i)
			}
		}
	})
}

func BenchmarkAppendPatch(b *testing.B) {
	below := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	result := bytes.Clone(below)
	for i := range 16 {
		binary.LittleEndian.PutUint64(result[i*65536+100:], uint64(i))
	}
	var dst []byte
	b.SetBytes(int64(len(below)))
	for b.Loop() {
		dst, _ = AppendPatch(dst[:0], below, result, Fingerprint{1}, Fingerprint{2})
	}
}
