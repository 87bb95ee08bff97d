package fusemount

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"time"

	"varve/revision"
)

// forge gives a volume that has one revision many more, one each hour, as backups would have
// made them, but that nobody synced them and that the journal says nothing of them.
func (p *place) forge(name revision.Name, id revision.ID, n int) {
	p.t.Helper()
	rd, err := p.repo.NewReader(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	defer closeIt(p.t, rd)
	v, err := p.repo.Volume(name)
	if err != nil {
		p.t.Fatal(err)
	}
	im, err := rd.Image(p.t.Context(), v, id)
	if err != nil {
		p.t.Fatal(err)
	}
	defer closeIt(p.t, im)
	chunks, err := im.Chunks(0)
	if err != nil {
		p.t.Fatal(err)
	}
	regions, err := im.Regions()
	if err != nil {
		p.t.Fatal(err)
	}
	st := *im.Statement()
	for i := range n {
		if i%20 == 0 { // chains as maintenance leaves them
			st.Kind, st.Parent = revision.Full, nil
		} else {
			st.Kind, st.Parent = revision.Delta, &revision.Parent{ID: st.ID, Digest: st.Digest}
		}
		st.Sequence++
		st.Begun = st.Begun.Add(time.Hour)
		st.Ended, st.ID = st.Begun, revision.NewID(st.Begun, rand.Reader)
		_, _ = rand.Read(st.Nonce[:]) // it never fails
		stored := chunks[:1]
		if st.Kind == revision.Full {
			stored = chunks
		}
		p.forgeFile(st, regions, stored)
	}
}

func (p *place) forgeFile(st revision.Statement, regions []revision.Region, stored []revision.Chunk) {
	p.t.Helper()
	var file bytes.Buffer
	w, err := revision.NewWriter(&file, revision.Header{ChunkSize: st.ChunkSize, Nonce: st.Nonce})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range stored {
		if err := w.Add(c.Entry()); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := w.Finish(regions, st); err != nil {
		p.t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join("copies", st.Volume.UUID.String()), filepath.Join("volumes", string(st.Volume.Name))} {
		if err := os.WriteFile(filepath.Join(p.dir, dir, string(st.ID)+".rev"), file.Bytes(), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
}
