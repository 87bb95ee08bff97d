package chunkstore_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"varve/chunkstore"
)

// salvaged gives what comes out of a file, by name, and compares it with what went in.
func salvaged(t *testing.T, s *chunkstore.Store, name string, want map[chunkstore.ID][]byte) map[chunkstore.ID]bool {
	t.Helper()
	got := map[chunkstore.ID]bool{}
	err := s.Salvage(t.Context(), name, func(kind chunkstore.Kind, id chunkstore.ID, plain []byte) error {
		if kind != chunkstore.Chunk || !bytes.Equal(plain, want[id]) {
			t.Errorf("%s %s came out as something else", kind, id)
		}
		got[id] = true
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return got
}

// Of a pack that cannot be opened any more, each object comes out whose frame is whole, and
// nothing else does.
func TestSalvage(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	want := map[chunkstore.ID][]byte{}
	var chunks [][]byte
	for n := range uint64(4) {
		c := chunk(n + 1)
		copy(c[100:], "VRVF") // what looks like a frame, and is none
		chunks = append(chunks, c)
	}
	puts := p.store(s, chunks...)
	for i, put := range puts {
		want[put.Ref.ID] = chunks[i]
	}
	pack, err := s.Pack(puts[0].Ref.Pack)
	if err != nil {
		t.Fatal(err)
	}
	var second chunkstore.Entry // in the order of the file
	for e := range pack.Entries() {
		if e.ID == puts[1].Ref.ID {
			second = e
		}
	}
	path := p.path(pack.ID)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	none, cut := chunkstore.ID{}, len(whole)-60
	for what, test := range map[string]struct {
		content []byte
		lost    chunkstore.ID
	}{
		"the header":                  {flippedAt(whole, 3), none},
		"the table of contents":       {flippedAt(whole, int(pack.Size)-80), none},
		"the footer":                  {flippedAt(whole, len(whole)-1), none},
		"the end":                     {whole[:cut], none},
		"a frame's magic":             {flippedAt(whole, int(second.Offset)), second.ID},
		"a frame's length":            {flippedAt(whole, int(second.Offset)+53), second.ID},
		"a frame's name":              {flippedAt(whole, int(second.Offset)+20), second.ID},
		"a frame's last byte":         {flippedAt(whole, int(second.Offset)+second.Stored-1), second.ID},
		"the middle, and the rest":    {whole[:second.Offset+10], second.ID},
		"the footer, and zeros after": {append(flippedAt(whole, len(whole)-1), make([]byte, 5000)...), none},
	} {
		if err := os.WriteFile(path, test.content, 0o600); err != nil {
			t.Fatal(err)
		}
		got := salvaged(t, s, chunkstore.PackName(pack.ID), want)
		for i, put := range puts {
			beyond := what == "the middle, and the rest" && i >= 1
			if wanted := put.Ref.ID != test.lost && !beyond; got[put.Ref.ID] != wanted {
				t.Errorf("%s: object %d came out: %v", what, i, got[put.Ref.ID])
			}
		}
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := salvaged(t, s, chunkstore.PackName(pack.ID), want); len(got) > 0 {
		t.Errorf("of an empty file came %d objects", len(got))
	}
	enough := errors.New("enough")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	err = s.Salvage(t.Context(), chunkstore.PackName(pack.ID), func(chunkstore.Kind, chunkstore.ID, []byte) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("Salvage = %v, want what its user returned", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Salvage(over, chunkstore.PackName(pack.ID), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Salvage = %v", err)
	}
}

func flippedAt(b []byte, at int) []byte {
	out := bytes.Clone(b)
	out[at] ^= 0x10
	return out
}

// What is stored again is what its name says, or it is refused; and then it is known of.
func TestPutObject(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	content, other := chunk(1), chunk(2)
	put := p.store(s, content)[0]
	hurt := map[chunkstore.Copy]bool{{Pack: put.Ref.Pack, ID: put.Ref.ID}: true}
	view := func() chunkstore.View { return chunkstore.View{Damaged: hurt} }
	r := s.Reader(view)
	defer closeReader(t, r)
	w := p.writerWith(s, chunkstore.WriterConfig{Usable: anyPack, View: view})
	if w.Finds(chunkstore.Chunk, put.Ref.ID) {
		t.Error("a copy that is hurt is found")
	}
	if _, err := w.PutObject(t.Context(), chunkstore.Chunk, put.Ref.ID, other); err == nil {
		t.Error("another chunk passed for the one that was lost")
	}
	if _, err := w.PutObject(t.Context(), chunkstore.Patch, put.Ref.ID, content); err == nil {
		t.Error("a chunk passed for a patch")
	}
	again, err := w.PutObject(t.Context(), chunkstore.Chunk, put.Ref.ID, content)
	if err != nil || again.Found || again.Ref.Pack == put.Ref.Pack {
		t.Fatalf("%+v, %v", again, err)
	}
	p.barrier(w)
	w = p.writerWith(s, chunkstore.WriterConfig{Usable: anyPack, View: view})
	if !w.Finds(chunkstore.Chunk, put.Ref.ID) || w.Finds(chunkstore.Patch, put.Ref.ID) {
		t.Error("what is there is not found, or what is not there is")
	}
	if relied := w.Relied(); len(relied) != 1 || relied[0] != again.Ref.Pack {
		t.Errorf("what was found is not relied on: %v", relied)
	}
	if got, err := r.ReadObject(t.Context(), put.Ref, chunkstore.Chunk, nil); err != nil || !bytes.Equal(got, content) {
		t.Errorf("ReadObject: %v", err)
	}
	if _, err := r.ReadObject(t.Context(), chunkstore.Ref{ID: p.hasher.ChunkID(other)}, chunkstore.Chunk, nil); !errors.Is(err, chunkstore.ErrNotFound) {
		t.Errorf("ReadObject = %v, want ErrNotFound", err)
	}
}
