package drill_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"varve/disk"
	"varve/drill"
)

// What makes file systems, on the file "disk".
const (
	ext4  = "mkfs.ext4 -q disk; "
	xfs   = "truncate -s 320M disk; mkfs.xfs -q disk; "
	btrfs = "truncate -s 128M disk; mkfs.btrfs -q disk; "
	// inUse copies the disk while it is mounted, with a file that its journal alone may have.
	inUse = `filled sh -c 'seq 10000 >f'; mount -o loop disk m; mkdir m/d; seq 20000 >m/d/g; rm m/f; sync -d m/d/g; cp disk copy; umount m; mv copy disk; `
)

func TestGoodFileSystems(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		kind   disk.Kind
	}{
		"ext2":         {"mkfs.ext2 -q disk; filled sh -c 'seq 10000 >f'", disk.Ext2},
		"ext4":         {ext4 + "filled sh -c 'seq 10000 >f'", disk.Ext4},
		"xfs":          {xfs + "filled sh -c 'seq 10000 >f'", disk.XFS},
		"btrfs":        {btrfs + "filled sh -c 'seq 10000 >f'", disk.Btrfs},
		"ext4 in use":  {ext4 + inUse, disk.Ext4},
		"xfs in use":   {xfs + inUse, disk.XFS},
		"btrfs in use": {btrfs + inUse, disk.Btrfs},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, test.script, "mkfs."+string(test.kind))
			r := p.drill()
			comesTo(t, r, drill.Passed, "")
			if len(r.Parts) != 1 || r.Parts[0].Kind != test.kind || !r.Parts[0].Mounted || r.Parts[0].Check == nil || r.Parts[0].Check.Output == "" {
				t.Errorf("parts %+v", r.Parts)
			}
			if r.Reading.FirstByte <= 0 || r.Reading.Rate <= 0 || r.Reading.Data <= 0 || r.Reading.Sampled > r.Reading.Data || r.Reading.Restore() <= r.Reading.FirstByte {
				t.Errorf("reading %+v", r.Reading)
			}
		})
	}
}

// TestPartitions has a disk with everything that need not be looked into, and two file systems.
func TestPartitions(t *testing.T) {
	p := newPlace(t, `truncate -s 128M disk; sfdisk -q disk <<<$'label: gpt
start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649
start=2MiB, size=30MiB
start=32MiB, size=30MiB
start=64MiB, size=8MiB
start=80MiB, size=8MiB'
part() { truncate -s $3 part; $1 part >/dev/null; dd if=part of=disk bs=1M seek=$2 conv=notrunc status=none; rm part; }
part "mkfs.ext4 -q" 2 30M; part "mkfs.ext4 -q" 32 30M; part "mkswap -q" 64 8M
printf boot | dd of=disk bs=1M seek=1 conv=notrunc status=none`, "sfdisk", "mkfs.ext4", "mkswap")
	r := p.drillCommand(`set -e; ls -d $VARVE_MOUNT/*; test -d $VARVE_MOUNT/2/lost+found; test -d $VARVE_MOUNT/3/lost+found`)
	comesTo(t, r, drill.Passed, "")
	if got := r.Command.Output; got != "/run/varve/mount/2\n/run/varve/mount/3\n" {
		t.Errorf("mounted: %q", got)
	}
}

// TestDamagedFileSystems breaks file systems, each in another way.
func TestDamagedFileSystems(t *testing.T) {
	const files = "filled sh -c 'for i in $(seq 200); do mkdir d$i; seq 1000 >d$i/f; done'; "
	for name, test := range map[string]struct{ script, reason string }{
		"an inode of ext4":         {ext4 + files + "debugfs -w -R 'clri /d7' disk", "e2fsck -f -n (exit code 4)"},
		"the free blocks of ext4":  {ext4 + files + "debugfs -w -R 'freeb 1000 3000' disk", "e2fsck -f -n (exit code 4)"},
		"the superblock of ext4":   {ext4 + files + "dd if=/dev/urandom of=disk bs=1 seek=1024 count=16 conv=notrunc status=none", "the disk: "},
		"the tables of ext4":       {ext4 + files + "dd if=/dev/urandom of=disk bs=4K seek=1 count=40 conv=notrunc status=none", "the disk: "},
		"an inode of ext4 in use":  {ext4 + files + inUse + "debugfs -w -R 'clri /d7' disk", "e2fsck -f -n (exit code 4)"},
		"the free space of xfs":    {xfs + files + "xfs_db -x -c 'agf 1' -c 'write -d freeblks 5' disk", "xfs_repair -n (exit code 1)"},
		"an inode of xfs":          {xfs + files + "ino=$(mount -o loop disk m; stat -c %i m/d7; umount m); xfs_db -x -c \"inode $ino\" -c 'write -d core.mode 0' disk", "xfs_repair -n (exit code 1)"},
		"the roots of btrfs":       {btrfs + files + "btrfs-corrupt-block -h >/dev/null 2>&1 || true; at=$(btrfs inspect-internal dump-super disk | sed -n 's/^root\\s\\+//p'); phys=$(btrfs inspect-internal dump-tree -t chunk disk | sed -n 's/.*SYSTEM.*//p' >/dev/null; btrfs-map-logical -l $at disk | sed -n 's/.*physical \\([0-9]*\\) .*/\\1/p'); for p in $phys; do dd if=/dev/urandom of=disk bs=1 count=4096 seek=$p conv=notrunc status=none; done", "the disk: "},
		"a disk that was cut":      {ext4 + "truncate -s 32M disk", "the disk: "},
		"a table that was damaged": {"sfdisk -q disk <<<$'label: gpt\\nstart=1MiB, size=8MiB'; dd if=/dev/urandom of=disk bs=512 seek=1 count=1 conv=notrunc status=none", "backup"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, test.script, "debugfs", "mkfs.xfs", "xfs_db", "mkfs.btrfs", "sfdisk")
			comesTo(t, p.drillCommand("true"), drill.Failed, test.reason)
		})
	}
}

// TestNotApplicable has disks that nobody here can look into, wholly or in part. None passes.
func TestNotApplicable(t *testing.T) {
	for name, test := range map[string]struct{ script, reason string }{
		"nothing":                 {"", "there is no file system on the disk"},
		"swap":                    {"mkswap -q disk", "there is no file system on the disk"},
		"LVM":                     {"printf 'LABELONE' | dd of=disk bs=512 seek=1 conv=notrunc status=none; printf 'LVM2 001' | dd of=disk bs=1 seek=536 conv=notrunc status=none", "LVM"},
		"LUKS":                    {"printf secret | cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 disk -", "LUKS"},
		"text":                    {"head -c 64M /dev/zero | tr '\\0' x >disk", "nothing that is known"},
		"a squashfs":              {"mksquashfs m disk -noappend -quiet >/dev/null 2>&1", "nothing that checks"},
		"a table without entries": {"sfdisk -q disk <<<'label: gpt'", "there is no file system"},
	} {
		t.Run(name, func(t *testing.T) {
			needs := map[string]string{"LUKS": "cryptsetup", "a squashfs": "mksquashfs", "a table without entries": "sfdisk", "swap": "mkswap"}[name]
			if needs == "" {
				needs = "mount"
			}
			p := newPlace(t, test.script, needs)
			comesTo(t, p.drillCommand("true"), drill.NotApplicable, test.reason)
		})
	}
	t.Run("LVM beside a file system", func(t *testing.T) {
		p := newPlace(t, `sfdisk -q disk <<<$'label: gpt\nstart=1MiB, size=30MiB\nstart=32MiB, size=8MiB'
truncate -s 30M part; mkfs.ext4 -q part; dd if=part of=disk bs=1M seek=1 conv=notrunc status=none
printf LABELONE | dd of=disk bs=512 seek=65537 conv=notrunc status=none; printf 'LVM2 001' | dd of=disk bs=512 seek=65537 conv=notrunc status=none oflag=seek_bytes seek=$((65537*512+24))`, "sfdisk", "mkfs.ext4")
		r := p.drill()
		comesTo(t, r, drill.NotApplicable, "partition 2: it holds an LVM")
		if r.Parts[0].Outcome != drill.Passed {
			t.Errorf("the file system: %+v", r.Parts[0])
		}
	})
}

// TestUndone lacks what a drill needs: that proves nothing.
func TestUndone(t *testing.T) {
	p := newPlace(t, ext4, "mkfs.ext4")
	p.opts.Tools = []string{"/nowhere"}
	comesTo(t, p.drill(), drill.Undone, "e2fsck is not here, which checks an ext4 file system")

	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	p.opts.Tools, p.opts.CheckTimeout = []string{here + "/testdata/hang"}, 300*time.Millisecond
	comesTo(t, p.drill(), drill.Undone, "e2fsck -f -n did not end within 300ms")
}

// TestKernelsThatDoNotKnow has file systems that this kernel may not know: then they are checked, and not passed.
func TestKernelsThatDoNotKnow(t *testing.T) {
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		t.Fatal(err)
	}
	for kind, test := range map[disk.Kind]struct{ make, hurt string }{
		disk.VFAT: {"mkfs.vfat disk >/dev/null; printf '\\001' | dd of=disk bs=1 seek=37 conv=notrunc status=none", "dd if=/dev/urandom of=disk bs=512 seek=4 count=40 conv=notrunc status=none"},
		disk.NTFS: {"mkntfs -qFQ disk >/dev/null 2>&1", "dd if=/dev/urandom of=disk bs=1K seek=16 count=16 conv=notrunc status=none"},
	} {
		if strings.Contains(string(known), "\t"+string(kind)+"\n") || kind == disk.NTFS && strings.Contains(string(known), "\tntfs3\n") {
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			p := newPlace(t, test.make, "mkfs."+string(kind), map[disk.Kind]string{disk.VFAT: "fsck.vfat", disk.NTFS: "ntfsfix"}[kind])
			r := p.drill()
			comesTo(t, r, drill.Undone, "this kernel does not know "+string(kind))
			if r.Parts[0].Check == nil || r.Parts[0].Check.Exit != 0 {
				t.Errorf("the check: %+v", r.Parts[0].Check)
			}
			p = newPlace(t, test.make+"; "+test.hurt)
			comesTo(t, p.drill(), drill.Failed, "has errors")
		})
	}
}
