package disk

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The table of a PC's disk: four entries at the end of its first sector. One of them may be extended: it holds a chain of
// sectors like the first, each with one logical partition and the place of the next, from the beginning of the chain.
//
//	446  16 × 4  entry: 0 u8 active (0x80) or not (0); 4 u8 type; 8 u32 first sector; 12 u32 number of sectors
//	510  2       0x55 0xaa
const (
	mbrSize    = 512
	mbrEntries = 446
	mbrSector  = 512 // its numbers count these, whatever the disk has

	protective = 0xee

	// maxLogical is how many logical partitions are looked for. Linux stops at 100 links of a chain.
	maxLogical = 100
)

type mbrEntry struct {
	kind         byte
	first, count uint32
}

func (e mbrEntry) isExtended() bool { return e.kind == 0x05 || e.kind == 0x0f || e.kind == 0x85 }

// parseMBR reads the four entries of a sector, and tells whether it is one of a table.
func parseMBR(sector []byte) (entries []mbrEntry, isTable bool) {
	if sector[510] != 0x55 || sector[511] != 0xaa {
		return nil, false
	}
	for i := range 4 {
		b := sector[mbrEntries+16*i:][:16]
		if b[0]&^0x80 != 0 {
			return nil, false // code, or text
		}
		e := mbrEntry{kind: b[4], first: binary.LittleEndian.Uint32(b[8:]), count: binary.LittleEndian.Uint32(b[12:])}
		if e.kind == 0 || e.count == 0 {
			e = mbrEntry{}
		} else {
			isTable = true
		}
		entries = append(entries, e)
	}
	return entries, isTable
}

// readMBR makes parts of the primary partitions, and follows the chains of logical ones.
func readMBR(r io.ReaderAt, size int64, primary []mbrEntry) (Layout, error) {
	l := Layout{Table: MBR}
	for i, e := range primary {
		if e.kind != 0 && !e.isExtended() {
			l.add(i+1, e, 0)
		}
	}
	next := 5
	for _, e := range primary {
		if !e.isExtended() {
			continue
		}
		if err := l.addLogical(r, size, uint64(e.first), &next); err != nil {
			return Layout{}, err
		}
	}
	return l, nil
}

// add adds a partition whose first sector counts from another.
func (l *Layout) add(number int, e mbrEntry, from uint64) {
	at, ok := extent(from+uint64(e.first), uint64(e.count), mbrSector)
	if ok {
		l.Parts = append(l.Parts, Part{Number: number, Extent: at, Type: mbrType(e.kind)})
	}
}

// addLogical follows the chain that begins at a sector. One that leads astray ends there, which is told.
func (l *Layout) addLogical(r io.ReaderAt, size int64, begin uint64, next *int) error {
	seen := map[uint64]bool{}
	sector := make([]byte, mbrSize)
	for at := begin; ; {
		switch {
		case seen[at]:
			l.Problem = "the chain of logical partitions goes in a circle"
			return nil
		case len(seen) == maxLogical:
			l.Problem = fmt.Sprintf("the chain of logical partitions has more than %d links", maxLogical)
			return nil
		case at > uint64(size/mbrSector) || size-int64(at)*mbrSector < mbrSize:
			l.Problem = "the chain of logical partitions leads beyond the end of the disk"
			return nil
		}
		seen[at] = true
		if err := readAt(r, sector, int64(at)*mbrSector); err != nil {
			return fmt.Errorf("read the table of logical partitions: %w", err)
		}
		entries, isTable := parseMBR(sector)
		if !isTable {
			if sector[510] != 0x55 || sector[511] != 0xaa {
				l.Problem = "the chain of logical partitions is broken"
			}
			return nil
		}
		link := uint64(0)
		for _, e := range entries {
			switch {
			case e.isExtended() && link == 0:
				link = uint64(e.first)
			case e.kind != 0 && !e.isExtended():
				l.add(*next, e, at)
				*next++
			}
		}
		if link == 0 {
			return nil
		}
		at = begin + link
	}
}

// mbrType names what a partition is for.
func mbrType(kind byte) string {
	names := map[byte]string{
		0x01: "FAT", 0x04: "FAT", 0x06: "FAT", 0x0b: "FAT", 0x0c: "FAT", 0x0e: "FAT", 0x07: "NTFS or exFAT", 0x27: "Windows recovery",
		0x42: "Windows dynamic disk", 0x82: "Linux swap", 0x83: "Linux", 0x8e: "Linux LVM", 0xa5: "FreeBSD", 0xa6: "OpenBSD", 0xa9: "NetBSD",
		0xaf: "HFS+", 0xbf: "Solaris", protective: "GPT", 0xef: "EFI system", 0xfb: "VMFS", 0xfd: "Linux RAID",
	}
	if name, known := names[kind]; known {
		return name
	}
	return fmt.Sprintf("0x%02x", kind)
}
