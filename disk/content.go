package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"varve/volume"
)

// A Kind says what a part holds.
type Kind string

// What parts hold. File systems are called as the kernel calls them.
const (
	Ext2     Kind = "ext2"
	Ext3     Kind = "ext3"
	Ext4     Kind = "ext4"
	XFS      Kind = "xfs"
	Btrfs    Kind = "btrfs"
	VFAT     Kind = "vfat"
	ExFAT    Kind = "exfat"
	NTFS     Kind = "ntfs"
	ISO9660  Kind = "iso9660"
	UDF      Kind = "udf"
	SquashFS Kind = "squashfs"
	EROFS    Kind = "erofs"
	F2FS     Kind = "f2fs"
	JFS      Kind = "jfs"
	HFSPlus  Kind = "hfsplus"

	Swap      Kind = "swap"
	LUKS      Kind = "luks"
	BitLocker Kind = "bitlocker"
	LVM       Kind = "lvm"
	RAID      Kind = "linux-raid"
	ZFS       Kind = "zfs"
	Member    Kind = "member" // of something else that is built upon disks
	Packed    Kind = "packed" // a disk, or something else, in a format of its own: qcow2, gzip
	Unknown   Kind = "unknown"
	Empty     Kind = "empty" // nothing but zeros at both ends
)

const whatUnknown = "nothing that is known"

// IsFileSystem tells whether it holds files.
func (k Kind) IsFileSystem() bool {
	return slices.Contains([]Kind{Ext2, Ext3, Ext4, XFS, Btrfs, VFAT, ExFAT, NTFS, ISO9660, UDF, SquashFS, EROFS, F2FS, JFS, HFSPlus}, k)
}

// hasBootSector tells whether it begins with a sector that ends as that of a table does.
func (k Kind) hasBootSector() bool { return k == VFAT || k == ExFAT || k == NTFS || k == BitLocker }

// identify finds out what size bytes hold. The mark of what needs several disks, or a key, goes before that of a file
// system, which can be a leftover; but for the disk of a pool of ZFS, which keeps nothing that was there before, and so
// is the leftover itself.
func identify(r io.ReaderAt, size int64) (Content, error) {
	marks, err := volume.FindSignatures(r, size)
	if err != nil {
		return Content{}, err
	}
	content, isKnown, err := findFileSystem(r, size)
	if err != nil {
		return Content{}, err
	}
	for _, mark := range marks {
		if isKnown && mark.What == volume.ZFSDisk {
			continue
		}
		return Content{Kind: kindOf(mark), What: mark.What}, nil
	}
	if isKnown {
		return content, nil
	}
	if format, is, err := volume.DetectFormat(r, size); err != nil {
		return Content{}, err
	} else if is {
		return Content{Kind: Packed, What: format.String()}, nil
	}
	isEmpty, err := hasZeroEdges(r, size)
	if isEmpty && err == nil {
		return Content{Kind: Empty, What: "nothing but zeros at its beginning and its end"}, nil
	}
	return Content{Kind: Unknown, What: whatUnknown}, err
}

func kindOf(mark volume.Signature) Kind {
	switch mark.What {
	case volume.LVMDisk:
		return LVM
	case volume.LUKSDisk:
		return LUKS
	case volume.LinuxRAID:
		return RAID
	case volume.ZFSDisk:
		return ZFS
	}
	return Member
}

// hasZeroEdges looks at the first and the last MiB, and no further than to what is not zero.
func hasZeroEdges(r io.ReaderAt, size int64) (bool, error) {
	edge := min(size, 1<<20)
	for _, from := range []int64{0, size - edge} {
		for off := from; off < from+edge; off += headSize {
			p := make([]byte, min(headSize, from+edge-off))
			if err := readAt(r, p, off); err != nil {
				return false, err
			}
			if len(bytes.TrimLeft(p, "\x00")) > 0 {
				return false, nil
			}
		}
	}
	return true, nil
}

// headSize is how much of the beginning has the marks of all file systems.
const headSize = 68 << 10

// A head is the beginning of a part.
type head []byte

func (h head) at(off, n int) []byte {
	if off+n > len(h) {
		return make([]byte, n)
	}
	return h[off:][:n]
}

func (h head) has(off int, mark string) bool { return string(h.at(off, len(mark))) == mark }
func (h head) u16(off int) uint16            { return binary.LittleEndian.Uint16(h.at(off, 2)) }
func (h head) u32(off int) uint32            { return binary.LittleEndian.Uint32(h.at(off, 4)) }
func (h head) u64(off int) uint64            { return binary.LittleEndian.Uint64(h.at(off, 8)) }

// text is what stands in a field of fixed length.
func (h head) text(off, n int) string {
	text, _, _ := strings.Cut(string(h.at(off, n)), "\x00")
	return inOneLine(text)
}

// inOneLine is a text that somebody else wrote, as it can be shown: what would move the cursor is a question mark.
func inOneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(strings.TrimSpace(text), "?"))
}

// uuid writes 16 bytes as people do; of nothing but zeros, nothing.
func (h head) uuid(off int) string {
	b := h.at(off, 16)
	if len(bytes.TrimLeft(b, "\x00")) == 0 {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// findFileSystem looks for the mark of one, at the places where their own descriptions have it.
func findFileSystem(r io.ReaderAt, size int64) (Content, bool, error) {
	h := make(head, min(size, headSize))
	if err := readAt(r, h, 0); err != nil {
		return Content{}, false, err
	}
	for _, find := range []func() Content{
		h.xfs, h.boot, h.btrfs, h.ext, h.iso, h.swap,
		func() Content { return h.marked(SquashFS, 0, "hsqs") },
		func() Content { return h.marked(EROFS, 1024, "\xe2\xe1\xf5\xe0") },
		func() Content { return h.marked(F2FS, 1024, "\x10\x20\xf5\xf2") },
		func() Content { return h.marked(JFS, 32768, "JFS1") },
		func() Content { return h.marked(HFSPlus, 1024, "H+\x00\x04") },
		func() Content { return h.marked(HFSPlus, 1024, "HX\x00\x05") },
	} {
		if c := find(); c.Kind != "" {
			if c.What == "" {
				c.What = article(c.Kind) + " file system"
			}
			return c, true, nil
		}
	}
	return Content{}, false, nil
}

// article puts "a" or "an" before it, as it is spoken.
func article(k Kind) string {
	if slices.Contains([]Kind{XFS, NTFS, F2FS, HFSPlus}, k) || strings.ContainsAny(string(k[:1]), "aeio") {
		return "an " + string(k)
	}
	return "a " + string(k)
}

func (h head) marked(k Kind, off int, mark string) Content {
	if !h.has(off, mark) {
		return Content{}
	}
	return Content{Kind: k}
}

// ext reads the superblock of ext2, ext3 and ext4 (Documentation/filesystems/ext4/super.rst of Linux). They differ by what
// they make use of.
func (h head) ext() Content {
	const sb = 1024
	if !h.has(sb+0x38, "\x53\xef") || h.u32(sb+0x18) > 6 || h.u32(sb+0x4c) > 1 { // size of blocks, and revision
		return Content{}
	}
	compatible, incompatible, readOnly := h.u32(sb+0x5c), h.u32(sb+0x60), h.u32(sb+0x64)
	const journal, journalDevice, recover = 0x4, 0x8, 0x4
	if incompatible&journalDevice != 0 {
		return Content{Kind: Member, What: "the journal of an ext4 file system that lies elsewhere"}
	}
	const ofExt3, readOnlyOfExt3 = 0x2 | 0x4 | 0x10, 0x1 | 0x2 | 0x4 // file types, recovery, meta groups; sparse superblocks, large files, b-trees
	kind := Ext2
	switch {
	case incompatible&^ofExt3 != 0 || readOnly&^readOnlyOfExt3 != 0:
		kind = Ext4
	case compatible&journal != 0:
		kind = Ext3
	}
	return Content{Kind: kind, Label: h.text(sb+0x78, 16), UUID: h.uuid(sb + 0x68), Unclean: incompatible&recover != 0}
}

// xfs reads the superblock (xfs_dsb), whose numbers are big-endian. Whether the journal is to be replayed, it does not say.
func (h head) xfs() Content {
	if !h.has(0, "XFSB") {
		return Content{}
	}
	return Content{Kind: XFS, UUID: h.uuid(32), Label: h.text(108, 12)}
}

// btrfs reads the superblock (Documentation/dev/On-disk-format.rst of btrfs-progs).
func (h head) btrfs() Content {
	const sb = 64 << 10
	if !h.has(sb+0x40, "_BHRfS_M") {
		return Content{}
	}
	return Content{Kind: Btrfs, UUID: h.uuid(sb + 0x20), Label: h.text(sb+0x12b, 256), Unclean: h.u64(sb+0x60) != 0} // log_root
}

// boot reads the boot sector of what comes from DOS and Windows.
func (h head) boot() Content {
	switch {
	case h.has(3, "NTFS    "):
		return Content{Kind: NTFS, UUID: fmt.Sprintf("%016X", h.u64(0x48))}
	case h.has(3, "EXFAT   "):
		return Content{Kind: ExFAT, UUID: fatID(h.u32(100))}
	case h.has(3, "-FVE-FS-"):
		return Content{Kind: BitLocker, What: "a BitLocker encrypted disk"}
	case !h.isFAT():
		return Content{}
	}
	c := Content{Kind: VFAT}
	at := 38 // where the extended boot signature is, before FAT32
	if h.u16(22) == 0 {
		at = 66
	}
	if h.at(at, 1)[0]&^1 == 0x28 {
		c.UUID, c.Unclean = fatID(h.u32(at+1)), h.at(at-1, 1)[0]&1 != 0
	}
	if label := h.text(at+5, 11); h.at(at, 1)[0] == 0x29 && label != "NO NAME" {
		c.Label = label
	}
	return c
}

func fatID(n uint32) string { return fmt.Sprintf("%04X-%04X", n>>16, n&0xffff) }

// isFAT judges a boot sector by what its fields can be: its name is text that anybody may choose.
func (h head) isFAT() bool {
	isPower := func(n int) bool { return n > 0 && n&(n-1) == 0 }
	jump, sector, media := h.at(0, 1)[0], int(h.u16(11)), h.at(21, 1)[0]
	return (jump == 0xeb || jump == 0xe9) && h.has(510, "\x55\xaa") && isPower(sector) && sector >= 512 && sector <= 4096 &&
		isPower(int(h.at(13, 1)[0])) && h.u16(14) > 0 && (h.at(16, 1)[0] == 1 || h.at(16, 1)[0] == 2) && (media == 0xf0 || media >= 0xf8)
}

// iso reads the volume descriptors of CDs and DVDs (ECMA-119, ECMA-167), which begin at 32 KiB.
func (h head) iso() Content {
	const first, each = 32 << 10, 2048
	switch {
	case h.has(first+1, "CD001"):
		return Content{Kind: ISO9660, Label: h.text(first+40, 32)}
	case h.has(first+1, "BEA01") && h.has(first+each+1, "NSR0"):
		return Content{Kind: UDF}
	}
	return Content{}
}

// swap reads the header at the end of the first page, of which machines have several sizes.
func (h head) swap() Content {
	for page := 4096; page <= 64<<10; page *= 2 {
		if h.has(page-10, "SWAPSPACE2") || h.has(page-10, "SWAP-SPACE") {
			return Content{Kind: Swap, What: "swap space", UUID: h.uuid(1024 + 12), Label: h.text(1024+28, 16)}
		}
	}
	return Content{}
}
