package revision

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"varve/chunkstore"
)

// bounded fails if f takes much more memory than the bytes it decodes are worth.
func bounded(t *testing.T, input int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if took, limit := after.TotalAlloc-before.TotalAlloc, uint64(4<<20+200*input); took > limit {
		t.Errorf("%d bytes of input took %d bytes of memory, want at most %d", input, took, limit)
	}
}

// parts of the golden files, as seeds.
func goldenParts(f *testing.F) (files [][]byte, maps []*Map) {
	f.Helper()
	for _, name := range []string{"testdata/v1-full.rev", "testdata/v1-delta.rev"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		m, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			f.Fatal(err)
		}
		files, maps = append(files, data), append(maps, m)
	}
	return files, maps
}

// FuzzOpen feeds whole files, most of which fail a checksum.
func FuzzOpen(f *testing.F) {
	files, _ := goldenParts(f)
	for _, data := range files {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, len(data), func() { checkAndUse(t, data) })
	})
}

// FuzzParts feeds files whose checksums are right, whatever the parts say.
func FuzzParts(f *testing.F) {
	files, maps := goldenParts(f)
	for i, m := range maps {
		var args [5][]byte
		for j := range args {
			p := m.footer.parts[partPages+j]
			args[j] = files[i][p.offset:p.end()]
		}
		f.Add(args[0], unframe(args[1]), unframe(args[2]), unframe(args[3]), args[4])
	}
	f.Fuzz(func(t *testing.T, pages, index, regions, packs, statement []byte) {
		data := assemble(bytes.Clone(pages), bytes.Clone(index), regions, packs, statement)
		bounded(t, len(data), func() { checkAndUse(t, data) })
	})
}

func unframe(table []byte) []byte { return table[tableHeaderSize : len(table)-checksumSize] }

// assemble makes a file of these parts, with every checksum and length put right.
func assemble(pages, index, regions, packs, statement []byte) []byte {
	for row := range slices.Chunk(index, pageRowSize) {
		if len(row) < pageRowSize {
			break
		}
		start := binary.LittleEndian.Uint64(row[16:]) - preambleSize
		length := uint64(binary.LittleEndian.Uint32(row[24:]))
		if start > uint64(len(pages)) || length > uint64(len(pages))-start || length < checksumSize {
			continue
		}
		page := pages[start : start+length]
		sum := xxh3.Hash(page[:length-checksumSize])
		binary.LittleEndian.PutUint64(page[length-checksumSize:], sum)
		binary.LittleEndian.PutUint64(row[32:], sum)
	}
	header := Header{ChunkSize: chunkstore.MinChunkSize, Nonce: Nonce{1}}
	if st, err := DecodeStatement(statement); err == nil {
		header = Header{ChunkSize: st.ChunkSize, Nonce: st.Nonce}
	}
	file, foot := []byte(nil), footer{nonce: header.Nonce}
	for i, data := range [][]byte{
		encodePreamble(header), pages, frame(pageIndexMagic, index, pageRowSize),
		frame(regionTableMagic, regions, regionRowSize), frame(packTableMagic, packs, packRowSize), statement,
	} {
		foot.parts[i] = part{offset: uint64(len(file)), length: uint64(len(data)), checksum: xxh3.Hash(data)}
		file = append(file, data...)
	}
	return append(file, foot.encode()...)
}

func frame(magic string, rows []byte, rowSize int) []byte {
	whole := slices.Collect(slices.Chunk(rows, rowSize))
	return encodeTable(magic, whole, rowSize, func(buf, row []byte) []byte { return append(buf, row...) })
}

// checkAndUse reads a file as a hostile one is read. What passes Check is worth to
// be written again, and says the same then.
func checkAndUse(t *testing.T, data []byte) {
	m, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return
	}
	for region := range uint64(2) {
		_, _ = Fold([]*Map{m}, region)
	}
	if m.Check() != nil {
		return
	}
	if _, err := Resolve([]*Map{m}, 0); m.statement.Kind == Full && err != nil {
		t.Errorf("Resolve of a checked full: %v", err)
	}
	var out bytes.Buffer
	w, err := NewWriter(&out, Header{ChunkSize: m.statement.ChunkSize, Nonce: m.statement.Nonce})
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range m.Records(0, maxChunks) {
		if err == nil && r.Zeros != nil {
			err = w.AddZeros(r.Zeros.First, r.Zeros.Count)
		} else if err == nil {
			err = w.Add(r.Entry)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	regions, err := m.Regions()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(regions, *m.statement); err != nil {
		t.Errorf("what was checked cannot be written again: %v", err)
	}
}

// FuzzPage feeds the records of one page, with a header that fits. What can be read
// is written in the same way.
func FuzzPage(f *testing.F) {
	files, maps := goldenParts(f)
	for i, m := range maps {
		rows, err := m.pageRows()
		if err != nil {
			f.Fatal(err)
		}
		for _, row := range rows {
			page := files[i][row.offset : row.offset+uint64(row.length)]
			f.Add(page[pageHeaderSize:len(page)-checksumSize], row.first, row.last, uint16(row.records))
		}
	}
	packs := []chunkstore.PackID{{1}, {2}, {3}, {4}, {5}, {6}}
	f.Fuzz(func(t *testing.T, records []byte, first, last uint64, count uint16) {
		page := finishPage(append(startPage(nil), records...), first, last, int(count))
		bounded(t, len(page), func() {
			p, err := decodePage(page)
			if err != nil {
				return
			}
			again := startPage(nil)
			for s := p.scan(); ; {
				r, more, err := s.record()
				if err != nil {
					return
				}
				if !more {
					break
				}
				if r.isRun() {
					again = appendRun(again, ZeroRun{First: r.first, Count: r.end - r.first})
					continue
				}
				e, err := r.entry(packs)
				if err != nil {
					return
				}
				again = appendEntry(again, &e, first, func(id chunkstore.PackID) uint32 { return uint32(id[0] - 1) })
			}
			if got := finishPage(again, first, last, int(count)); !bytes.Equal(got, page) {
				t.Errorf("page %x is written again as %x", page, got)
			}
		})
	})
}

func FuzzStatement(f *testing.F) {
	_, maps := goldenParts(f)
	for _, m := range maps {
		data, err := m.statement.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"features":["x"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, len(data), func() {
			st, err := DecodeStatement(data)
			if err != nil {
				return
			}
			if again, err := st.Encode(); err != nil || !bytes.Equal(again, data) {
				t.Errorf("%s is encoded again as %s, %v", data, again, err)
			}
		})
	})
}

func FuzzSelector(f *testing.F) {
	for _, text := range []string{
		"k3f9", "20261124T010003Z-k3f9", "latest", "latest~2", "latest-good", "tag:release", "2026-11-19T02:00",
		"2026-11-19T02:00:03Z", "2026-11-19T02:00+01:00", "2026-11-19", "today", "yesterday", "tuesday", "3d", "36600d",
	} {
		f.Add(text)
	}
	now := time.Date(2026, 11, 24, 2, 0, 3, 0, time.UTC)
	candidates := []Candidate{
		{ID: "20261124T010003Z-k3f9", Sequence: 2, Begun: now, Tags: []string{"release"}, Trusted: true},
		{ID: "20261123T010003Z-a000", Sequence: 1, Begun: now.Add(-24 * time.Hour)},
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSelector(text, now, time.UTC)
		if err != nil {
			return
		}
		if s.String() != text {
			t.Errorf("%q is shown as %q", text, s)
		}
		nearest, err := Select(s, candidates, Nearest)
		strict, strictErr := Select(s, candidates, Strict)
		if strictErr == nil && (err != nil || strict.ID != nearest.ID) {
			t.Errorf("%q selects %s strictly, else %s, %v", text, strict.ID, nearest.ID, err)
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, text := range []string{"db1", "vms%2Fvm-17", "%2E.%2Fx", "a%2fb", "%", "größe", "../x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := DecodeName(text); err == nil && n.Encode() != text {
			t.Errorf("%q decodes to %q, which encodes to %q", text, n, n.Encode())
		}
		n, err := ParseName(text)
		if err != nil {
			return
		}
		encoded := n.Encode()
		if back, err := DecodeName(encoded); err != nil || back != n {
			t.Errorf("%q encodes to %q, which decodes to %q, %v", n, encoded, back, err)
		}
		if bytes.ContainsAny([]byte(encoded), "/\x00") || encoded[0] == '.' || len(encoded) > maxEncodedName {
			t.Errorf("%q encodes to %q", n, encoded)
		}
	})
}

func FuzzID(f *testing.F) {
	f.Add("20261124T010003Z-k3f9")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseID(text)
		if err == nil && id.Begun().Format(idTimeLayout)+"-"+id.Short() != text {
			t.Errorf("%q was begun %s, short %q", text, id.Begun(), id.Short())
		}
	})
}

// FuzzNumbers feeds the texts of digests, nonces and uuids.
func FuzzNumbers(f *testing.F) {
	f.Add(Digest{1}.String())
	f.Add(Nonce{1}.String())
	f.Add(UUID{1}.String())
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDigest(text); err == nil && d.String() != text {
			t.Errorf("digest %q became %s", text, d)
		}
		if n, err := ParseNonce(text); err == nil && n.String() != text {
			t.Errorf("nonce %q became %s", text, n)
		}
		if u, err := ParseUUID(text); err == nil && u.String() != text {
			t.Errorf("uuid %q became %s", text, u)
		}
	})
}
