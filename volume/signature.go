package volume

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
)

// A Signature is the mark that something built upon disks leaves on each disk that it needs, such as a volume group or
// an array. The disk looks unused while that is not assembled, and is not.
type Signature struct {
	What string // "an LVM physical volume"
	ID   string // tells this disk from others of the kind; empty where the mark does not
}

// What the signatures say that others go by.
const (
	LVMDisk   = "an LVM physical volume"
	LUKSDisk  = "a LUKS encrypted disk"
	LinuxRAID = "a member of a Linux RAID"
	ZFSDisk   = "a disk of a ZFS pool"
)

// signatureProbe is how much of the beginning, and of the end, is looked at.
const signatureProbe = 1 << 20

// FindSignatures lists what a disk of size bytes seems to belong to, by its first and its last MiB; nothing else of it
// is read. Plain file systems leave no such mark: who overwrites a disk that is not mounted means to lose them.
func FindSignatures(r io.ReaderAt, size int64) ([]Signature, error) {
	head, err := readPart(r, 0, min(size, signatureProbe))
	if err != nil {
		return nil, err
	}
	begin := max(0, size-signatureProbe)
	tail := head
	if begin > 0 {
		if tail, err = readPart(r, begin, size-begin); err != nil {
			return nil, err
		}
	}
	d := probed{head: head, tail: tail, begin: begin, size: size}
	var found []Signature
	for _, s := range []Signature{
		d.mdRAID(), d.firmwareRAID(), d.lvm(), d.luks(), d.zfs(), d.btrfs(),
		d.marked("a Ceph BlueStore disk", 0, "bluestore block device\n", 23, 36), // then its uuid as text: bluestore_bdev_label_t
		d.marked("a bcache device", 4096+24, bcacheMagic, 4096+40, 16),           // struct cache_sb: magic, uuid
		d.marked("a VDO volume", 0, "dmvdo001", 0, 0),
		d.marked("a Stratis disk", 512+4, "!Stra0tis\x86\xff\x02^Arh", 512+32, 64),
		d.marked("an Oracle ASM disk", 32, "ORCLDISK", 40, 24),
	} {
		if s.What != "" {
			found = append(found, s)
		}
	}
	return found, nil
}

const bcacheMagic = "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"

// probed is the beginning and the end of a disk.
type probed struct {
	head, tail []byte
	begin      int64 // where tail begins
	size       int64
}

// at gives n bytes at an offset, nil if they were not read.
func (d probed) at(off, n int64) []byte {
	switch {
	case off < 0 || n > d.size-off:
		return nil
	case off+n <= int64(len(d.head)):
		return d.head[off : off+n]
	case off >= d.begin:
		return d.tail[off-d.begin : off-d.begin+n]
	}
	return nil
}

func (d probed) has(off int64, mark string) bool { return string(d.at(off, int64(len(mark)))) == mark }

// marked finds a mark at its place, and beside it what tells the disk from others.
func (d probed) marked(what string, off int64, mark string, idAt, idLength int64) Signature {
	if !d.has(off, mark) {
		return Signature{}
	}
	return Signature{What: what, ID: hex.EncodeToString(d.at(idAt, idLength))}
}

// mdRAID looks for the superblock of Linux software RAID, where each version has it (include/linux/raid/md_p.h):
// 1.1 at the beginning, 1.2 after 4 KiB, 1.0 at the last multiple of 4 KiB that leaves 8 KiB after it, and 0.90 in the
// last whole 64 KiB that begin at a multiple of that.
func (d probed) mdRAID() Signature {
	const what, mark = LinuxRAID, "\xfc\x4e\x2b\xa9" // little-endian 0xa92b4efc
	for _, off := range []int64{0, 4096, d.size&^0xfff - 0x2000} {
		sb := d.at(off, 256)
		if sb == nil || string(sb[:4]) != mark || binary.LittleEndian.Uint32(sb[4:]) != 1 {
			continue
		}
		if binary.LittleEndian.Uint64(sb[144:]) != uint64(off)/512 { // super_offset: or it is that of something within
			continue
		}
		return Signature{What: what, ID: hex.EncodeToString(sb[16:32]) + hex.EncodeToString(sb[168:184])} // set_uuid, device_uuid
	}
	sb := d.at(d.size&^0xffff-0x10000, 4096)
	if sb == nil || string(sb[:4]) != mark && string(sb[:4]) != "\xa9\x2b\x4e\xfc" {
		return Signature{}
	}
	// set_uuid0; set_uuid1 to 3; the number in this_disk, whose other words change from one assembly to the next.
	id := append(append(bytes.Clone(sb[20:24]), sb[52:64]...), sb[4096-128:4096-124]...)
	return Signature{What: what, ID: hex.EncodeToString(id)}
}

// firmwareRAID looks for what disk controllers write near the end: SNIA DDF in the last sector, Intel's matrix
// storage in the last but one, with sectors of either size.
func (d probed) firmwareRAID() Signature {
	for _, sector := range []int64{512, 4096} {
		last := d.size/sector*sector - sector
		if d.has(last, "\xde\x11\xde\x11") || d.has(last, "\x11\xde\x11\xde") {
			return Signature{What: "a member of a DDF RAID", ID: hex.EncodeToString(d.at(last+8, 24))}
		}
		if d.has(last-sector, "Intel Raid ISM Cfg Sig. ") {
			return Signature{What: "a member of an Intel RAID"}
		}
	}
	return Signature{}
}

// lvm looks for the label of a physical volume, in one of the first four sectors (LVM2, lib/label/label.h).
func (d probed) lvm() Signature {
	for off := int64(0); off < 4*512; off += 512 {
		if d.has(off, "LABELONE") && d.has(off+24, "LVM2 001") {
			return Signature{What: LVMDisk, ID: string(d.at(off+32, 32))}
		}
	}
	return Signature{}
}

// luks looks for an encrypted disk, of both versions: the uuid has one place in them.
func (d probed) luks() Signature {
	if !d.has(0, "LUKS\xba\xbe\x00\x01") && !d.has(0, "LUKS\xba\xbe\x00\x02") {
		return Signature{}
	}
	return Signature{What: LUKSDisk, ID: string(bytes.TrimRight(d.at(168, 40), "\x00"))}
}

// btrfs looks for a file system of several devices: overwriting one hurts it, although another is mounted.
func (d probed) btrfs() Signature {
	const sb = 64 << 10 // its fields: Documentation/dev/On-disk-format.rst
	if !d.has(sb+0x40, "_BHRfS_M") {
		return Signature{}
	}
	if devices := d.at(sb+0x88, 8); devices == nil || binary.LittleEndian.Uint64(devices) < 2 {
		return Signature{}
	}
	id := append(bytes.Clone(d.at(sb+0x20, 16)), d.at(sb+0x10b, 16)...) // of the file system, of the device
	return Signature{What: "a device of a btrfs", ID: hex.EncodeToString(id)}
}

// zfs looks for the labels of a pool, two in the first and two in the last 512 KiB, each with an array of
// uberblocks in its second half. Four uberblocks are asked for: one could be a leftover.
func (d probed) zfs() Signature {
	const label, mark = 256 << 10, 0x00bab10c
	end := d.size / label * label
	count, id := 0, ""
	for _, at := range []int64{0, label, end - 2*label, end - label} {
		if d.at(at, label) == nil {
			continue
		}
		for off := int64(label / 2); off < label; off += 1024 {
			word := d.at(at+off, 8)
			if binary.LittleEndian.Uint64(word) == mark || binary.BigEndian.Uint64(word) == mark {
				count++
			}
		}
		if id == "" {
			id = zfsID(d.at(at+16<<10, 112<<10))
		}
	}
	if count < 4 {
		return Signature{}
	}
	return Signature{What: ZFSDisk, ID: id}
}

// zfsID is the disk's guid, from the pairs of names and values that a label holds in XDR: the length of the name,
// the name, the type (8: 64 bits), the number of values, the value. That of the disk comes before those of the tree.
func zfsID(pairs []byte) string {
	_, after, found := bytes.Cut(pairs, []byte("\x00\x00\x00\x04guid\x00\x00\x00\x08\x00\x00\x00\x01"))
	if !found || len(after) < 8 {
		return ""
	}
	return hex.EncodeToString(after[:8])
}
