package drill

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"varve/disk"
	"varve/internal/process"
)

// A checker is the own program of a file system, called so that it changes nothing. What its exit codes mean, its manual says; docs/guide.md has them.
type checker struct {
	program string
	flags   []string
	damaged func(code int) bool // tells whether a code that is not 0 says that the file system is damaged
	unable  int                 // a code that says so only of what the kernel does not mount either: it could not work; 0: there is none
	works   string              // what it wrote once it had begun to check a file system that can be mounted; empty: nothing tells
}

func saysOne(code int) bool { return code == 1 }

// ofExt judges e2fsck, whose code is a sum: 1, 2 and 4 are errors that were found, 8 is that it could not work, as without a superblock that can be
// used, and from 16 on it was called wrongly, or ended.
func ofExt(code int) bool { return code&(1|2|4) != 0 && code < 16 }

var ext = checker{program: "e2fsck", flags: []string{"-f", "-n"}, damaged: ofExt, unable: 8}

var checkers = map[disk.Kind]checker{
	disk.Ext2: ext,
	disk.Ext3: ext,
	disk.Ext4: ext,
	disk.XFS:  {program: "xfs_repair", flags: []string{"-n"}, damaged: saysOne, works: "Phase 2"},
	// With --force it does not look whether it is mounted, for which it wants to open loop devices of others.
	disk.Btrfs: {program: "btrfs", flags: []string{"check", "--readonly", "--force"}, damaged: saysOne, works: "Checking filesystem on"},
	disk.VFAT:  {program: "fsck.vfat", flags: []string{"-n"}, damaged: saysOne},
	disk.NTFS:  {program: "ntfsfix", flags: []string{"-n"}, damaged: saysOne},
}

// isDamage tells whether an ending that is not 0 says that the file system is damaged, rather than that the program could not check it.
func (c checker) isDamage(e ending, mounted bool) bool {
	if !mounted {
		return c.damaged(e.exit) || c.unable != 0 && e.exit == c.unable
	}
	began := len(e.output) >= process.MaxTail || strings.Contains(e.output, c.works) // of long output, the beginning is not kept
	return c.damaged(e.exit) && began
}

// find looks for the program.
func (c checker) find(dirs []string) (path string, found bool) {
	for _, dir := range dirs {
		path := filepath.Join(dir, c.program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, true
		}
	}
	return "", false
}

// words is what is typed, but for the device.
func (c checker) words() string { return strings.Join(append([]string{c.program}, c.flags...), " ") }

// judge says what a code means for the file system of a part.
func (c checker) judge(p *Part, ended ending) {
	p.Check = &Check{Program: c.words(), Exit: ended.exit, Output: ended.output, Took: ended.took}
	switch {
	case ended.timedOut > 0:
		p.Outcome, p.Reason = Undone, fmt.Sprintf("%s did not end within %v", c.words(), ended.timedOut)
	case ended.err != nil:
		p.Outcome, p.Reason = Undone, fmt.Sprintf("%s: %v", c.words(), ended.err)
	case ended.exit == 0:
	case c.isDamage(ended, p.Mounted):
		p.Outcome, p.Reason = Failed, fmt.Sprintf("%s has errors, says %s (exit code %d)", the(p.Kind), c.words(), ended.exit)
	default:
		p.Outcome, p.Reason = Undone, fmt.Sprintf("%s could not check %s (exit code %d)", c.words(), the(p.Kind), ended.exit)
	}
}

func the(k disk.Kind) string { return "the " + string(k) }

// dirtyByte is where a FAT says that it is in use, in its lowest bit: in the boot sector, elsewhere with FAT32. A machine sets it while the file
// system is mounted, so that each image of a running one has it; it is no journal, and there is nothing to replay.
func dirtyByte(boot []byte) int64 {
	if boot[22] == 0 && boot[23] == 0 { // the size of the tables is elsewhere: FAT32
		return 65
	}
	return 37
}
