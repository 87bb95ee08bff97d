package drill

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"varve/disk"
)

// A checker is the own program of a file system, called so that it changes nothing. What its exit codes mean, its manual says; docs/guide.md has them.
type checker struct {
	program string
	flags   []string
	damaged func(code int, mounted bool) bool // tells whether a code that is not 0 says that the file system is damaged
}

// saysOne is for programs that say no more than that something is wrong.
func saysOne(code int, _ bool) bool { return code == 1 }

// ofExt judges e2fsck, whose code is a sum: 1, 2 and 4 are errors that were found; 8 is that it could not work, as without a superblock that can be
// used. Where the kernel mounted the file system, it is another reason.
func ofExt(code int, mounted bool) bool {
	const found, unable = 1 | 2 | 4, 8
	return code&found != 0 && code < 16 || code == unable && !mounted
}

var checkers = map[disk.Kind]checker{
	disk.Ext2:  {"e2fsck", []string{"-f", "-n"}, ofExt},
	disk.Ext3:  {"e2fsck", []string{"-f", "-n"}, ofExt},
	disk.Ext4:  {"e2fsck", []string{"-f", "-n"}, ofExt},
	disk.XFS:   {"xfs_repair", []string{"-n"}, saysOne},
	disk.Btrfs: {"btrfs", []string{"check", "--readonly"}, saysOne},
	disk.VFAT:  {"fsck.vfat", []string{"-n"}, saysOne},
	disk.NTFS:  {"ntfsfix", []string{"-n"}, saysOne},
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
	case c.damaged(ended.exit, p.Mounted):
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
