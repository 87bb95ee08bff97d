package revision_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"varve/chunkstore"
	"varve/revision"
)

// The golden files are what format 1 looks like. Once a release has written such
// files, they are read by all later ones, and -update is only for new ones.
var update = flag.Bool("update", false, "write the golden files anew")

const (
	goldenFull  = "testdata/v1-full.rev"
	goldenDelta = "testdata/v1-delta.rev"
)

// golden gives a full and a delta on it that between them use all that the format
// has, and the chunks to which the delta resolves.
func golden() (full, delta revision.Statement, below, above []revision.Record, resolved []revision.Chunk) {
	const chunks = 3*revision.RegionChunks + 10
	full = statement(1, chunks, nil)
	below = entries(
		whole(0, 1),
		patched(1, 2, revision.BaseZeros, ref(1, 1)),
		patched(5, 3, revision.BaseObject, ref(2, 2), ref(3, 1)),
		patched(revision.RegionChunks, 4, revision.BaseContent, ref(4, 3)),
		whole(chunks-1, 5),
	)
	full.Size -= 100
	full.Digest = revision.ImageDigest(full.ChunkSize, full.Size, regionsOf(contentsOf(below)))

	delta = everything()
	delta.Parent = &revision.Parent{ID: full.ID, Digest: full.Digest}
	delta.Size = 2*revision.RegionChunks*chunkSize + 1
	above = []revision.Record{
		{Entry: patched(1, 6, revision.BaseParent, ref(5, 1), ref(6, 1))},
		{Entry: whole(2, 7)},
		zeros(3, 2),
		{Entry: patched(5, 8, revision.BaseParent, ref(7, 2))},
		{Entry: patched(6, 9, revision.BaseParent, ref(8, 2))}, // of which the parent has nothing
		{Entry: patched(7, 10, revision.BaseObject, ref(9, 4))},
		{Entry: whole(2*revision.RegionChunks, 11)},
		zeros(2*revision.RegionChunks+1, revision.RegionChunks+9), // to the parent's end
	}
	chunk := func(e revision.Entry, base chunkstore.Ref, patches ...chunkstore.Ref) revision.Chunk {
		return revision.Chunk{
			Index: e.Index, Fingerprint: e.Fingerprint, Content: e.Content,
			Stack: chunkstore.Stack{Base: base, Patches: patches},
		}
	}
	resolved = []revision.Chunk{
		chunk(below[0].Entry, below[0].Entry.BaseRef),
		chunk(above[0].Entry, chunkstore.Ref{}, ref(1, 1), ref(5, 1), ref(6, 1)),
		chunk(above[1].Entry, above[1].Entry.BaseRef),
		chunk(above[3].Entry, below[2].Entry.BaseRef, ref(2, 2), ref(3, 1), ref(7, 2)),
		chunk(above[4].Entry, chunkstore.Ref{}, ref(8, 2)),
		chunk(above[5].Entry, above[5].Entry.BaseRef, ref(9, 4)),
		chunk(below[3].Entry, below[3].Entry.BaseRef, ref(4, 3)),
		chunk(above[6].Entry, above[6].Entry.BaseRef),
	}
	delta.Digest = revision.ImageDigest(delta.ChunkSize, delta.Size, regionsOf(resolved))
	return full, delta, below, above, resolved
}

func contentsOf(records []revision.Record) []revision.Chunk {
	var list []revision.Entry
	for _, r := range records {
		list = append(list, r.Entry)
	}
	return contents(list...)
}

func TestGoldenFiles(t *testing.T) {
	t.Parallel()
	full, delta, below, above, resolved := golden()
	var chain []*revision.Map
	for _, c := range []struct {
		file    string
		st      *revision.Statement
		records []revision.Record
		regions []revision.Region
	}{
		{goldenDelta, &delta, above, regionsOf(resolved)},
		{goldenFull, &full, below, regionsOf(contentsOf(below))},
	} {
		written := write(t, c.st, c.records, c.regions)
		if *update {
			if err := os.WriteFile(filepath.FromSlash(c.file), written, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		data := readGolden(t, c.file)
		m := openMap(t, data)
		if err := m.Check(); err != nil {
			t.Errorf("%s: Check: %v", c.file, err)
		}
		if !reflect.DeepEqual(m.Statement(), c.st) {
			t.Errorf("%s: statement = %+v, want %+v", c.file, m.Statement(), c.st)
		}
		if got := collect(t, m, 0, 1<<40); !reflect.DeepEqual(got, c.records) {
			t.Errorf("%s: records = %v, want %v", c.file, got, c.records)
		}
		if !bytes.Equal(data, written) {
			t.Errorf("%s: today's writer writes other bytes", c.file)
		}
		chain = append(chain, m)
	}
	var got []revision.Chunk
	for region := range uint64(4) {
		chunks, err := revision.Resolve(chain, region)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, chunks...)
	}
	if !reflect.DeepEqual(got, resolved) {
		t.Errorf("the golden chain resolves to\n%v, want\n%v", got, resolved)
	}
}

// Digests that stand in other people's notes, too.
func TestGoldenDigests(t *testing.T) {
	t.Parallel()
	full, delta, _, _, _ := golden()
	empty := revision.ImageDigest(1<<20, 0, nil)
	for _, c := range []struct {
		what string
		got  revision.Digest
		want string
	}{
		{"an image of no bytes", empty, "35a33fcc5ea8979108fa97795c71e5c9361edd590e7cfd8ceedbe21fcfa4e3a8"},
		{"the golden full", full.Digest, "a5762389834ae34618e8fee3e4de1ed59bed4da886370da00576a60511d8b4ec"},
		{"the golden delta", delta.Digest, "ef806e2caee0117f5d3ca92a05efb4dffdbf7334a37e82308f074fa721882d25"},
	} {
		if c.got.String() != c.want {
			t.Errorf("digest of %s = %s, want %s", c.what, c.got, c.want)
		}
	}
}

func readGolden(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
