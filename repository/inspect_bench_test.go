package repository_test

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// BenchmarkInspect looks through a repository of VARVE_BENCH_REVISIONS revisions, in volumes
// of a hundred, each of which has a thousand objects of its own, and tells how much memory
// that takes at most.
func BenchmarkInspect(b *testing.B) {
	count, err := strconv.Atoi(os.Getenv("VARVE_BENCH_REVISIONS"))
	if err != nil || count < 1 {
		b.Skip("VARVE_BENCH_REVISIONS says how many revisions; a thousand take minutes to make")
	}
	p := newPlace(b)
	r := p.open()
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := 0; n < count; n += 100 {
		p.forgeHistory(r, revision.Name("v"+strconv.Itoa(n)), min(100, count-n), begun)
		p.hollowPacks()
	}
	r = p.open()
	rd, err := r.NewReader(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	closeAfter(b, rd)
	runtime.GC()
	var most atomic.Uint64
	for b.Loop() {
		stop := make(chan struct{})
		go func() {
			for {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most.Store(max(most.Load(), m.HeapInuse))
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}()
		in, err := rd.Inspect(b.Context(), repository.InspectOptions{Fault: func(f repository.Fault) {
			if !f.Harmless {
				b.Errorf("%+v", f)
			}
		}})
		close(stop)
		if err != nil || in.Revisions != count {
			b.Fatalf("%+v, %v", in, err)
		}
		b.ReportMetric(float64(in.Objects), "objects")
	}
	b.ReportMetric(float64(most.Load())/(1<<20), "MiB")
}

// forgeHistory makes a volume of 16 regions, of which each revision changes a thousand chunks.
func (p *place) forgeHistory(r *repository.Repository, name revision.Name, revisions int, begun time.Time) {
	p.t.Helper()
	const chunks, changes = 16 * revision.RegionChunks, 1000
	now := make([]chunkstore.ID, chunks)
	f := &forger{p: p, repo: r, volume: name}
	below, result := make([]byte, chunkSize), make([]byte, chunkSize)
	f.batch(func(b *repository.Backup) {
		var parent *revision.Statement
		for n := range revisions {
			var changed []revision.Chunk
			for i := range changes {
				at := uint64(i*(chunks/changes) + n%(chunks/changes))
				p.random(result[8:24])
				fp := r.Hasher().Fingerprint(result)
				put, _, err := b.Chunks().PutPatch(p.t.Context(), below, result, chunkstore.Fingerprint{}, fp)
				if err != nil {
					p.t.Fatal(err)
				}
				c := revision.Chunk{Index: at, Fingerprint: fp, Stack: chunkstore.Stack{Patches: []chunkstore.Ref{put.Ref}}}
				binary.LittleEndian.PutUint64(c.Content[:], uint64(n*changes+i+1))
				copy(c.Content[8:], fp[:])
				now[at] = c.Content
				changed = append(changed, c)
			}
			st := statement(newImage(chunks*chunkSize), storeOptions{})
			st.Sequence, st.Kind, st.Parent = uint64(n+1), revision.Full, nil
			if parent != nil {
				st.Kind, st.Parent = revision.Delta, &revision.Parent{ID: parent.ID, Digest: parent.Digest}
			}
			at := begun.Add(time.Duration(n) * time.Hour)
			st.ID, st.Begun, st.Ended = revision.NewID(at, rand.Reader), at, at
			st.Volume = revision.Volume{UUID: b.Volume().UUID, Name: name}
			st.Lineage, st.Repository, st.ChunkSize = r.Lineage(), r.ID(), chunkSize
			p.random(st.Nonce[:])
			var regions []revision.Region
			for n := range uint64(chunks / revision.RegionChunks) {
				var there []revision.Chunk
				for i := n * revision.RegionChunks; i < (n+1)*revision.RegionChunks; i++ {
					if !now[i].IsZero() {
						there = append(there, revision.Chunk{Index: i, Content: now[i]})
					}
				}
				if len(there) > 0 {
					regions = append(regions, revision.Region{Region: n, Hash: revision.RegionHash(there)})
				}
			}
			st.Digest = revision.ImageDigest(st.ChunkSize, st.Size, regions)
			p.forgeFile(&st, regions, changed)
			parent = &st
		}
	})
}

// hollowPacks frees the room that frames take, of which an inspection reads none: a pack keeps its
// head, and its table of contents at the end.
func (p *place) hollowPacks() {
	p.t.Helper()
	const head, table = 4 << 10, 4 << 20
	for _, name := range p.files(".pack") {
		f, err := os.OpenFile(p.path(name), os.O_RDWR, 0)
		if err != nil {
			p.t.Fatal(err)
		}
		info, err := f.Stat()
		if err == nil && info.Size() > head+table {
			err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, head, info.Size()-head-table)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			p.t.Fatal(err)
		}
	}
}
