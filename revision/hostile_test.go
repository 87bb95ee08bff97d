package revision

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"
)

// Files in which every checksum is right and one thing is not.
func TestCheckFindsWhatChecksumsDoNot(t *testing.T) {
	t.Parallel()
	type parts struct{ pages, index, regions, packs, statement []byte }
	put := binary.LittleEndian.PutUint64
	for want, spoil := range map[string]func(p *parts){
		"reserved bytes":             func(p *parts) { p.pages[12] = 1 },
		"states 700 bytes":           func(p *parts) { binary.LittleEndian.PutUint32(p.pages[8:], 700) },
		"no records":                 func(p *parts) { p.pages[6] = 0 },
		"another page than":          func(p *parts) { p.index[28]++ },
		"not at its last chunk":      func(p *parts) { put(p.pages[24:], 1<<20); put(p.index[8:], 1<<20) },
		"not at its first chunk":     func(p *parts) { put(p.pages[16:], 0); put(p.index, 0); p.pages[pageHeaderSize+2] = 1 },
		"bytes after the last":       func(p *parts) { p.pages[6]--; p.index[28]-- },
		"is cut off":                 func(p *parts) { p.pages[6]++; p.index[28]++ },
		"out of order":               func(p *parts) { p.pages[pageHeaderSize+chunkFixedSize+2*refSize+2] = 0 },
		"unknown kind of base 4":     func(p *parts) { p.pages[pageHeaderSize] = 4 },
		"fingerprint or the content": func(p *parts) { clear(p.pages[pageHeaderSize+6 : pageHeaderSize+22]) },
		"hint 2 in a table of 2":     func(p *parts) { p.packs = p.packs[:len(p.packs)-packRowSize] },
		"lists 4 packs":              func(p *parts) { p.packs = append(p.packs, bytes.Repeat([]byte{9}, packRowSize)...) },
		"named twice":                func(p *parts) { copy(p.packs, p.packs[packRowSize:2*packRowSize]) },
		"or not at all":              func(p *parts) { clear(p.packs[:packRowSize]) },
		"want it at 64":              func(p *parts) { p.index = append(p.index[:16:16], append([]byte{65}, p.index[17:]...)...) },
		"page 1 of":                  func(p *parts) { p.index = append(p.index, p.index...) },
		"pages end at 64":            func(p *parts) { p.index = nil },
		"give image digest":          func(p *parts) { p.regions[8]++ },
		"region 0 is out of order":   func(p *parts) { copy(p.regions[regionRowSize:], p.regions[:regionRowSize]) },
		"region 9":                   func(p *parts) { p.regions[len(p.regions)-regionRowSize] = 9 },
		"too many":                   func(p *parts) { p.regions = bytes.Repeat(p.regions, 100) },
	} {
		data, err := os.ReadFile("testdata/v1-delta.rev")
		if err != nil {
			t.Fatal(err)
		}
		m, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		at := func(i int) []byte { return bytes.Clone(data[m.footer.parts[i].offset:m.footer.parts[i].end()]) }
		p := parts{at(partPages), unframe(at(partPageIndex)), unframe(at(partRegions)), unframe(at(partPacks)), at(partStatement)}
		spoil(&p)
		data = assemble(p.pages, p.index, p.regions, p.packs, p.statement)
		m, err = Open(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			err = m.Check()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// The pages ascend over the whole file, and none takes another's place.
func TestPagesStayInTheirPlaces(t *testing.T) {
	t.Parallel()
	rows := []pageRow{{first: 5, last: 9, offset: 64, length: 100}, {first: 9, last: 12, offset: 164, length: 100}}
	if err := checkPageRows(rows, part{offset: 64, length: 200}); err == nil {
		t.Error("two pages speak of one chunk")
	}
	rows[1].first = 10
	if err := checkPageRows(rows, part{offset: 64, length: 200}); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile("testdata/v1-full.rev")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	pages := m.footer.parts[partPages]
	page := m.tail[pages.offset:pages.end()]
	page[pageHeaderSize+10]++ // a fingerprint
	put := page[:len(page)-checksumSize]
	binary.LittleEndian.PutUint64(page[len(put):], xxh3.Hash(put))
	if _, err := Resolve([]*Map{m}, 0); err == nil || !strings.Contains(err.Error(), "another page") {
		t.Errorf("Resolve with another page in its place: %v", err)
	}
}

func TestTheFooterChecksThePages(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/v1-full.rev")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	m.footer.parts[partPages].checksum++
	if err := m.Check(); err == nil || !strings.Contains(err.Error(), "checksum in the footer") {
		t.Errorf("Check with another checksum of the pages: %v", err)
	}
}
