package rot

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"varve/backup"
	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// mapAttack changes the map of the first revision, a full of three chunks, in both
// of its copies.
type mapAttack struct {
	name     string
	do       func(m *evilMap)
	harmless bool // nothing need be noticed
}

func TestEnumerateHostileMaps(t *testing.T) {
	v := newVictim(t)
	full := &v.Kept[0]
	attacks := slices.Concat(pageAttacks(v), tableAttacks(), statementAttacks(), []mapAttack{{name: "nothing", do: func(*evilMap) {}}})
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			m := takeMap(v.Pristine[full.file()], v.maps[full.file()])
			a.do(m)
			data := m.encode()
			errs := v.stage(t, files{full.file(): data, full.copy(): data}).loose()
			if len(errs) == 0 && !a.harmless && !bytes.Equal(data, v.Pristine[full.file()]) {
				t.Error("nothing was noticed")
			}
		})
	}
}

// pageAttacks give the map another page.
func pageAttacks(v *victim) (attacks []mapAttack) {
	add := func(name string, page func() []byte) {
		attacks = append(attacks, mapAttack{name: "page: " + name, do: func(m *evilMap) { m.page(page()) }})
	}
	full := &v.Kept[0]
	whole := takeMap(v.Pristine[full.file()], v.maps[full.file()]).parts[partPages]
	rows := [][]byte{whole[32:90], whole[90:148], whole[148:206]} // base 2, no patches: 58 bytes each
	changed := func(n, at int, with ...byte) []byte {
		row := slices.Clone(rows[n])
		copy(row[at:], with)
		return row
	}
	add("out of order", func() []byte { return records(0, 2, rows[0], rows[2], rows[1]) })
	add("a chunk twice", func() []byte { return records(0, 2, rows[0], rows[1], rows[1]) })
	add("a run in a full", func() []byte { return records(0, 3, append(rows[:3:3], zeroRun(3, 1))...) })
	add("a chunk beyond the image", func() []byte { return records(0, 1<<20, rows[0], rows[1], changed(2, 2, 0, 0, 16, 0)) })
	add("a pack that is not in the table", func() []byte { return records(0, 2, rows[0], rows[1], changed(2, 54, 255, 255, 255, 255)) })
	add("255 patches that are not there", func() []byte { return records(0, 2, rows[0], rows[1], changed(2, 1, 255)) })
	add("the parent's, in a full", func() []byte { return records(0, 2, rows[0], rows[1], changed(2, 0, 1)[:54]) })
	add("a base of no known kind", func() []byte { return records(0, 2, rows[0], rows[1], changed(2, 0, 4)) })
	loop := slices.Concat([]byte{2, 255}, rows[2][2:])
	patch := append(bytes.Repeat([]byte{7}, 32), 0, 0, 0, 0)
	loop = append(loop, bytes.Repeat(patch, 255)...)
	add("one patch 255 times", func() []byte { return records(0, 2, rows[0], rows[1], loop) })
	self := slices.Concat([]byte{3, 1}, rows[2][2:54], bytes.Repeat([]byte{9}, 32), rows[2][54:58], rows[2][22:54], rows[2][54:58])
	add("a chunk as a patch on itself", func() []byte { return records(0, 2, rows[0], rows[1], self) })
	for _, n := range edges {
		add(fmt.Sprintf("the first chunk is %#x", n), func() []byte { return records(n, n+2, rows...) })
		add(fmt.Sprintf("the last chunk is %#x", n), func() []byte { return records(0, n, rows...) })
		add(fmt.Sprintf("a run from %#x", n), func() []byte { return records(n, n, zeroRun(n, 1)) })
		add(fmt.Sprintf("a run of %#x", n), func() []byte { return records(0, n-1, zeroRun(0, n)) })
		add(fmt.Sprintf("%#x records", n), func() []byte {
			page := records(0, 2, rows...)
			le.PutUint16(page[6:], uint16(n))
			return page
		})
	}
	return attacks
}

// tableAttacks set numbers of the footer and the tables.
func tableAttacks() (attacks []mapAttack) {
	names := [6]string{"preamble", "pages", "page index", "region table", "pack table", "statement"}
	add := func(name string, n uint64, do func(m *evilMap)) {
		attacks = append(attacks, mapAttack{
			name: fmt.Sprintf("%s is %#x", name, n), do: do,
			harmless: name == "first row of the pack table", // a hint at no pack there is costs a search
		})
	}
	for _, n := range edges {
		for i, name := range names {
			add("footer: place of the "+name, n, func(m *evilMap) { m.lie = func(f []byte) { le.PutUint64(f[32+24*i:], n) } })
			add("footer: length of the "+name, n, func(m *evilMap) { m.lie = func(f []byte) { le.PutUint64(f[40+24*i:], n) } })
			if i < partPageIndex || i > partPacks {
				continue
			}
			add("rows of the "+name, n, func(m *evilMap) {
				le.PutUint64(m.parts[i][8:], n)
				m.parts[i] = resummed(m.parts[i])
			})
			add("first row of the "+name, n, func(m *evilMap) {
				le.PutUint64(m.parts[i][16:], n)
				m.parts[i] = resummed(m.parts[i])
			})
		}
		add("preamble: chunk size", n, func(m *evilMap) {
			le.PutUint64(m.parts[0][32:], n)
			m.parts[0] = resummed(m.parts[0])
		})
		add("page index: place of the page", n, func(m *evilMap) {
			le.PutUint64(m.parts[partPageIndex][32:], n)
			m.parts[partPageIndex] = resummed(m.parts[partPageIndex])
		})
		add("page index: length of the page", n, func(m *evilMap) {
			le.PutUint32(m.parts[partPageIndex][40:], uint32(n))
			m.parts[partPageIndex] = resummed(m.parts[partPageIndex])
		})
	}
	return attacks
}

// statementAttacks change the statement's text.
func statementAttacks() (attacks []mapAttack) {
	replace := func(name, field, with string) {
		// A name may be anything: it never becomes a path as it is.
		harmless := field == "name" && strings.Contains(with, "/") || field == "milliseconds" && with == "9223372036854775808"
		attacks = append(attacks, mapAttack{name: "statement: " + name, harmless: harmless, do: func(m *evilMap) {
			at := bytes.Index(m.parts[5], []byte(`"`+field+`":`)) + len(field) + 3
			end := at + bytes.IndexAny(m.parts[5][at:], ",}")
			m.parts[5] = slices.Concat(m.parts[5][:at], []byte(with), m.parts[5][end:])
		}})
	}
	for _, n := range []string{"-1", "0", "1e9", "18446744073709551616", "9223372036854775808", strings.Repeat("9", 1000), "null", "[]"} {
		for _, field := range []string{"size", "chunk_size", "sequence", "milliseconds"} {
			if n == "0" && field == "milliseconds" {
				continue // it may be so
			}
			replace(field+" is "+n[:min(len(n), 30)], field, n)
		}
	}
	for _, name := range []string{"../../outside/x", "/etc/passwd", `a\u0000b`, strings.Repeat("x", 5000), `x\n`, `a@b`, ""} {
		replace("the name "+name[:min(len(name), 20)], "name", `"`+name+`"`)
		replace("the id "+name[:min(len(name), 20)], "id", `"`+name+`"`)
	}
	replace("nested deeply", "begun", strings.Repeat("[", 1<<19))
	replace("a field twice", "id", `"20200101T000000Z-aaaa","id":"20200101T000000Z-aaaa"`)
	replace("a megabyte of tags", "digest", `"`+strings.Repeat(`\u0000`, 1<<18)+`"`)
	return attacks
}

// evilRevision is a revision written by the real writer.
type evilRevision struct {
	st      revision.Statement
	records func(w *revision.Writer) error
	regions []revision.Region
}

func (v *victim) put(t *testing.T, changed files, e evilRevision) {
	t.Helper()
	var out bytes.Buffer
	w, err := revision.NewWriter(&out, revision.Header{ChunkSize: e.st.ChunkSize, Nonce: e.st.Nonce})
	if err == nil && e.records != nil {
		err = e.records(w)
	}
	if err == nil {
		e.st.Digest = revision.ImageDigest(e.st.ChunkSize, e.st.Size, e.regions)
		err = w.Finish(e.regions, e.st)
	}
	if err != nil {
		t.Fatal(err)
	}
	k := kept{Volume: e.st.Volume.Name, UUID: e.st.Volume.UUID, ID: e.st.ID}
	changed[k.file()], changed[k.copy()] = out.Bytes(), out.Bytes()
}

// decoded is the statement of a revision of the victim.
func (v *victim) decoded(t *testing.T, k *kept) revision.Statement {
	t.Helper()
	s := v.maps[k.file()].parts[5]
	st, err := revision.DecodeStatement(v.Pristine[k.file()][s.begin:s.end])
	if err != nil {
		t.Fatal(err)
	}
	return *st
}

// A volume of 2^63-1 bytes, all zeros, and one with a chunk at its end.
func TestHostileSizes(t *testing.T) {
	v := newVictim(t)
	base := v.decoded(t, &v.Kept[0])
	for _, size := range []uint64{math.MaxInt64, 1<<62 + 1, 1 << 50} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			st := base
			st.Size, st.ID, st.Sequence = size, "20300101T000000Z-evev", 9
			changed := files{}
			v.put(t, changed, evilRevision{st: st})
			v.stage(t, changed).loose()
			last := (size - 1) / chunkSize
			chunk := revision.Chunk{Index: last, Fingerprint: chunkstore.Fingerprint{1}, Content: chunkstore.ID{1}}
			chunk.Stack.Base = chunkstore.Ref{ID: chunk.Content, Pack: chunkstore.PackID{1}}
			v.put(t, changed, evilRevision{
				st: st, records: func(w *revision.Writer) error { return w.Add(chunk.Entry()) },
				regions: []revision.Region{{Region: last / revision.RegionChunks, Hash: revision.RegionHash([]revision.Chunk{chunk})}},
			})
			missed := []repository.Extent{{Offset: int64(last * chunkSize), Length: int64(size - last*chunkSize)}}
			reports := 0
			for _, err := range v.stage(t, changed).loose() {
				if damage := new(backup.DamageError); errors.As(err, &damage) && slices.Equal(damage.Lost, missed) {
					reports++
				}
			}
			if reports < 2 {
				t.Errorf("of a restore and a verify, %d missed the chunk that is nowhere, and no more than it", reports)
			}
		})
	}
}

// Chains that go round in a circle, come from nowhere, are thousands long, or pile
// up more patches than a stack may have.
func TestEnumerateHostileChains(t *testing.T) {
	v := newVictim(t)
	base := v.decoded(t, &v.Kept[0])
	regions := []revision.Region{}
	empty := revision.ImageDigest(base.ChunkSize, base.Size, regions)
	delta := func(n int, parent int) revision.Statement {
		st := base
		st.ID, st.Sequence, st.Kind = numbered(n), uint64(n+10), revision.Delta
		st.Nonce[0], st.Nonce[1] = byte(n), byte(n>>8)
		st.Parent = &revision.Parent{ID: numbered(parent), Digest: empty}
		return st
	}
	for name, links := range map[string]map[int]int{
		"two, each the other's parent": {1: 2, 2: 1},
		"three in a circle":            {1: 2, 2: 3, 3: 1},
		"no parent there":              {1: 7, 2: 1},
	} {
		t.Run(name, func(t *testing.T) {
			changed := files{}
			for n, parent := range links {
				v.put(t, changed, evilRevision{st: delta(n, parent)})
			}
			if errs := v.stage(t, changed).loose(); len(errs) == 0 {
				t.Error("nothing was noticed")
			}
		})
	}
	t.Run("thousands", func(t *testing.T) {
		changed := files{}
		st := base
		st.ID, st.Sequence = numbered(0), 9
		v.put(t, changed, evilRevision{st: st})
		for n := range 2000 {
			v.put(t, changed, evilRevision{st: delta(n+1, n)})
		}
		v.stage(t, changed).loose()
	})
	t.Run("one patch of each of 300", func(t *testing.T) {
		s := v.stage(t, v.pile(t, base))
		s.bound = 1 << 30 // a backup opens every chain in vain until it finds one that is short enough
		s.loose()
	})
}

func numbered(n int) revision.ID {
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	return revision.ID("20300101T000000Z-a" + string([]byte{digits[n>>10&31], digits[n>>5&31], digits[n&31]}))
}

// pile makes a chain of which each revision puts a patch on the one chunk there is.
func (v *victim) pile(t *testing.T, base revision.Statement) files {
	t.Helper()
	changed := files{}
	var parent *revision.Parent
	for n := range 300 {
		c := revision.Chunk{Fingerprint: chunkstore.Fingerprint{1, byte(n), byte(n >> 8)}, Content: chunkstore.ID{1, byte(n), byte(n >> 8)}}
		entry := revision.Entry{Fingerprint: c.Fingerprint, Content: c.Content, Base: revision.BaseParent}
		st := base
		st.ID, st.Sequence, st.Parent, st.Kind = numbered(n), uint64(n+10), parent, revision.Delta
		if parent == nil {
			st.Kind, entry.Base = revision.Full, revision.BaseContent
			entry.BaseRef = chunkstore.Ref{ID: c.Content, Pack: chunkstore.PackID{1}}
		} else {
			entry.Patches = []chunkstore.Ref{{ID: chunkstore.ID{7}, Pack: chunkstore.PackID{1}}}
		}
		rows := []revision.Region{{Hash: revision.RegionHash([]revision.Chunk{c})}}
		v.put(t, changed, evilRevision{st: st, regions: rows, records: func(w *revision.Writer) error { return w.Add(entry) }})
		parent = &revision.Parent{ID: st.ID, Digest: revision.ImageDigest(st.ChunkSize, st.Size, rows)}
	}
	return changed
}

// The highest number there is leaves none for the next backup.
func TestHostileSequence(t *testing.T) {
	v := newVictim(t)
	st := v.decoded(t, &v.Kept[0])
	st.ID, st.Sequence = numbered(1), math.MaxUint64
	changed := files{}
	v.put(t, changed, evilRevision{st: st})
	v.stage(t, changed).loose()
}
