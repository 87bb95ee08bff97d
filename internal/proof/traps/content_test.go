package traps

import (
	"bytes"
	"testing"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// Two contents with one fingerprint, here by a forged map: the fingerprint is right,
// the digests add up, and the bytes are not those that the content id names.
func TestTrapFingerprintsCollide(t *testing.T) {
	t.Parallel()
	p := withOneNight(t)
	st := p.mustBackup(p.open(), "db1", night(1)).Statement
	p.forgeContent(st)
	r := p.open()
	if _, err := content(t.Context(), r, "db1", st.ID); err == nil {
		t.Error("a stream of another content succeeded")
	}
	for _, fresh := range []bool{true, false} {
		target := &memoryTarget{bytes: noise(3, int(st.Size)), fresh: fresh}
		if err := p.restoreTo(r, st, target, false); err == nil || target.committed {
			t.Errorf("a restore of another content, fresh = %v: %v, committed = %v", fresh, err, target.committed)
		}
	}
}

// resolved gives the chunks of a revision of less than one region.
func (p *place) resolved(r *repository.Repository, st *revision.Statement) []revision.Chunk {
	p.t.Helper()
	v, err := r.Volume(st.Volume.Name)
	if err != nil {
		p.t.Fatal(err)
	}
	rd, err := r.NewReader(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = rd.Close() }()
	im, err := rd.Image(p.t.Context(), v, st.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = im.Close() }()
	chunks, err := im.Chunks(0)
	if err != nil {
		p.t.Fatal(err)
	}
	return append([]revision.Chunk(nil), chunks...)
}

// forgeContent writes the map of a delta, which patches chunk 0, and its copy anew:
// with another content id for that chunk, and digests that agree with it.
func (p *place) forgeContent(st *revision.Statement) {
	p.t.Helper()
	chunks, other := p.resolved(p.open(), st), chunkstore.ID{9, 9, 9}
	chunks[0].Content = other
	file := "volumes/db1/" + string(st.ID) + ".rev"
	old := p.read(file)
	m, err := revision.Open(bytes.NewReader(old), int64(len(old)))
	if err != nil {
		p.t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := revision.NewWriter(&out, revision.Header{ChunkSize: chunkSize, Nonce: st.Nonce})
	if err != nil {
		p.t.Fatal(err)
	}
	for rec, err := range m.Records(0, 1<<40) {
		if err != nil || rec.Zeros != nil {
			p.t.Fatal(rec, err)
		}
		if rec.Entry.Index == 0 {
			rec.Entry.Content = other
		}
		if err := w.Add(rec.Entry); err != nil {
			p.t.Fatal(err)
		}
	}
	regions := []revision.Region{{Region: 0, Hash: revision.RegionHash(chunks)}}
	forged := *st
	forged.Digest = revision.ImageDigest(st.ChunkSize, st.Size, regions)
	if err := w.Finish(regions, forged); err != nil {
		p.t.Fatal(err)
	}
	p.write(file, out.Bytes())
	p.write("copies/"+st.Volume.UUID.String()+"/"+string(st.ID)+".rev", out.Bytes())
}
