package revision_test

import (
	"bytes"
	"encoding/binary"
	"time"

	"varve/chunkstore"
	"varve/revision"
)

const chunkSize = chunkstore.MinChunkSize

var begun = time.Date(2026, 11, 24, 1, 0, 3, 0, time.UTC)

// hash32 gives bytes that differ for each kind of thing and number, and are never zero.
func hash32(kind byte, n uint64) [32]byte {
	a := [32]byte{15: kind, 31: kind}
	binary.LittleEndian.PutUint64(a[:], n)
	return a
}

func hash16(kind byte, n uint64) [16]byte {
	a := hash32(kind, n)
	return [16]byte(a[:16])
}

func ref(n, pack uint64) chunkstore.Ref {
	return chunkstore.Ref{ID: hash32('o', n), Pack: hash16('p', pack)}
}

// whole is an entry whose content n is stored as a whole chunk.
func whole(index, n uint64) revision.Entry {
	e := revision.Entry{
		Index: index, Fingerprint: hash16('f', n), Content: hash32('c', n),
		Base: revision.BaseContent,
	}
	e.BaseRef = chunkstore.Ref{ID: e.Content, Pack: hash16('p', n%5)}
	return e
}

// patched is an entry of content n above the given base.
func patched(index, n uint64, base revision.BaseKind, patches ...chunkstore.Ref) revision.Entry {
	e := whole(index, n)
	e.Base, e.BaseRef, e.Patches = base, chunkstore.Ref{}, patches
	switch base {
	case revision.BaseContent:
		e.BaseRef = whole(index, n).BaseRef
	case revision.BaseObject:
		e.BaseRef = ref(n, n%3)
	}
	return e
}

// statement makes a valid statement but for its digest; sequence 1 is a full.
func statement(sequence uint64, chunks uint64, parent *revision.Statement) revision.Statement {
	at := begun.Add(time.Duration(sequence) * 24 * time.Hour)
	st := revision.Statement{
		ID:         revision.NewID(at, bytes.NewReader(binary.LittleEndian.AppendUint64(nil, sequence*7919))),
		Volume:     revision.Volume{UUID: hash16('v', 1), Name: "vms/vm-17"},
		Lineage:    hash16('l', 1),
		Repository: hash16('r', 1),
		Sequence:   sequence, Kind: revision.Full,
		Begun: at, Ended: at.Add(31 * time.Second),
		Size: chunks * chunkSize, ChunkSize: chunkSize,
		Consistency: revision.Snapshotted,
		Plan:        revision.Plan{Kind: revision.PlanAll},
		Source:      revision.Source{Kind: "file", Path: "/dev/vg/db1", Identity: "device 253:4", Text: "/dev/vg/db1"},
		Statistics:  revision.Statistics{Read: chunks * chunkSize, Milliseconds: 31000},
		Nonce:       hash16('n', sequence),
	}
	if parent != nil {
		st.Kind = revision.Delta
		st.Parent = &revision.Parent{ID: parent.ID, Digest: parent.Digest}
	}
	return st
}

// write gives the bytes of a revision file. The digest follows from the regions.
func write(t fataler, st *revision.Statement, records []revision.Record, regions []revision.Region) []byte {
	t.Helper()
	data, err := tryWrite(st, records, regions)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func tryWrite(st *revision.Statement, records []revision.Record, regions []revision.Region) ([]byte, error) {
	st.Digest = revision.ImageDigest(st.ChunkSize, st.Size, regions)
	var out bytes.Buffer
	w, err := revision.NewWriter(&out, revision.Header{ChunkSize: st.ChunkSize, Nonce: st.Nonce})
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.Zeros != nil {
			err = w.AddZeros(r.Zeros.First, r.Zeros.Count)
		} else {
			err = w.Add(r.Entry)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := w.Finish(regions, *st); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func openMap(t fataler, data []byte) *revision.Map {
	t.Helper()
	m, err := revision.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// regionsOf gives the region table of an image whose non-zero chunks these are.
func regionsOf(chunks []revision.Chunk) []revision.Region {
	var rows []revision.Region
	for start := 0; start < len(chunks); {
		region, end := chunks[start].Index/revision.RegionChunks, start
		for end < len(chunks) && chunks[end].Index/revision.RegionChunks == region {
			end++
		}
		rows = append(rows, revision.Region{Region: region, Hash: revision.RegionHash(chunks[start:end])})
		start = end
	}
	return rows
}

// contents stands for chunks of which only place and content matter.
func contents(entries ...revision.Entry) []revision.Chunk {
	chunks := make([]revision.Chunk, len(entries))
	for i, e := range entries {
		chunks[i] = revision.Chunk{Index: e.Index, Content: e.Content}
	}
	return chunks
}

func entries(list ...revision.Entry) []revision.Record {
	records := make([]revision.Record, len(list))
	for i, e := range list {
		records[i].Entry = e
	}
	return records
}

func zeros(first, count uint64) revision.Record {
	return revision.Record{Zeros: &revision.ZeroRun{First: first, Count: count}}
}

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Helper()
	Fatal(args ...any)
}
