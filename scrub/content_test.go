package scrub_test

import (
	"bytes"
	"crypto/rand"
	"math"
	"os"
	"slices"
	"testing"

	"varve/repository"
	"varve/revision"
	"varve/scrub"
)

// lie writes a revision's map anew, of which one patched chunk comes out as other content than it
// says. All else is as it should be: links, regions, digest, and every object.
func (p *place) lie(r *repository.Repository, name revision.Name, id revision.ID, chunk uint64) {
	p.t.Helper()
	v, err := r.Volume(name)
	if err != nil {
		p.t.Fatal(err)
	}
	rd, err := r.NewReader(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	im, err := rd.Image(p.t.Context(), v, id)
	if err != nil {
		p.t.Fatal(err)
	}
	chunks, err := im.Chunks(0)
	if err != nil {
		p.t.Fatal(err)
	}
	files := []string{p.one("volumes/" + string(name) + "/" + string(id) + ".rev"), p.one("copies/*/" + string(id) + ".rev")}
	data, err := os.ReadFile(files[0])
	if err != nil {
		p.t.Fatal(err)
	}
	old, err := revision.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		p.t.Fatal(err)
	}
	st := *old.Statement()
	if _, err := rand.Read(st.Nonce[:]); err != nil {
		p.t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := revision.NewWriter(&file, revision.Header{ChunkSize: st.ChunkSize, Nonce: st.Nonce})
	if err != nil {
		p.t.Fatal(err)
	}
	for record, err := range old.Records(0, math.MaxUint64) {
		if err != nil {
			p.t.Fatal(err)
		}
		e := record.Entry
		if e.Index == chunk && len(e.Patches) > 0 {
			e.Content[0] ^= 1
			at := slices.IndexFunc(chunks, func(c revision.Chunk) bool { return c.Index == chunk })
			chunks[at].Content = e.Content
		}
		if err := w.Add(e); err != nil {
			p.t.Fatal(err)
		}
	}
	regions := []revision.Region{{Hash: revision.RegionHash(chunks)}}
	st.Digest = revision.ImageDigest(st.ChunkSize, st.Size, regions)
	if err := w.Finish(regions, st); err != nil {
		p.t.Fatal(err)
	}
	for _, name := range files {
		if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := im.Close(); err != nil {
		p.t.Fatal(err)
	}
	if err := rd.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// A chunk that is put together of objects that are all right, and comes out as what its map does not
// say, is lost, of that revision alone; a light scrub cannot see it.
func TestContentThatComesOutWrong(t *testing.T) {
	t.Parallel()
	p := newPlace(t, 6)
	r := p.open()
	p.store(r, "a")
	p.change(3, 1)
	id := p.store(r, "a")
	p.lie(r, "a", id, 3)
	if found := damageOf(p.run(r, scrub.Options{Light: true})); len(found) > 0 {
		t.Fatalf("all but content is whole, and yet: %+v", found)
	}
	report := p.run(r, scrub.Options{})
	found := damageOf(report)
	if len(found) != 1 || found[0].Kind != scrub.Content || found[0].Volume.Name != "a" || found[0].Revision != id {
		t.Fatalf("%+v, want the content of one chunk", found)
	}
	want := []repository.Extent{{Offset: 3 * chunkSize, Length: chunkSize}}
	if l := found[0].Lost; len(l) != 1 || l[0].Revision != id || l[0].Whole || !slices.Equal(l[0].Extents, want) {
		t.Errorf("lost: %+v, want %+v of %s", l, want, id)
	}
	if states := p.states(r, "a"); !slices.Equal(states, []repository.State{repository.Proven, repository.Damaged}) {
		t.Errorf("states: %v", states)
	}
}
