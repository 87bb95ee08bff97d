// Package mountinfo reads what the kernel says of the mounts of this process's namespace, in /proc/self/mountinfo, and of
// the loop devices of this host.
package mountinfo

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A Mount is one of them.
type Mount struct {
	Number   uint64 // of the mount itself, as statx(2) has it
	Device   string // of the file system, as the kernel writes numbers: "8:1"
	Root     string // the directory of the file system that is mounted
	Point    string // where
	Type     string // of the file system
	Source   string
	Writable bool // the file system, whatever this mount of it allows
}

// Read lists the mounts, in their order: of several at one place, the last is seen.
func Read() ([]Mount, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return Parse(string(text)), nil
}

// Parse reads lines such as
//
//	36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/sda1 rw,errors=continue
//
// with any number of fields before the dash. A line that is not like that is left out.
func Parse(text string) (mounts []Mount) {
	for line := range strings.Lines(text) {
		front, back, found := strings.Cut(line, " - ")
		left, right := strings.Fields(front), strings.Fields(back)
		if !found || len(left) < 5 || len(right) < 3 {
			continue
		}
		number, err := strconv.ParseUint(left[0], 10, 64)
		if err != nil {
			continue
		}
		options := strings.Split(right[2], ",")
		mounts = append(mounts, Mount{
			Number: number, Device: left[2], Root: Unescape(left[3]), Point: Unescape(left[4]), Type: right[0], Source: Unescape(right[1]),
			Writable: options[0] == "rw",
		})
	}
	return mounts
}

// Unescape undoes what /proc, and fstab(5), do to blanks and backslashes: "\040" is a space.
func Unescape(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if len(after) >= 3 {
			if c, err := strconv.ParseUint(after[:3], 8, 8); err == nil {
				b.WriteByte(byte(c))
				text = after[3:]
				continue
			}
		}
		b.WriteByte('\\')
		text = after
	}
}
