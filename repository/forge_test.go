package repository_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"os"
	"path/filepath"
	"time"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// forger makes revisions of a volume in a moment, of an image of a few chunks of which
// one changes each time. All is as backups would have made it, but that nobody synced
// it, and that the journal says nothing of it.
type forger struct {
	p      *place
	repo   *repository.Repository
	volume revision.Name
	im     *image
	chunks []revision.Chunk
	newest *revision.Statement // nil: there is none
	full   bool                // the next is to be a full
}

const forgedChunks = 4

func (p *place) newForger(r *repository.Repository, volume revision.Name) *forger {
	return &forger{p: p, repo: r, volume: volume, im: newImage(forgedChunks * chunkSize), chunks: make([]revision.Chunk, forgedChunks)}
}

// batch lends what the objects of several revisions are stored by.
func (f *forger) batch(use func(b *repository.Backup)) {
	f.p.t.Helper()
	b, err := f.repo.BeginBackup(f.p.t.Context(), repository.BackupOptions{Volume: f.volume})
	if err != nil {
		f.p.t.Fatal(err)
	}
	use(b)
	err = b.Chunks().Barrier(f.p.t.Context())
	if err == nil {
		err = b.Finished()
	}
	if err == nil {
		err = b.Close()
	}
	if err != nil {
		f.p.t.Fatal(err)
	}
}

// revision makes one, of a batch.
func (f *forger) revision(b *repository.Backup, begun time.Time) *revision.Statement {
	f.p.t.Helper()
	st := statement(f.im, storeOptions{})
	st.Sequence, st.Kind = 1, revision.Full
	if f.newest != nil {
		st.Sequence = f.newest.Sequence + 1
	}
	changed := f.chunks
	if i := st.Sequence % forgedChunks; f.newest == nil {
		for i := range forgedChunks {
			f.change(b, i)
		}
	} else {
		f.change(b, int(i))
		if !f.full {
			st.Kind, st.Parent = revision.Delta, &revision.Parent{ID: f.newest.ID, Digest: f.newest.Digest}
			changed = f.chunks[i : i+1]
		}
	}
	begun = begun.UTC().Truncate(time.Second)
	st.ID, st.Begun, st.Ended = revision.NewID(begun, rand.Reader), begun, begun
	st.Volume = revision.Volume{UUID: b.Volume().UUID, Name: f.volume}
	st.Lineage, st.Repository, st.ChunkSize = f.repo.Lineage(), f.repo.ID(), chunkSize
	f.p.random(st.Nonce[:])
	regions := []revision.Region{{Hash: revision.RegionHash(f.chunks)}}
	st.Digest = revision.ImageDigest(st.ChunkSize, st.Size, regions)
	f.p.forgeFile(&st, regions, changed)
	f.newest, f.full = &st, false
	return &st
}

// change stores a chunk that nobody has.
func (f *forger) change(b *repository.Backup, i int) {
	f.p.t.Helper()
	plain := make([]byte, chunkSize)
	binary.LittleEndian.PutUint64(plain, uint64(i))
	f.p.random(plain[8:24])
	h := f.repo.Hasher()
	id := h.ChunkID(plain)
	put, err := b.Chunks().PutChunk(f.p.t.Context(), id, plain)
	if err != nil {
		f.p.t.Fatal(err)
	}
	f.im.chunks[uint64(i)] = plain
	f.chunks[i] = revision.Chunk{Index: uint64(i), Fingerprint: h.Fingerprint(plain), Content: id, Stack: chunkstore.Stack{Base: put.Ref}}
}

func (p *place) random(to []byte) {
	p.t.Helper()
	if _, err := rand.Read(to); err != nil {
		p.t.Fatal(err)
	}
}

// forgeFile writes a revision's file and its copy.
func (p *place) forgeFile(st *revision.Statement, regions []revision.Region, changed []revision.Chunk) {
	p.t.Helper()
	var file bytes.Buffer
	w, err := revision.NewWriter(&file, revision.Header{ChunkSize: st.ChunkSize, Nonce: st.Nonce})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range changed {
		if err := w.Add(c.Entry()); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := w.Finish(regions, *st); err != nil {
		p.t.Fatal(err)
	}
	for _, name := range []string{repository.CopyName(st.Volume.UUID, st.ID), repository.RevisionName(st.Volume.Name, st.ID)} {
		if err := os.MkdirAll(filepath.Dir(p.path(name)), 0o755); err != nil {
			p.t.Fatal(err)
		}
		p.write(name, file.Bytes())
	}
}
