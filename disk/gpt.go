package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf16"
)

// The header of a GUID partition table (UEFI 2.10, 5.3) stands in the second sector, and a copy in the last:
//
//	0   8   "EFI PART"
//	12  u32 size of the header
//	16  u32 CRC-32 of that, with zeros here
//	24  u64 the sector that it stands in
//	32  u64 the sector of the other one
//	72  u64 the first sector of the entries
//	80  u32 their number
//	84  u32 size of each
//	88  u32 CRC-32 of all of them
//
// and an entry is
//
//	0   16  type    16 16  its own uuid
//	32  u64 first and 40 u64 last sector
//	56  72  name, in UTF-16
const (
	gptHeader   = 92
	gptEntry    = 128
	maxGPTTable = 1 << 20 // usual are 16 KiB
)

// readGPT reads the table, with sectors of either size, or its backup.
func readGPT(r io.ReaderAt, size int64) (Layout, error) {
	var causes []error
	for _, sector := range []int64{512, 4096} {
		last := size/sector*sector - sector
		other := int64(0)
		for i, at := range []int64{sector, last, 0} {
			if i == 2 {
				at = other // where the first one says, on a disk that grew
			}
			if at <= 0 || at > size-sector {
				continue
			}
			l, alternate, err := readGPTAt(r, size, sector, at)
			if i == 0 {
				other = alternate
			}
			switch {
			case err == nil && i > 0:
				l.Problem = "the table at the beginning of the disk is damaged; this is its backup"
				return l, nil
			case err == nil || errors.Is(err, errUnreadable) && i > 0:
				return l, err
			case !errors.Is(err, errNoGPT):
				causes = append(causes, err)
			}
		}
	}
	if len(causes) == 0 {
		return Layout{}, errNoGPT
	}
	return Layout{}, causes[0]
}

var errNoGPT = errors.New("there is no GUID partition table, and what stands in for old tables says that there is one")

// readGPTAt reads the table whose header is at a place; where it can, it tells where the other header is.
func readGPTAt(r io.ReaderAt, size, sector, at int64) (l Layout, other int64, err error) {
	header := make([]byte, sector)
	if err := readAt(r, header, at); err != nil {
		return l, 0, fmt.Errorf("read the partition table: %w", err)
	}
	if string(header[:8]) != "EFI PART" {
		return l, 0, errNoGPT
	}
	length := binary.LittleEndian.Uint32(header[12:])
	if length < gptHeader || int64(length) > sector {
		return l, 0, errors.New("the header of the GUID partition table is damaged")
	}
	sum := binary.LittleEndian.Uint32(header[16:])
	clear(header[16:20])
	if crc32.ChecksumIEEE(header[:length]) != sum || binary.LittleEndian.Uint64(header[24:]) != uint64(at/sector) {
		return l, 0, errors.New("the header of the GUID partition table is damaged")
	}
	if place, ok := extent(binary.LittleEndian.Uint64(header[32:]), 1, sector); ok {
		other = place.Offset
	}
	entries, each, err := readGPTEntries(r, size, sector, header)
	if err != nil {
		return l, other, err
	}
	l.Table = GPT
	for i := 0; (i+1)*each <= len(entries); i++ {
		l.addGPT(i+1, entries[i*each:][:gptEntry], sector)
	}
	return l, other, nil
}

// readGPTEntries reads the entries, and tells how long each is.
func readGPTEntries(r io.ReaderAt, size, sector int64, header []byte) (entries []byte, each int, err error) {
	count, length := binary.LittleEndian.Uint32(header[80:]), binary.LittleEndian.Uint32(header[84:])
	if length < gptEntry || length%8 != 0 || uint64(count)*uint64(length) > maxGPTTable {
		return nil, 0, fmt.Errorf("the GUID partition table says that it has %d entries of %d bytes", count, length)
	}
	at, ok := extent(binary.LittleEndian.Uint64(header[72:]), 1, sector)
	total := int64(count) * int64(length)
	if !ok || at.Offset > size-total {
		return nil, 0, errors.New("the GUID partition table has its entries beyond the end of the disk")
	}
	entries = make([]byte, total)
	if err := readAt(r, entries, at.Offset); err != nil {
		return nil, 0, fmt.Errorf("read the partition table: %w", err)
	}
	if crc32.ChecksumIEEE(entries) != binary.LittleEndian.Uint32(header[88:]) {
		return nil, 0, errors.New("the entries of the GUID partition table are damaged")
	}
	return entries, int(length), nil
}

func (l *Layout) addGPT(number int, b []byte, sector int64) {
	kind := guid(b[:16])
	if kind == "00000000-0000-0000-0000-000000000000" {
		return
	}
	first, last := binary.LittleEndian.Uint64(b[32:]), binary.LittleEndian.Uint64(b[40:])
	at, ok := extent(first, last-first+1, sector)
	if last < first || !ok {
		l.Problem = fmt.Sprintf("partition %d ends before it begins", number)
		return
	}
	l.Parts = append(l.Parts, Part{Number: number, Extent: at, Type: gptType(kind), Name: utf16Text(b[56:])})
}

// guid writes a GUID as people do: its first three numbers are little-endian.
func guid(b []byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:16])
}

func utf16Text(b []byte) string {
	var units []uint16
	for i := 0; i+1 < len(b); i += 2 {
		unit := binary.LittleEndian.Uint16(b[i:])
		if unit == 0 {
			break
		}
		units = append(units, unit)
	}
	return inOneLine(string(utf16.Decode(units)))
}

// gptType names what a partition is for.
func gptType(kind string) string {
	names := map[string]string{
		"c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
		"21686148-6449-6e6f-744e-656564454649": "BIOS boot",
		"0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux",
		"4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
		"b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (ARM-64)",
		"bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux boot",
		"933ac7e1-2eb4-4f13-b844-0e14e2aef915": "Linux home",
		"3b8f8425-20e0-4f3b-907f-1a25a76f98e8": "Linux server data",
		"0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
		"e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
		"a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
		"ca7d7ccb-63ed-4c53-861c-1742536059cc": "LUKS",
		"ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Windows data",
		"e3c9e316-0b5c-4db8-817d-f92df00215ae": "Windows reserved",
		"de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery",
		"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "Windows dynamic disk metadata",
		"af9b60a0-1431-4f62-bc68-3311714a69ad": "Windows dynamic disk",
		"6a898cc3-1dd2-11b2-99a6-080020736631": "ZFS",
		"48465300-0000-11aa-aa11-00306543ecac": "HFS+",
		"7c3457ef-0000-11aa-aa11-00306543ecac": "APFS",
		"516e7cba-6ecf-11d6-8ff8-00022d09712b": "FreeBSD ZFS",
		"516e7cb6-6ecf-11d6-8ff8-00022d09712b": "FreeBSD UFS",
	}
	if name, known := names[kind]; known {
		return name
	}
	return kind
}
