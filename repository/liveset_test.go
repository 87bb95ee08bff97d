package repository_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// A live set has what was added and nothing else, and each at a place of its own.
func TestLiveSet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var s repository.LiveSet
		want := map[uint64]bool{}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		edge := []uint64{0, 1, 1<<64 - 1, 1 << 63}
		for i := range rapid.IntRange(0, 5000).Draw(rt, "objects") {
			key := rng.Uint64() & rapid.SampledFrom([]uint64{1<<64 - 1, 0xff << 56, 0xff}).Draw(rt, "mask")
			if i%100 == 0 {
				key = edge[i/100%len(edge)]
			}
			if added := s.Add(key); added == want[key] {
				rt.Fatalf("adding %x: %v", key, added)
			}
			want[key] = true
		}
		if s.Len() != len(want) {
			rt.Fatalf("%d objects, want %d", s.Len(), len(want))
		}
		places := map[int]bool{}
		for key := range want {
			at, found := s.Find(key)
			if !found || at >= s.Places() || places[at] {
				rt.Fatalf("%x at %d of %d: %v, or twice", key, at, s.Places(), found)
			}
			places[at] = true
		}
		for range 100 {
			if key := rng.Uint64(); !want[key] {
				if _, found := s.Find(key); found {
					rt.Fatalf("%x was never added", key)
				}
			}
		}
	})
}

// BenchmarkLiveSet fills a live set with ten million objects, and tells what it takes.
func BenchmarkLiveSet(b *testing.B) {
	const objects = 10_000_000
	for b.Loop() {
		var s repository.LiveSet
		rng := rand.New(rand.NewPCG(1, 2))
		for range objects {
			s.Add(rng.Uint64())
		}
		b.ReportMetric(float64(s.Places()*8)/objects, "B/object")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/objects/float64(b.N), "ns/object")
	b.ReportMetric(mostMemory(b), "peak-MiB")
}

// mostMemory is the most that this process ever had in memory, in MiB (proc(5)).
func mostMemory(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

// BenchmarkMark is a dry run over a map of two million objects, none of which is in a pack.
func BenchmarkMark(b *testing.B) {
	const chunks = 2_000_000
	p := newPlace(b)
	r := p.open()
	bk, err := r.BeginBackup(b.Context(), repository.BackupOptions{Volume: "big"})
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var part []revision.Chunk
	var rows []revision.Region
	for i := range uint64(chunks) {
		var id chunkstore.ID
		for at := 0; at < len(id); at += 8 {
			binary.LittleEndian.PutUint64(id[at:], rng.Uint64())
		}
		fp := chunkstore.Fingerprint(id[:16])
		e := revision.Entry{Index: i, Fingerprint: fp, Content: id, Base: revision.BaseContent, BaseRef: chunkstore.Ref{ID: id, Pack: chunkstore.PackID{1, byte(i >> 8)}}}
		if err := bk.Map().Add(e); err != nil {
			b.Fatal(err)
		}
		part = append(part, revision.Chunk{Index: i, Fingerprint: fp, Content: id})
		if i+1 == chunks || (i+1)%revision.RegionChunks == 0 {
			rows = append(rows, revision.Region{Region: i / revision.RegionChunks, Hash: revision.RegionHash(part)})
			part = part[:0]
		}
	}
	if _, err := bk.Commit(b.Context(), rows, statement(newImage(chunks*chunkSize), storeOptions{})); err != nil {
		b.Fatal(err)
	}
	if err := bk.Close(); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	n := 0
	for b.Loop() {
		n++
		result, err := r.CollectGarbage(b.Context(), repository.GCOptions{DryRun: true})
		if err != nil || result.Objects != chunks {
			b.Fatal(fmt.Sprintf("%+v", result), err)
		}
	}
	b.ReportMetric(float64(time.Since(begun).Nanoseconds())/chunks/float64(n), "ns/object")
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/chunks/float64(n), "allocated-B/object")
}
