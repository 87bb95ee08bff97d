package volume

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// A Format is a way to pack a disk, or anything else, into a file. What is packed is backed up as bytes: they are given
// back bit for bit, but they are not those of the disk.
type Format struct {
	Name    string // "qcow2", "gzip"
	Packing Packing
}

// Packing says what a format does with what it holds, and so how to get at it.
type Packing string

// The ways to pack.
const (
	DiskFormat Packing = "disk"       // a disk, its blocks in an order of the format's own
	DiskParts  Packing = "descriptor" // a description of a disk that lies in other files
	Compressed Packing = "compressed" // one stream, in which a small change moves or changes all that follows
	Archive    Packing = "archive"    // several files
)

// String names the format with its article: "a qcow2 image".
func (f Format) String() string {
	switch f.Packing {
	case DiskFormat:
		return article(f.Name) + " image"
	case DiskParts:
		return article(f.Name) + " descriptor"
	case Compressed:
		return "compressed by " + f.Name
	}
	return article(f.Name) + " archive"
}

// article puts "a" or "an" before a name.
func article(name string) string {
	if strings.ContainsAny(name[:1], "AEIOaeio") {
		return "an " + name
	}
	return "a " + name
}

// formatProbe is how much of the beginning, and of the end, tells a format.
const formatProbe = 512

// magic is a mark at a place of the first bytes.
type magic struct {
	format Format
	at     int
	mark   string
}

// magics lists the marks, as the formats' own descriptions give them. One that is the beginning of another comes
// after it.
func magics() []magic {
	disk := func(name string, at int, mark string) magic { return magic{Format{name, DiskFormat}, at, mark} }
	packed := func(name, mark string) magic { return magic{Format{name, Compressed}, 0, mark} }
	return []magic{
		// QEMU, docs/interop/qcow2.rst and qed_spec.rst; version 1 came before qcow2. Numbers are big-endian.
		disk("qcow", 0, "QFI\xfb\x00\x00\x00\x01"),
		disk("qcow2", 0, "QFI\xfb\x00\x00\x00\x02"),
		disk("qcow2", 0, "QFI\xfb\x00\x00\x00\x03"),
		disk("QED", 0, "QED\x00"),
		// VMware, Virtual Disk Format 5.0: the sparse extents of hosted products and of ESX, and the text of a descriptor.
		disk("VMDK", 0, "KDMV"),
		disk("VMDK", 0, "COWD"),
		{Format{"VMDK", DiskParts}, 0, "# Disk DescriptorFile"},
		// Microsoft, Virtual Hard Disk Image Format Specification: dynamic and differencing disks begin with a copy of
		// the footer. MS-VHDX 2.2.1.
		disk("VHD", 0, "conectix"),
		disk("VHDX", 0, "vhdxfile"),
		disk("VDI", 0x40, "\x7f\x10\xda\xbe"), // VirtualBox, VDICore.h: 0xbeda107f after 64 bytes of text
		// QEMU, docs/interop/parallels.txt; the second is the newer one.
		disk("Parallels", 0, "WithoutFreeSpace"),
		disk("Parallels", 0, "WithouFreSpacExt"),
		packed("gzip", "\x1f\x8b\x08"),                // RFC 1952, with the only method there is
		packed("xz", "\xfd7zXZ\x00"),                  // The .xz File Format 2.1.1.1
		packed("zstd", "\x28\xb5\x2f\xfd"),            // RFC 8878, 3.1.1
		packed("lz4", "\x04\x22\x4d\x18"),             // LZ4 Frame Format
		{Format{"tar", Archive}, 257, "ustar"},        // POSIX and GNU; an OVA is one
		{Format{"zip", Archive}, 0, "PK\x03\x04"},     // APPNOTE.TXT 4.3.7
		{Format{"7z", Archive}, 0, "7z\xbc\xaf'\x1c"}, // 7zFormat.txt
	}
}

// DetectFormat tells by its marks whether what r reads, size bytes, is packed in a format. It reads the first and the
// last 512 bytes. A raw disk is in none.
func DetectFormat(r io.ReaderAt, size int64) (Format, bool, error) {
	head, err := readPart(r, 0, min(formatProbe, size))
	if err != nil {
		return Format{}, false, err
	}
	for _, m := range magics() {
		if len(head) >= m.at && bytes.HasPrefix(head[m.at:], []byte(m.mark)) {
			return m.format.orOVA(head), true, nil
		}
	}
	if isBzip2(head) {
		return Format{"bzip2", Compressed}, true, nil
	}
	if size < 2*formatProbe {
		return Format{}, false, nil
	}
	tail, err := readPart(r, size-formatProbe, formatProbe)
	if err != nil {
		return Format{}, false, err
	}
	// A fixed VHD is the disk itself and then a footer, whose features always have bit 1 and whose version is 1.0.
	if bytes.HasPrefix(tail, []byte("conectix")) && tail[11]&2 != 0 && tail[12] == 0 && tail[13] == 1 {
		return Format{"VHD", DiskFormat}, true, nil
	}
	return Format{}, false, nil
}

// isBzip2 looks for "BZh", a level, and the mark of a block: the digits of pi; or that of the end: those of its root.
func isBzip2(head []byte) bool {
	if len(head) < 10 || !bytes.HasPrefix(head, []byte("BZh")) || head[3] < '1' || head[3] > '9' {
		return false
	}
	mark := string(head[4:10])
	return mark == "1AY&SY" || mark == "\x17\x72\x45\x38\x50\x90"
}

// orOVA tells an OVA, a tar whose first file is the description of a machine (DMTF DSP0243, 5.3), from other tars.
func (f Format) orOVA(head []byte) Format {
	if f.Name != "tar" {
		return f
	}
	name, _, _ := bytes.Cut(head[:100], []byte{0})
	if bytes.HasSuffix(bytes.ToLower(name), []byte(".ovf")) {
		return Format{"OVA", Archive}
	}
	return f
}

// readPart reads n bytes at off, all of them.
func readPart(r io.ReaderAt, off, n int64) ([]byte, error) {
	p := make([]byte, n)
	done, err := r.ReadAt(p, off)
	if done == len(p) {
		return p, nil
	}
	if err == nil || err == io.EOF {
		err = fmt.Errorf("%w at byte %d", io.ErrUnexpectedEOF, off+int64(done))
	}
	return nil, err
}
