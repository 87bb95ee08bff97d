package rot

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// packAttack changes a pack in pieces.
type packAttack struct {
	name string
	do   func(p *evilPack)
}

func TestEnumerateHostilePacks(t *testing.T) {
	v := newVictim(t)
	attacks := []packAttack{
		{"nothing", func(*evilPack) {}},
		{"no objects", func(p *evilPack) { p.table = append([]byte("VRVT"), 1, 0, 49, 0, 0, 0, 0, 0, 0, 0, 0, 0) }},
		{"rows twice", func(p *evilPack) { p.frames = append(p.frames, p.frames[0]) }},
		{"all rows one frame", func(p *evilPack) { p.row = func(_ int, row []byte) { le.PutUint64(row[33:], 72) } }},
		{"another object's frame", func(p *evilPack) {
			p.frames[0].segments, p.frames[1].segments = p.frames[1].segments, p.frames[0].segments
		}},
		{"a segment less", func(p *evilPack) { p.frames[0].segments = nil }},
		{"a chunk called a patch", func(p *evilPack) { p.frames[0].header[6] = 2 }},
	}
	attacks = append(attacks, fieldAttacks()...)
	attacks = append(attacks, bombs(t)...)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			p := takePack(v.Pristine[v.pack], v.packs[v.pack])
			a.do(p)
			pack := p.encode()
			s := v.stage(t, files{v.pack: pack})
			s.truth = v.Kept
			errs := s.loose()
			if same := bytes.Equal(pack, v.Pristine[v.pack]); same != (len(errs) == 0) {
				t.Errorf("errors: %v", errs)
			}
		})
	}
}

// fieldAttacks sets fields of all structures to numbers at which arithmetic goes wrong.
func fieldAttacks() (attacks []packAttack) {
	add := func(what string, n uint64, do func(p *evilPack)) {
		attacks = append(attacks, packAttack{fmt.Sprintf("%s is %#x", what, n), do})
	}
	for _, n := range edges {
		for field, at := range map[string]int{"footer: place of the table": 8, "footer: length of the table": 16, "footer: length of the file": 40} {
			add(field, n, func(p *evilPack) { p.lie = func(footer []byte) { le.PutUint64(footer[at:], n) } })
		}
		add("row: place of the frame", n, func(p *evilPack) {
			p.row = func(i int, row []byte) {
				if i == 0 {
					le.PutUint64(row[33:], n)
				}
			}
		})
		if n > 1<<32-1 {
			continue
		}
		for field, at := range map[string]int{"row: length of the frame": 41, "row: plain length": 45} {
			add(field, n, func(p *evilPack) {
				p.row = func(i int, row []byte) {
					if i == 0 {
						le.PutUint32(row[at:], uint32(n))
					}
				}
			})
		}
		add("frame: plain length", n, func(p *evilPack) { le.PutUint32(p.frames[0].header[48:], uint32(n)) })
		add("frame: length", n, func(p *evilPack) {
			p.frames[0].fixed = true
			le.PutUint32(p.frames[0].header[52:], uint32(n))
		})
		add("frame: length of a segment", n, func(p *evilPack) {
			f := &p.frames[0]
			f.rows = le.AppendUint64(le.AppendUint32(nil, uint32(n)), 0)
		})
		add("table: rows", n, func(p *evilPack) {
			table := append([]byte("VRVT"), 1, 0, 49, 0)
			p.table = append(le.AppendUint32(table, uint32(n)), make([]byte, 4+49*3)...)
		})
	}
	for _, log := range []byte{0, 1, 11, 21, 31, 32, 63, 64, 255} {
		add("frame: log of the segment size", uint64(log), func(p *evilPack) { p.frames[0].header[8] = log })
	}
	for _, codec := range []byte{0, 1, 3, 4, 255} {
		add("frame: codec", uint64(codec), func(p *evilPack) {
			for i := range p.frames {
				p.frames[i].header[7] = codec
			}
		})
	}
	return attacks
}

// bombs decode to far more than they are said to.
func bombs(t *testing.T) []packAttack {
	encoder, err := zstd.NewWriter(nil, zstd.WithWindowSize(zstd.MaxWindowSize))
	if err != nil {
		t.Fatal(err)
	}
	zeros := encoder.EncodeAll(make([]byte, 256<<20), nil)
	set := func(codec byte, segment []byte) func(p *evilPack) {
		return func(p *evilPack) {
			for i := range p.frames {
				p.frames[i].header[7] = codec
				p.frames[i].segments = [][]byte{segment}
			}
		}
	}
	// Magic, a descriptor with a window and 8 bytes of content size, the largest
	// window there is, a size, and a block of 128 KiB of one byte.
	declared := func(size uint64, window byte) []byte {
		b := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xc0, window}, binary.LittleEndian.AppendUint64(nil, size)...)
		for range 500 {
			b = append(b, 0x02, 0x00, 0x10, 'x')
		}
		return append(b, 0x03, 0x00, 0x10, 'x')
	}
	lz := append([]byte{0x1f, 'x', 1, 0}, bytes.Repeat([]byte{255}, 60_000)...)
	return []packAttack{
		{"zstd: 256 MiB of zeros", set(2, zeros)},
		{"zstd: a size of 2^63", set(2, declared(1<<63, 0))},
		{"zstd: a window of 2^41", set(2, declared(1<<16, 0xff))},
		{"zstd: a right size, blocks of 64 MiB", set(2, declared(1<<16, 0x30))},
		{"zstd: a size of 4 GiB and a huge window", set(2, declared(1<<32, 0xf8))},
		{"lz4: 15 MiB of one byte", set(1, append(lz, 0, 0))},
		{"lz4: a match before the start", set(1, []byte{0x1f, 'x', 255, 255, 255, 255, 0})},
		{"s2: a size of 4 GiB", set(3, append(binary.AppendUvarint(nil, 1<<32-1), bytes.Repeat([]byte{0xfe, 1, 0}, 9000)...))},
		{"s2: a size of 2^63", set(3, append(binary.AppendUvarint(nil, 1<<63), 0, 'x'))},
		{"s2: a right size, more content", set(3, append(binary.AppendUvarint(nil, 1<<16), bytes.Repeat([]byte{0xfe, 1, 0}, 9000)...))},
	}
}

// A pack of many gigabytes that are holes costs no memory, whatever its rows say.
func TestHostileSparsePack(t *testing.T) {
	v := newVictim(t)
	p := takePack(v.Pristine[v.pack], v.packs[v.pack])
	const frame = 1<<32 - 1
	size := int64(72)
	p.row = func(n int, row []byte) {
		le.PutUint64(row[33:], uint64(size))
		le.PutUint32(row[41:], frame)
		size += frame
	}
	data := p.encode()
	tail := 16 + 49*len(p.frames) + 8
	footer := data[len(data)-56:]
	le.PutUint64(footer[8:], uint64(size))
	le.PutUint64(footer[40:], uint64(size)+uint64(tail)+56)
	copy(footer, resummed(footer))
	s := v.stage(t, files{v.pack: nil})
	f, err := os.Create(filepath.Join(s.dir, v.pack))
	s.must(err)
	for at, part := range map[int64][]byte{0: data[:len(data)-tail-56], size: data[len(data)-tail-56:]} {
		_, err = f.WriteAt(part, at)
		s.must(err)
	}
	s.must(f.Close())
	if errs := s.loose(); len(errs) == 0 {
		t.Error("nothing was noticed")
	}
}
