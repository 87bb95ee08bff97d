package repository_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// mapsOnly makes a revision of a million chunks of which only the map is there: a full
// lists all of them, a delta those that are named.
func mapsOnly(b *testing.B, r *repository.Repository, before []chunkstore.ID, changed []uint64) ([]chunkstore.ID, *revision.Statement) {
	b.Helper()
	backup, err := r.BeginBackup(b.Context(), repository.BackupOptions{Volume: "db"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := backup.Close(); err != nil {
			b.Fatal(err)
		}
	}()
	now := slices.Clone(before)
	for _, i := range changed {
		for at := 0; at < len(now[i]); at += 8 {
			binary.LittleEndian.PutUint64(now[i][at:], rand.Uint64())
		}
		e := revision.Entry{Index: i, Content: now[i], Fingerprint: chunkstore.Fingerprint(now[i][:16]), Base: revision.BaseContent}
		e.BaseRef = chunkstore.Ref{ID: e.Content, Pack: chunkstore.PackID{1, byte(i >> 6)}}
		if err := backup.Map().Add(e); err != nil {
			b.Fatal(err)
		}
	}
	var rows []revision.Region
	for region := range slices.Chunk(now, revision.RegionChunks) {
		chunks := make([]revision.Chunk, len(region))
		for i := range region {
			chunks[i] = revision.Chunk{Index: uint64(i), Content: region[i]}
		}
		rows = append(rows, revision.Region{Region: uint64(len(rows)), Hash: revision.RegionHash(chunks)})
	}
	st, err := backup.Commit(b.Context(), rows, statement(newImage(int64(len(now))*chunkSize), storeOptions{}))
	if err != nil {
		b.Fatal(err)
	}
	if err := backup.Finished(); err != nil {
		b.Fatal(err)
	}
	return now, st
}

// One night is merged into the next: the maps are those of 1 TiB in chunks of 1 MiB, of
// which each night changed one in a hundred.
func BenchmarkMergeANightOfATebibyte(b *testing.B) {
	const chunks = 1 << 20
	p := newPlace(b)
	r := p.open()
	all := make([]uint64, chunks)
	for i := range all {
		all[i] = uint64(i)
	}
	now, _ := mapsOnly(b, r, make([]chunkstore.ID, chunks), all)
	var nights []*revision.Statement
	for range 2 {
		changed := rand.Perm(chunks)[:chunks/100]
		slices.Sort(changed)
		indexes := make([]uint64, len(changed))
		for i, n := range changed {
			indexes[i] = uint64(n)
		}
		var st *revision.Statement
		now, st = mapsOnly(b, r, now, indexes)
		nights = append(nights, st)
	}
	v, err := r.Volume("db")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_, err := r.Remove(b.Context(), v, []revision.ID{nights[0].ID}, repository.RemoveOptions{Op: repository.OpMerge, Undelete: time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		trashed, err := r.Trash()
		if err != nil || len(trashed) != 1 {
			b.Fatal(trashed, err)
		}
		if _, err := r.Undelete(b.Context(), trashed[0], 0); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
