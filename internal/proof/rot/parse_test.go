package rot

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"varve/chunkstore"
)

// This reader of packs and maps is written after docs/format.md, not after the
// product, and only for files that are whole.

// stored is one copy of an object.
type stored struct {
	pack       string // file
	kind       byte
	begin, end int // of the frame
	head       int // where its segments begin
}

// laidOut says where things lie in a pack.
type laidOut struct {
	frames []stored // ascending by place
	table  int      // where the table of contents begins
	size   int
}

// mapParts says where things lie in a revision's file.
type mapParts struct {
	parts [6]span // preamble, pages, page index, region table, pack table, statement
	pages []mapPage
	size  int
	said  statement
}

type span struct{ begin, end int }

type mapPage struct {
	span
	first, last uint64 // chunks
}

// statement is what a test needs of one.
type statement struct {
	ID     string `json:"id"`
	Size   int64  `json:"size"`
	Parent *struct {
		ID string `json:"id"`
	} `json:"parent"`
}

const (
	partPages = iota + 1
	partPageIndex
	partRegions
	partPacks
)

// layout is where everything lies in a reference.
type layout struct {
	packs  map[string]*laidOut
	maps   map[string]*mapParts
	copies map[chunkstore.ID][]stored // by pack
}

func parse(t testing.TB, ref *reference) *layout {
	t.Helper()
	l := &layout{packs: map[string]*laidOut{}, maps: map[string]*mapParts{}, copies: map[chunkstore.ID][]stored{}}
	for _, name := range slices.Sorted(maps.Keys(ref.Pristine)) {
		data := ref.Pristine[name]
		switch {
		case strings.HasSuffix(name, ".pack"):
			pack, ids := parsePack(t, name, data)
			l.packs[name] = pack
			for i, id := range ids {
				l.copies[id] = append(l.copies[id], pack.frames[i])
			}
			slices.SortFunc(pack.frames, func(a, b stored) int { return a.begin - b.begin })
		case strings.HasSuffix(name, ".rev"):
			l.maps[name] = parseMap(t, data)
		}
	}
	return l
}

func sortedIDs(copies map[chunkstore.ID][]stored) []chunkstore.ID {
	return slices.SortedFunc(maps.Keys(copies), func(a, b chunkstore.ID) int { return bytes.Compare(a[:], b[:]) })
}

// parsePack reads a pack. The frames come in the order of the table's rows.
func parsePack(t testing.TB, name string, data []byte) (*laidOut, []chunkstore.ID) {
	t.Helper()
	le := binary.LittleEndian
	footer := data[len(data)-56:]
	if string(data[:4]) != "VRVP" || string(footer[:4]) != "VRVE" || hex.EncodeToString(data[24:40]) != strings.TrimSuffix(name[len("packs/xx/"):], ".pack") {
		t.Fatalf("%s is no pack", name)
	}
	p := &laidOut{table: int(le.Uint64(footer[8:])), size: len(data)}
	table := data[p.table:]
	var ids []chunkstore.ID
	for row := range int(le.Uint32(table[8:])) {
		r := table[16+49*row:]
		f := stored{pack: name, kind: r[32], begin: int(le.Uint64(r[33:]))}
		f.end = f.begin + int(le.Uint32(r[41:]))
		frame := data[f.begin:f.end]
		segment := 1 << frame[8]
		f.head = f.begin + 56 + 12*((int(le.Uint32(frame[48:]))+segment-1)/segment) + 8
		if string(frame[:4]) != "VRVF" || !bytes.Equal(frame[16:48], r[:32]) {
			t.Fatalf("%s: no frame where row %d says", name, row)
		}
		p.frames, ids = append(p.frames, f), append(ids, chunkstore.ID(r[:32]))
	}
	return p, ids
}

func parseMap(t testing.TB, data []byte) *mapParts {
	t.Helper()
	le := binary.LittleEndian
	footer := data[len(data)-192:]
	m := &mapParts{size: len(data)}
	for i := range m.parts {
		begin := int(le.Uint64(footer[32+24*i:]))
		m.parts[i] = span{begin, begin + int(le.Uint64(footer[40+24*i:]))}
	}
	index := data[m.parts[partPageIndex].begin:]
	for row := range int(le.Uint64(index[8:])) {
		r := index[16+40*row:]
		begin := int(le.Uint64(r[16:]))
		m.pages = append(m.pages, mapPage{span{begin, begin + int(le.Uint32(r[24:]))}, le.Uint64(r), le.Uint64(r[8:])})
	}
	if err := json.Unmarshal(data[m.parts[5].begin:m.parts[5].end], &m.said); err != nil {
		t.Fatal(err)
	}
	return m
}
