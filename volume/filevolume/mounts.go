package filevolume

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A mount is a line of /proc/self/mountinfo.
type mount struct {
	number   uint64 // of the mount itself
	id       deviceID
	root     string // the directory of the file system that is mounted
	point    string
	fsType   string
	source   string
	writable bool // the file system, whatever this mount of it allows
}

// readMounts lists the mounts of this namespace.
func readMounts() ([]mount, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return parseMounts(string(text)), nil
}

// parseMounts reads lines such as
//
//	36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/sda1 rw,errors=continue
//
// with any number of fields before the dash. A line that is not like that is left out.
func parseMounts(text string) []mount {
	var mounts []mount
	for line := range strings.Lines(text) {
		front, back, found := strings.Cut(line, " - ")
		left, right := strings.Fields(front), strings.Fields(back)
		if !found || len(left) < 5 || len(right) < 3 {
			continue
		}
		number, err := strconv.ParseUint(left[0], 10, 64)
		id, ok := parseDeviceID(left[2])
		if !ok || err != nil {
			continue
		}
		options := strings.Split(right[2], ",")
		mounts = append(mounts, mount{
			number: number, id: id, root: unescape(left[3]), point: unescape(left[4]), fsType: right[0], source: unescape(right[1]),
			writable: options[0] == "rw",
		})
	}
	return mounts
}

// isOf reports a mount of the device. A file system on several devices has a number of its own and names one of them.
func (m mount) isOf(id deviceID) bool {
	if m.id == id {
		return true
	}
	if !m.id.isAnonymous() || !strings.HasPrefix(m.source, "/dev/") {
		return false
	}
	source, ok := deviceAt(m.source)
	return ok && source == id
}

// deviceAt is the number of the block device at path.
func deviceAt(path string) (deviceID, bool) {
	info, err := os.Stat(path)
	if err != nil || !isBlockDevice(info.Mode()) {
		return 0, false
	}
	return deviceID(statOf(info).Rdev), true
}

// readSwaps lists the files and devices that the kernel swaps to.
func readSwaps() ([]string, error) {
	text, err := os.ReadFile("/proc/swaps")
	if os.IsNotExist(err) {
		return nil, nil // a kernel without swap
	}
	if err != nil {
		return nil, fmt.Errorf("list swap: %w", err)
	}
	return parseSwaps(string(text)), nil
}

func parseSwaps(text string) []string {
	var paths []string
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 0 && strings.HasPrefix(fields[0], "/") {
			paths = append(paths, unescape(fields[0]))
		}
	}
	return paths
}

// unescape undoes what /proc does to blanks and backslashes: "\040" is a space.
func unescape(text string) string {
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
