package chunkstore_test

import (
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable"
)

const benchChunk = 1 << 20

// benchChunks gives chunks of the file that VARVE_BENCH_DATA names, or of a mixture
// of words, records and noise made here.
func benchChunks(b *testing.B) [][]byte {
	b.Helper()
	var data []byte
	if name := os.Getenv("VARVE_BENCH_DATA"); name != "" {
		f, err := os.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		data = make([]byte, 256<<20)
		n, _ := f.ReadAt(data, 0)
		data = data[:n]
	} else {
		data = mixture(64 << 20)
	}
	var chunks [][]byte
	for ; len(data) >= benchChunk; data = data[benchChunk:] {
		chunks = append(chunks, data[:benchChunk])
	}
	return chunks
}

func mixture(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([][]byte, 2000)
	for i := range words {
		words[i] = make([]byte, 3+r.IntN(8))
		for k := range words[i] {
			words[i][k] = byte('a' + r.IntN(26))
		}
	}
	data := make([]byte, 0, n+1024)
	for len(data) < n {
		switch kind := len(data) >> 18 % 4; kind {
		case 0, 1: // text
			data = append(append(data, words[r.IntN(len(words))]...), ' ')
		case 2: // records: a counter, a few random bytes, zeros
			data = append(data, byte(len(data)>>8), byte(len(data)>>16), byte(r.Uint32()), byte(r.Uint32()), 0, 0, 0, 1)
		default:
			data = append(data, byte(r.Uint32()))
		}
	}
	return data[:n]
}

func benchStore(b *testing.B) (*chunkstore.Store, chunkstore.Hasher) {
	b.Helper()
	fsys, err := durable.OpenTree(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = fsys.Close() })
	if err := chunkstore.MakeDirs(fsys); err != nil {
		b.Fatal(err)
	}
	h := chunkstore.NewHasher([32]byte{1}, 2)
	s, err := chunkstore.Open(chunkstore.Config{FS: fsys, ChunkSize: benchChunk, Hasher: h})
	if err != nil {
		b.Fatal(err)
	}
	return s, h
}

// BenchmarkPut measures all that a new chunk goes through but reading it, by as many
// workers as there are processors: name, encode, verify, append, and the barrier at
// the end.
func BenchmarkPut(b *testing.B) {
	chunks := benchChunks(b)
	for _, codec := range []chunkstore.Codec{chunkstore.Zstd, chunkstore.LZ4, chunkstore.None} {
		b.Run(codec.String(), func(b *testing.B) {
			s, h := benchStore(b)
			w, err := s.NewWriter(chunkstore.WriterConfig{Codec: codec, Temps: durable.NewTemps("bench")})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = w.Close() }()
			b.SetBytes(benchChunk)
			b.ReportAllocs()
			var next, stored atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := int(next.Add(1))
					content := chunks[i%len(chunks)]
					id := h.ChunkID(content)
					id[0], id[1], id[2] = byte(i), byte(i>>8), byte(i>>16) // never the same twice
					put, err := w.PutChunk(b.Context(), id, content)
					if err != nil {
						b.Error(err)
						return
					}
					stored.Add(put.Stored)
				}
			})
			if err := w.Barrier(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(next.Load()*benchChunk)/float64(stored.Load()), "ratio")
		})
	}
}

// BenchmarkNames measures what each chunk read pays, and each changed one.
func BenchmarkNames(b *testing.B) {
	h := chunkstore.NewHasher([32]byte{1}, 2)
	content := mixture(benchChunk)
	b.Run("fingerprint", func(b *testing.B) {
		b.SetBytes(benchChunk)
		for b.Loop() {
			h.Fingerprint(content)
		}
	})
	b.Run("chunk id", func(b *testing.B) {
		b.SetBytes(benchChunk)
		for b.Loop() {
			h.ChunkID(content)
		}
	})
}

// BenchmarkReadAt measures random reads of 4 KiB through a base and patches.
func BenchmarkReadAt(b *testing.B) {
	chunks := benchChunks(b)
	chunks = chunks[:min(64, len(chunks))]
	for name, patches := range map[string]int{"base": 0, "base and 4 patches": 4} {
		b.Run(name, func(b *testing.B) {
			s, h := benchStore(b)
			stacks, fingerprints := benchStacks(b, s, h, chunks, patches)
			r := s.Reader(nil)
			defer func() { _ = r.Close() }()
			random := rand.New(rand.NewPCG(1, 1))
			buf := make([]byte, 4096)
			b.SetBytes(4096)
			b.ReportAllocs()
			for b.Loop() {
				i := random.IntN(len(stacks))
				if err := r.ReadAt(b.Context(), stacks[i], fingerprints[i], buf, random.IntN(256)*4096); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReadChunk measures reading whole chunks.
func BenchmarkReadChunk(b *testing.B) {
	chunks := benchChunks(b)
	chunks = chunks[:min(64, len(chunks))]
	s, h := benchStore(b)
	stacks, fingerprints := benchStacks(b, s, h, chunks, 0)
	r := s.Reader(nil)
	defer func() { _ = r.Close() }()
	buf := make([]byte, benchChunk)
	b.SetBytes(benchChunk)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := r.ReadChunk(b.Context(), stacks[i%len(stacks)], fingerprints[i%len(stacks)], buf); err != nil {
			b.Fatal(err)
		}
	}
}

// benchStacks stores chunks and puts patches over each, of 16 blocks.
func benchStacks(b *testing.B, s *chunkstore.Store, h chunkstore.Hasher, chunks [][]byte, patches int) ([]chunkstore.Stack, []chunkstore.Fingerprint) {
	b.Helper()
	w, err := s.NewWriter(chunkstore.WriterConfig{Codec: chunkstore.Zstd, Temps: durable.NewTemps("bench")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	stacks, fingerprints := make([]chunkstore.Stack, len(chunks)), make([]chunkstore.Fingerprint, len(chunks))
	for i, c := range chunks {
		below := append([]byte(nil), c...)
		put, err := w.PutChunk(b.Context(), h.ChunkID(below), below)
		if err != nil {
			b.Fatal(err)
		}
		stacks[i].Base = put.Ref
		for level := range patches {
			result := append([]byte(nil), below...)
			for k := range 16 {
				copy(result[(k*16+level)*4096+99:], "a row was updated here")
			}
			put, _, err := w.PutPatch(b.Context(), below, result, h.Fingerprint(below), h.Fingerprint(result))
			if err != nil {
				b.Fatal(err)
			}
			stacks[i].Patches = append(stacks[i].Patches, put.Ref)
			below = result
		}
		fingerprints[i] = h.Fingerprint(below)
	}
	if err := w.Barrier(b.Context()); err != nil {
		b.Fatal(err)
	}
	return stacks, fingerprints
}
