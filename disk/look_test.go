package disk_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"varve/disk"
)

// made has a script make the file "disk", and gives its bytes.
func made(t *testing.T, script string, needs ...string) []byte {
	t.Helper()
	for _, command := range needs {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("needs %s", command)
		}
	}
	dir := t.TempDir()
	// mk FIRST COUNT COMMAND...: makes a file system, by a command, in these MiB of the disk.
	const prelude = `set -e
truncate -s 64M disk
mk() { first=$1 count=$2; shift 2; rm -f part; truncate -s ${count}M part; "$@" part; dd if=part of=disk bs=1M seek=$first conv=notrunc,sparse status=none; }
`
	cmd := exec.Command("bash", "-c", prelude+script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "disk"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// told says a layout in lines.
func told(l disk.Layout) string {
	var b strings.Builder
	line := func(words ...any) { b.WriteString(strings.TrimSpace(fmt.Sprintln(words...)) + "\n") }
	if l.Table != disk.NoTable || l.Problem != "" {
		line(l.Table, l.Problem)
	}
	for _, p := range l.Parts {
		line(p.Number, fmt.Sprintf("%g+%g", float64(p.Offset)/(1<<20), float64(p.Length)/(1<<20)), p.Type, p.Name, p.Kind, p.Label, p.UUID, p.Problem)
	}
	return b.String()
}

func look(t testing.TB, data []byte) string {
	t.Helper()
	l, err := disk.Look(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return told(l)
}

const id = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"

// TestLookAtWhatToolsMake has real tables and file systems.
func TestLookAtWhatToolsMake(t *testing.T) {
	tests := []struct {
		name, script, want string
		needs              []string
	}{
		{"ext2", "mkfs.ext2 -q -L old -U " + id + " disk", "0 0+64   ext2 old " + id, []string{"mkfs.ext2"}},
		{"ext3", "mkfs.ext3 -q -U " + id + " disk", "0 0+64   ext3  " + id, []string{"mkfs.ext3"}},
		{"ext4", "mkfs.ext4 -q -L root -U " + id + " disk", "0 0+64   ext4 root " + id, []string{"mkfs.ext4"}},
		{"a journal alone", "mke2fs -q -O journal_dev disk", "0 0+64   member", []string{"mke2fs"}},
		{"xfs", "truncate -s 320M disk; mkfs.xfs -q -L data -m uuid=" + id + " disk", "0 0+320   xfs data " + id, []string{"mkfs.xfs"}},
		{"btrfs", "truncate -s 128M disk; mkfs.btrfs -q -L pool -U " + id + " disk", "0 0+128   btrfs pool " + id, []string{"mkfs.btrfs"}},
		{"a btrfs of two", "truncate -s 128M disk b; mkfs.btrfs -q disk b", "0 0+128   member", []string{"mkfs.btrfs"}},
		{"vfat 16", "mkfs.vfat -F 16 -n EFI -i 12345678 disk", "0 0+64   vfat EFI 1234-5678", []string{"mkfs.vfat"}},
		{"vfat 32", "mkfs.vfat -F 32 -i 12345678 disk", "0 0+64   vfat  1234-5678", []string{"mkfs.vfat"}},
		{"ntfs", "mkntfs -qFQ -p 0 -s 512 -H 1 -S 1 disk 2>&1 && dd if=/dev/zero of=disk bs=1 seek=72 count=8 conv=notrunc", "0 0+64   ntfs  0000000000000000", []string{"mkntfs"}},
		{"a CD", "mkdir d; date > d/f; genisoimage -quiet -V CDROM -o part d; dd if=part of=disk conv=notrunc", "0 0+64   iso9660 CDROM", []string{"genisoimage"}},
		{"swap", "mkswap -L more -U " + id + " disk", "0 0+64   swap more " + id, []string{"mkswap"}},
		{"luks", "echo secret | cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 disk -", "0 0+64   luks", []string{"cryptsetup"}},
		{"qcow2", "rm disk; qemu-img create -q -f qcow2 disk 64M; truncate -s 1M disk", "0 0+1   packed", []string{"qemu-img"}},
		{"nothing", "", "0 0+64   empty", nil},
		{"text", "echo hello >disk", "0 0+5.7220458984375e-06   unknown", nil},
		{"mbr", `sfdisk -q disk <<-END
				label: dos
				start=1MiB, size=16MiB, type=83, bootable
				start=17MiB, size=16MiB, type=82
				start=33MiB, size=31MiB, type=8e
			END
			mk 1 16 mkfs.ext4 -q -L root -U ` + id + `
			mk 17 16 mkswap -U ` + id, `mbr
1 1+16 Linux  ext4 root ` + id + `
2 17+16 Linux swap  swap  ` + id + `
3 33+31 Linux LVM  empty`, []string{"sfdisk", "mkfs.ext4", "mkswap"}},
		{"logical partitions", `sfdisk -q disk <<-END
				label: dos
				start=1MiB, size=8MiB, type=c
				start=9MiB, size=50MiB, type=f
				start=10MiB, size=16MiB, type=83
				start=27MiB, size=8MiB, type=83
				start=36MiB, size=8MiB, type=ab
				start=59MiB, size=5MiB, type=83
			END
			mk 1 8 mkfs.vfat -i 12345678
			mk 10 16 mkfs.ext4 -q -U ` + id, `mbr
1 1+8 FAT  vfat  1234-5678
3 59+5 Linux  empty
5 10+16 Linux  ext4  ` + id + `
6 27+8 Linux  empty
7 36+8 0xab  empty`, []string{"sfdisk", "mkfs.ext4", "mkfs.vfat"}},
		{"gpt", gptScript, gptTold, []string{"sfdisk", "mkfs.ext4", "mkfs.vfat"}},
		{"gpt whose first table is gone", gptScript + "dd if=/dev/urandom of=disk bs=512 seek=1 count=1 conv=notrunc",
			strings.Replace(gptTold, "gpt", "gpt the table at the beginning of the disk is damaged; this is its backup", 1), []string{"sfdisk", "mkfs.ext4", "mkfs.vfat"}},
		{"gpt with entries that are hurt", gptScript + "printf x | dd of=disk bs=1 seek=1030 conv=notrunc",
			strings.Replace(gptTold, "gpt", "gpt the table at the beginning of the disk is damaged; this is its backup", 1), []string{"sfdisk", "mkfs.ext4", "mkfs.vfat"}},
		{"gpt on a disk that grew, with entries that are hurt", gptScript + "printf x | dd of=disk bs=1 seek=1030 conv=notrunc; truncate -s 96M disk",
			strings.Replace(gptTold, "gpt", "gpt the table at the beginning of the disk is damaged; this is its backup", 1), []string{"sfdisk", "mkfs.ext4", "mkfs.vfat"}},
		{"gpt without a first sector", gptScript + "dd if=/dev/zero of=disk bs=512 count=1 conv=notrunc", gptTold, []string{"sfdisk", "mkfs.ext4", "mkfs.vfat"}},
		{"no gpt left", gptScript + "dd if=/dev/zero of=disk bs=512 seek=1 count=40 conv=notrunc; truncate -s -1M disk",
			"gpt there is no GUID partition table, and what stands in for old tables says that there is one", []string{"sfdisk", "mkfs.ext4", "mkfs.vfat"}},
		{"a leftover below a table", "mkfs.ext4 -q disk; sfdisk -q --force disk <<<'start=1MiB, size=4MiB, type=83'", "mbr\n1 1+4 Linux  unknown", []string{"mkfs.ext4", "sfdisk"}},
		{"a CD that disks boot from, too", `mkdir d; date > d/f; genisoimage -quiet -V CDROM -o part d; dd if=part of=disk conv=notrunc
			sfdisk -q --force --wipe never disk <<<'start=1MiB, size=4MiB, type=ef'`, "mbr\n0 0+64   iso9660 CDROM\n1 1+4 EFI system  empty", []string{"genisoimage", "sfdisk"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := look(t, made(t, test.script, test.needs...)); got != test.want+"\n" {
				t.Errorf("found\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

const gptScript = `sfdisk -q disk <<-END
		label: gpt
		start=1MiB, size=8MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI of größe"
		start=9MiB, size=16MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
		start=30MiB, size=4MiB, type=11111111-2222-3333-4444-555555555555
	END
	mk 1 8 mkfs.vfat -i 12345678
	mk 9 16 mkfs.ext4 -q -L root -U ` + id + "\n"

const gptTold = `gpt
1 1+8 EFI system EFI of größe vfat  1234-5678
2 9+16 Linux  ext4 root ` + id + `
3 30+4 11111111-2222-3333-4444-555555555555  empty`

// TestLookAtLargeSectors has a table of a disk with sectors of 4 KiB, which sfdisk makes on such a device alone.
func TestLookAtLargeSectors(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for loop devices")
	}
	data := made(t, `d=$(losetup --find --show --sector-size 4096 disk); trap "losetup --detach $d" EXIT
sfdisk -q $d <<<$'label: gpt\nstart=4MiB, size=16MiB, name=big'`, "losetup", "sfdisk")
	if got, want := look(t, data), "gpt\n1 4+16 Linux big empty\n"; got != want {
		t.Errorf("found\n%s\nwant\n%s", got, want)
	}
}

// TestUnclean has a file system that was copied while it was mounted.
func TestUnclean(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount")
	}
	data := made(t, `mkfs.ext4 -q disk; mkdir m; mount -o loop disk m; trap "umount m" EXIT; date >m/f; sync m/f; cp disk copy; umount m; trap - EXIT; mv copy disk`,
		"mkfs.ext4", "mount")
	l, err := disk.Look(bytes.NewReader(data), int64(len(data)))
	if err != nil || len(l.Parts) != 1 || !l.Parts[0].Unclean {
		t.Errorf("found %+v, %v", l, err)
	}
}

// TestDiskThatCannotBeRead has an error where the table is, and a partition that says so where that is.
func TestDiskThatCannotBeRead(t *testing.T) {
	data := made(t, "sfdisk -q disk <<<$'label: dos\\nstart=4MiB, size=8MiB\\nstart=20MiB, size=8MiB'", "sfdisk")
	if l, err := disk.Look(hurt{data, 0}, int64(len(data))); err == nil {
		t.Errorf("found %+v", l)
	}
	l, err := disk.Look(hurt{data, 20 << 20}, int64(len(data)))
	if err != nil || len(l.Parts) != 2 || l.Parts[0].Problem != "" || !strings.Contains(l.Parts[1].Problem, "gone") {
		t.Errorf("found %+v, %v", l, err)
	}
}

// hurt has a byte that cannot be read.
type hurt struct {
	data []byte
	at   int64
}

func (h hurt) ReadAt(p []byte, off int64) (int, error) {
	if off <= h.at && h.at < off+int64(len(p)) {
		return int(h.at - off), fmt.Errorf("it is gone")
	}
	return bytes.NewReader(h.data).ReadAt(p, off)
}

var _ io.ReaderAt = hurt{}

// A label is somebody else's, and does not write lines of its own into what is printed.
func TestLabelsAreOfOneLine(t *testing.T) {
	t.Parallel()
	swap := make([]byte, 1<<20)
	copy(swap[4096-10:], "SWAPSPACE2")
	copy(swap[1024+28:], "a\nb\x1b[2Kc")
	l, err := disk.Look(bytes.NewReader(swap), int64(len(swap)))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Parts) != 1 || l.Parts[0].Label != "a?b?[2Kc" {
		t.Errorf("found %+v", l)
	}
}
