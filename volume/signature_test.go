package volume_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/volume"
)

func signatures(t *testing.T, disk []byte) []volume.Signature {
	t.Helper()
	found, err := volume.FindSignatures(bytes.NewReader(disk), int64(len(disk)))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// disks has a script make the files "a" and "b", and gives their bytes. $loop makes a file a device while the
// script runs.
func disks(t *testing.T, script string, needs ...string) (a, b []byte) {
	t.Helper()
	for _, command := range needs {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("needs %s", command)
		}
	}
	if strings.Contains(script, "loop") && os.Getuid() != 0 {
		t.Skip("needs root, for loop devices")
	}
	dir := t.TempDir()
	const prelude = `set -e
truncate -s 64M a b
devices=
trap 'for d in $devices; do losetup --detach $d; done' EXIT
loop() { device=$(losetup --find --show $1); devices="$devices $device"; }
`
	cmd := exec.Command("sh", "-c", prelude+script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	return read("a"), read("b")
}

// TestSignaturesOfTools has real disks made, two of a kind: each is found, and told from the other.
func TestSignaturesOfTools(t *testing.T) {
	tests := []struct {
		name, script, want string
		needs              []string
	}{
		{"lvm", "for f in a b; do loop $f; pvcreate -y $device; done", "an LVM physical volume", []string{"losetup", "pvcreate"}},
		{"lvm in another sector", "for f in a b; do loop $f; pvcreate -y --labelsector 3 $device; done", "an LVM physical volume",
			[]string{"losetup", "pvcreate"}},
		{"luks 1", "for f in a b; do echo secret | cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 $f -; done",
			"a LUKS encrypted disk", []string{"cryptsetup"}},
		{"luks 2", "for f in a b; do echo secret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $f -; done",
			"a LUKS encrypted disk", []string{"cryptsetup"}},
		{"btrfs", "rm a b; truncate -s 128M a b; mkfs.btrfs -q a b", "a device of a btrfs", []string{"mkfs.btrfs"}},
		{"btrfs of one device", "rm a b; for f in a b; do truncate -s 128M $f; mkfs.btrfs -q $f; done", "", []string{"mkfs.btrfs"}},
		{"ext4", "for f in a b; do mkfs.ext4 -q $f; done", "", []string{"mkfs.ext4"}},
		{"xfs", "rm a b; for f in a b; do truncate -s 320M $f; mkfs.xfs -q $f; done", "", []string{"mkfs.xfs"}},
		{"swap", "for f in a b; do mkswap $f; done", "", []string{"mkswap"}},
		{"partitions", "for f in a b; do echo , | sfdisk -q $f; done", "", []string{"sfdisk"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := disks(t, test.script, test.needs...)
			ofA, ofB := signatures(t, a), signatures(t, b)
			if test.want == "" {
				if len(ofA)+len(ofB) > 0 {
					t.Errorf("found %v and %v", ofA, ofB)
				}
				return
			}
			if len(ofA) != 1 || ofA[0].What != test.want || ofA[0].ID == "" {
				t.Fatalf("found %v, want %s", ofA, test.want)
			}
			if len(ofB) != 1 || ofB[0].What != test.want || ofB[0].ID == ofA[0].ID {
				t.Errorf("found %v, want another than %v", ofB, ofA)
			}
		})
	}
}

const diskSize = 8<<20 + 4096 // no multiple of what superblocks are aligned to

// put writes bytes to a disk.
func put(disk []byte, off int, parts ...any) {
	var data []byte
	for _, part := range parts {
		if text, isText := part.(string); isText {
			data = append(data, text...)
			continue
		}
		data, _ = binary.Append(data, binary.LittleEndian, part)
	}
	copy(disk[off:], data)
}

// md1 is the beginning of a version 1 superblock that says where it is.
func md1(disk []byte, off int, uuid string) {
	put(disk, off, uint32(0xa92b4efc), uint32(1))
	put(disk, off+16, uuid)
	put(disk, off+144, uint64(off/512))
	put(disk, off+168, "device "+uuid)
}

// TestSignaturesByTheirFormats has what needs a kernel with the driver to be made, by the formats' descriptions.
func TestSignaturesByTheirFormats(t *testing.T) {
	const bcache = "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"
	tests := []struct {
		name, want string
		make       func(disk []byte, uuid string)
	}{
		{"md 1.1", "a member of a Linux RAID", func(d []byte, uuid string) { md1(d, 0, uuid) }},
		{"md 1.2", "a member of a Linux RAID", func(d []byte, uuid string) { md1(d, 4096, uuid) }},
		{"md 1.0", "a member of a Linux RAID", func(d []byte, uuid string) { md1(d, diskSize-8192, uuid) }},
		{"md 1.2 of a disk within", "", func(d []byte, uuid string) { md1(d, 8192, uuid); copy(d[4096:], d[8192:8448]) }},
		{"md 0.90", "a member of a Linux RAID", func(d []byte, uuid string) {
			put(d, 8<<20-64<<10, uint32(0xa92b4efc), uint32(0), uint32(90), uint32(0), uint32(0), uuid)
		}},
		{"md 0.90 of a big-endian host", "a member of a Linux RAID", func(d []byte, uuid string) {
			put(d, 8<<20-64<<10, "\xa9\x2b\x4e\xfc")
			put(d, 8<<20-64<<10+52, uuid)
		}},
		{"ddf", "a member of a DDF RAID", func(d []byte, uuid string) { put(d, diskSize-512, "\xde\x11\xde\x11", uint32(7), uuid) }},
		{"bluestore", "a Ceph BlueStore disk", func(d []byte, uuid string) { put(d, 0, "bluestore block device\n"+uuid+"\n") }},
		{"bcache", "a bcache device", func(d []byte, uuid string) { put(d, 4096+24, bcache, uuid) }},
		{"stratis", "a Stratis disk", func(d []byte, uuid string) {
			put(d, 516, "!Stra0tis\x86\xff\x02\x5e\x41\x72\x68", uint64(9), uint32(0), uuid)
		}},
		{"asm", "an Oracle ASM disk", func(d []byte, uuid string) { put(d, 32, "ORCLDISK", uuid) }},
		{"zfs", "a disk of a ZFS pool", func(d []byte, uuid string) {
			for _, label := range []int{0, 256 << 10, 8<<20 - 512<<10, 8<<20 - 256<<10} {
				put(d, label+128<<10+4096, uint64(0x00bab10c))
				put(d, label+16<<10, "\x01\x01\x00\x00 and more \x00\x00\x00\x09pool_guid\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x01poolpool"+
					"\x00\x00\x00\x04guid\x00\x00\x00\x08\x00\x00\x00\x01"+uuid[:8])
			}
		}},
		{"zfs, a leftover", "", func(d []byte, _ string) { put(d, 128<<10, uint64(0x00bab10c)) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := make([]byte, diskSize), make([]byte, diskSize)
			test.make(a, "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")
			test.make(b, "ffeeddcc-4e5f-6071-8293-a4b5c6d7e8f9")
			ofA, ofB := signatures(t, a), signatures(t, b)
			if test.want == "" {
				if len(ofA) > 0 {
					t.Errorf("found %v", ofA)
				}
				return
			}
			if len(ofA) != 1 || ofA[0].What != test.want || len(ofB) != 1 || ofA[0].ID == ofB[0].ID {
				t.Errorf("found %v and %v, want %s twice, told apart", ofA, ofB, test.want)
			}
		})
	}
}

func TestSignaturesThatAreNotToldApart(t *testing.T) {
	for mark, off := range map[string]int{"dmvdo001": 0, "Intel Raid ISM Cfg Sig. 1.3.00": diskSize - 1024} {
		disk := make([]byte, diskSize)
		put(disk, off, mark)
		if found := signatures(t, disk); len(found) != 1 || found[0].ID != "" {
			t.Errorf("%s: found %v", mark, found)
		}
	}
}

// edges fails when what lies between the first and the last MiB is read.
type edges struct {
	*bytes.Reader
	t *testing.T
}

func (e edges) ReadAt(p []byte, off int64) (int, error) {
	if end := off + int64(len(p)); end > 1<<20 && off < e.Size()-1<<20 {
		e.t.Errorf("bytes %d to %d of %d are read", off, end, e.Size())
	}
	return e.Reader.ReadAt(p, off)
}

func TestFindSignaturesReadsTheEdges(t *testing.T) {
	disk := make([]byte, diskSize)
	md1(disk, diskSize-8192, "x")
	found, err := volume.FindSignatures(edges{bytes.NewReader(disk), t}, diskSize)
	if err != nil || len(found) != 1 {
		t.Errorf("found %v, %v", found, err)
	}
	if _, err := volume.FindSignatures(bytes.NewReader(disk), diskSize+1); err == nil {
		t.Error("a disk that is shorter than it says: no error")
	}
}

// TestSignaturesOfNothing looks at disks of all sizes near the places where superblocks are: without a mark none is
// found, and nothing is read that is not there.
func TestSignaturesOfNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(
			rapid.Int64Range(0, 20000), rapid.Int64Range(60<<10, 140<<10), rapid.Int64Range(1<<20-600, 1<<20+600), rapid.Int64Range(2<<20-9000, 3<<20),
		).Draw(t, "size")
		found, err := volume.FindSignatures(zeros{size}, size)
		if err != nil || len(found) > 0 {
			t.Errorf("found %v, %v", found, err)
		}
	})
}

type zeros struct{ size int64 }

func (z zeros) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > z.size {
		return 0, io.EOF
	}
	clear(p)
	return len(p), nil
}

func FuzzFindSignatures(f *testing.F) {
	f.Add([]byte("LUKS\xba\xbe\x00\x02"), []byte{})
	f.Add([]byte("LABELONE"), []byte("Intel Raid ISM Cfg Sig. "))
	f.Fuzz(func(t *testing.T, head, tail []byte) {
		disk := append(append(head, make([]byte, 1<<20)...), tail...)
		found, err := volume.FindSignatures(bytes.NewReader(disk), int64(len(disk)))
		if err != nil {
			t.Error(err)
		}
		for _, s := range found {
			if s.What == "" {
				t.Errorf("found %+v", s)
			}
		}
	})
}
