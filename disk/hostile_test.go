package disk_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"varve/disk"
)

// mbr makes a sector with these entries: type, first sector, number of sectors.
func mbr(sector []byte, entries ...[3]uint32) {
	for i, e := range entries {
		b := sector[446+16*i:]
		b[4] = byte(e[0])
		binary.LittleEndian.PutUint32(b[8:], e[1])
		binary.LittleEndian.PutUint32(b[12:], e[2])
	}
	sector[510], sector[511] = 0x55, 0xaa
}

const mib = 2048 // sectors

func TestTablesThatLie(t *testing.T) {
	tests := []struct {
		name, want string
		make       func(d []byte)
	}{
		{"a chain in a circle", "mbr the chain of logical partitions goes in a circle\n5 2+1 Linux  unknown\n6 3+1 Linux  empty", func(d []byte) {
			mbr(d, [3]uint32{0x05, 1 * mib, 6 * mib})
			mbr(d[1<<20:], [3]uint32{0x83, 1 * mib, 1 * mib}, [3]uint32{0x05, 1 * mib, mib})
			mbr(d[2<<20:], [3]uint32{0x83, 1 * mib, 1 * mib}, [3]uint32{0x05, 1 * mib, mib})
		}},
		{"a chain that leads out", "mbr the chain of logical partitions leads beyond the end of the disk\n5 2+1 Linux  empty", func(d []byte) {
			mbr(d, [3]uint32{0x0f, 1 * mib, 6 * mib})
			mbr(d[1<<20:], [3]uint32{0x83, 1 * mib, 1 * mib}, [3]uint32{0x05, 0xffffffff, mib})
		}},
		{"a chain that is broken", "mbr the chain of logical partitions is broken", func(d []byte) {
			mbr(d, [3]uint32{0x0f, 1 * mib, 6 * mib})
		}},
		{"a partition beyond the end", "mbr\n1 9+1 Linux  unknown   it begins 1048576 bytes after the end of the disk", func(d []byte) {
			mbr(d, [3]uint32{0x83, 9 * mib, 1 * mib})
		}},
		{"the largest partition that can be written", "mbr\n1 2.0971519995117188e+06+2.0971519995117188e+06 Linux  unknown   it begins 2199014866432 bytes after the end of the disk", func(d []byte) {
			mbr(d, [3]uint32{0x83, 0xffffffff, 0xffffffff})
		}},
		{"a partition that is cut", "mbr\n1 7+2 Linux  empty   its last 1048576 bytes are after the end of the disk", func(d []byte) {
			mbr(d, [3]uint32{0x83, 7 * mib, 2 * mib})
		}},
		{"partitions that overlap", "mbr\n1 1+6 Linux  empty\n2 2+1 Linux  empty   it overlaps partition 1\n3 4+1 Linux  empty   it overlaps partition 1", func(d []byte) {
			mbr(d, [3]uint32{0x83, 1 * mib, 6 * mib}, [3]uint32{0x83, 2 * mib, mib}, [3]uint32{0x83, 4 * mib, mib})
		}},
		{"text where entries are", "0 0+8   unknown", func(d []byte) { mbr(d, [3]uint32{0x83, mib, mib}); copy(d[446:], "hello") }},
		{"a gpt that ends before it begins", "gpt partition 1 ends before it begins", func(d []byte) { gpt(d, 1, 128, [2]uint64{3 * mib, 2 * mib}) }},
		{"a gpt of the largest numbers", "gpt partition 1 ends before it begins", func(d []byte) { gpt(d, 1, 128, [2]uint64{0, 1<<64 - 1}) }},
		{"a gpt of a large number", "gpt\n1 4.3980465111039995e+12+0.00048828125 11111111-1111-1111-1111-111111111111  unknown   it begins 4611686018418998784 bytes after the end of the disk",
			func(d []byte) { gpt(d, 1, 128, [2]uint64{1<<53 - 1, 1<<53 - 1}) }},
		{"a gpt of many entries", "gpt the GUID partition table says that it has 4294967295 entries of 128 bytes", func(d []byte) { gpt(d, 1<<32-1, 128) }},
		{"a gpt of small entries", "gpt the GUID partition table says that it has 4 entries of 8 bytes", func(d []byte) { gpt(d, 4, 8) }},
		{"a gpt of no entries", "gpt", func(d []byte) { gpt(d, 0, 128) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := make([]byte, 8<<20)
			test.make(d)
			if got := look(t, d); got != test.want+"\n" {
				t.Errorf("found\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestLongChain has more logical partitions than anybody makes.
func TestLongChain(t *testing.T) {
	d := make([]byte, 8<<20)
	mbr(d, [3]uint32{0x05, 64, 8 * mib})
	for i := uint32(0); i < 8000; i++ {
		mbr(d[(64+i)*512:], [3]uint32{0x83, 1, 1}, [3]uint32{0x05, i + 1, 1})
	}
	l, err := disk.Look(bytes.NewReader(d), int64(len(d)))
	if err != nil || len(l.Parts) != 100 || !strings.Contains(l.Problem, "more than 100") {
		t.Errorf("%d parts, %q, %v", len(l.Parts), l.Problem, err)
	}
}

// TestThousandsOfPartitions has a table of 8,192 partitions, each of them all of a disk full of something: only some are
// looked at, which is told, and a few MiB of each are read.
func TestThousandsOfPartitions(t *testing.T) {
	d := bytes.Repeat([]byte{0xa5}, 8<<20)
	clear(d[:2<<20])
	const count = 8192 // the largest table that is read
	entries := make([][2]uint64, count)
	for i := range entries {
		entries[i] = [2]uint64{2 * mib, 8*mib - 1}
	}
	gpt(d, count, 128, entries...)
	var read int64
	l, err := disk.Look(counted{bytes.NewReader(d), &read}, int64(len(d)))
	const want = "the partition table has 8192 partitions: only the first 256 are looked at"
	if err != nil || len(l.Parts) != 256 || l.Problem != want {
		t.Fatalf("%d parts, %q, %v", len(l.Parts), l.Problem, err)
	}
	if most := int64(256 * 3 << 20); read > most {
		t.Errorf("%d bytes are read for %d parts", read, len(l.Parts))
	}
	for i, p := range l.Parts {
		if p.Number != i+1 || i > 0 && !strings.HasPrefix(p.Problem, "it overlaps partition ") {
			t.Fatalf("found %+v", p)
		}
	}
}

// gpt makes a table that is whole, whatever it says.
func gpt(d []byte, count, each uint32, entries ...[2]uint64) {
	mbr(d, [3]uint32{0xee, 1, uint32(len(d)/512 - 1)})
	h := d[512:604]
	copy(h, "EFI PART\x00\x00\x01\x00")
	table := d[1024:][:min(uint64(count)*uint64(each), 1<<20)]
	for i, e := range entries {
		b := table[uint32(i)*each:]
		copy(b, bytes.Repeat([]byte{0x11}, 32))
		binary.LittleEndian.PutUint64(b[32:], e[0])
		binary.LittleEndian.PutUint64(b[40:], e[1])
	}
	binary.LittleEndian.PutUint32(h[12:], 92)
	binary.LittleEndian.PutUint64(h[24:], 1)
	binary.LittleEndian.PutUint64(h[32:], uint64(len(d)/512-1))
	binary.LittleEndian.PutUint64(h[72:], 2)
	binary.LittleEndian.PutUint32(h[80:], count)
	binary.LittleEndian.PutUint32(h[84:], each)
	binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(table))
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h))
}

// counted counts what is read.
type counted struct {
	*bytes.Reader
	read *int64
}

func (c counted) ReadAt(p []byte, off int64) (int, error) {
	*c.read += int64(len(p))
	return c.Reader.ReadAt(p, off)
}

// FuzzLook writes bytes over a disk with a table, which is made whole again where it can be: nothing panics, and what is
// read stays within bounds.
func FuzzLook(f *testing.F) {
	f.Add(uint32(446), []byte("\x00\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\xff\xff\xff\xff"), false)
	f.Add(uint32(1024), bytes.Repeat([]byte{0xff}, 128), true)
	f.Add(uint32(512+72), []byte{0xff, 0xff}, true)
	f.Fuzz(func(t *testing.T, at uint32, data []byte, isGPT bool) {
		d := make([]byte, 256<<10)
		if isGPT {
			gpt(d, 4, 128, [2]uint64{8, 16}, [2]uint64{100, 200})
		} else {
			mbr(d, [3]uint32{0x83, 8, 16}, [3]uint32{0x05, 100, 300})
			mbr(d[100*512:], [3]uint32{0x83, 8, 16}, [3]uint32{0x05, 50, 100})
		}
		copy(d[int(at)%len(d):], data)
		h := d[512:604]
		if length := binary.LittleEndian.Uint32(h[80:]) * binary.LittleEndian.Uint32(h[84:]); int64(length) <= int64(len(d))-1024 {
			binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(d[1024:][:length]))
		}
		clear(h[16:20])
		binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h))
		var read int64
		l, err := disk.Look(counted{bytes.NewReader(d), &read}, int64(len(d)))
		if err != nil {
			t.Fatal(err) // all of it can be read
		}
		if most := int64(len(l.Parts)+2)*6*int64(len(d)) + 8<<20; read > most {
			t.Errorf("%d bytes are read for %d parts", read, len(l.Parts))
		}
		for _, p := range l.Parts {
			if p.Offset < 0 || p.Length < 0 || p.Offset+p.Length < 0 || p.Kind == "" || p.What == "" {
				t.Errorf("found %+v", p)
			}
		}
	})
}
