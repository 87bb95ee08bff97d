package repository_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// BenchmarkUnique finds out what only each of 1,000 volumes uses, of 6 GiB each in a
// full and a delta.
func BenchmarkUnique(b *testing.B) {
	const volumes, chunks, deltas, changed = 1000, 6144, 1, 60
	p := newPlace(b)
	r := p.open()
	begun := time.Now().Add(-time.Hour)
	for v := range volumes {
		name := revision.Name(fmt.Sprintf("vm-%04d", v))
		for d := range deltas + 1 {
			bk, err := r.BeginBackup(b.Context(), repository.BackupOptions{Volume: name, Begun: begun.Add(time.Duration(d) * time.Second)})
			if err != nil {
				b.Fatal(err)
			}
			regions := p.forgeMap(bk, v, d, chunks, changed)
			if _, err := bk.Commit(b.Context(), regions, statement(newImage(chunks*chunkSize), storeOptions{})); err != nil {
				b.Fatal(err)
			}
			if err := bk.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	v, err := r.Volume("vm-0500")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("volumes", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.UniqueToVolumes(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("revisions", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.UniqueToRevisions(b.Context(), v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// forgeMap writes a map of objects that are in no pack.
func (p *place) forgeMap(bk *repository.Backup, v, d int, chunks, changed uint64) []revision.Region {
	p.t.Helper()
	var all []revision.Chunk
	for i := range chunks {
		night := 0
		if uint64(d)*changed > i {
			night = d - int(i/changed)%d
		}
		var id chunkstore.ID
		binary.LittleEndian.PutUint64(id[:], uint64(v%900+1)<<40|uint64(night)<<32|i) // a tenth share theirs
		all = append(all, revision.Chunk{Index: i, Fingerprint: chunkstore.Fingerprint(id[:16]), Content: id})
		if d > 0 && night != d {
			continue
		}
		e := revision.Entry{Index: i, Fingerprint: chunkstore.Fingerprint(id[:16]), Content: id, Base: revision.BaseContent, BaseRef: chunkstore.Ref{ID: id, Pack: chunkstore.PackID{1}}}
		if err := bk.Map().Add(e); err != nil {
			p.t.Fatal(err)
		}
	}
	var regions []revision.Region
	for first := uint64(0); first < chunks; first += revision.RegionChunks {
		part := all[first:min(chunks, first+revision.RegionChunks)]
		regions = append(regions, revision.Region{Region: first / revision.RegionChunks, Hash: revision.RegionHash(part)})
	}
	return regions
}
