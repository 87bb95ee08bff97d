package filevolume

import (
	"fmt"
	"os"
	"strings"

	"varve/internal/mountinfo"
)

// A mount is what the kernel says of one, with the device as a number.
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
	all, err := mountinfo.Read()
	return mountsOf(all), err
}

// mountsOf takes over what has a device's number.
func mountsOf(all []mountinfo.Mount) (mounts []mount) {
	for _, m := range all {
		if id, ok := parseDeviceID(m.Device); ok {
			mounts = append(mounts, mount{number: m.Number, id: id, root: m.Root, point: m.Point, fsType: m.Type, source: m.Source, writable: m.Writable})
		}
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
			paths = append(paths, mountinfo.Unescape(fields[0]))
		}
	}
	return paths
}
