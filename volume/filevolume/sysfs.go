package filevolume

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A deviceID is the number of a block device, or of what a file system calls its device, as stat(2) has it.
type deviceID uint64

func statOf(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }

// parseDeviceID reads "8:1".
func parseDeviceID(text string) (deviceID, bool) {
	majorText, minorText, _ := strings.Cut(strings.TrimSpace(text), ":")
	major, err1 := strconv.ParseUint(majorText, 10, 32)
	minor, err2 := strconv.ParseUint(minorText, 10, 32)
	return deviceID(unix.Mkdev(uint32(major), uint32(minor))), err1 == nil && err2 == nil
}

// String is the number as the kernel writes it: "8:1".
func (id deviceID) String() string {
	return fmt.Sprintf("%d:%d", unix.Major(uint64(id)), unix.Minor(uint64(id)))
}

// isAnonymous reports a number that no block device has: of a file system in memory, on the network, or on several
// devices.
func (id deviceID) isAnonymous() bool { return unix.Major(uint64(id)) == 0 }

// sysfs is the path of one of the device's attributes.
func (id deviceID) sysfs(name string) string { return "/sys/dev/block/" + id.String() + "/" + name }

// attribute is the text of one of the device's attributes, empty if it has none.
func (id deviceID) attribute(name string) string {
	text, err := os.ReadFile(id.sysfs(name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// name is the device's own name with, for a device mapper's, the name that people gave it: "dm-3 (vg-db1)".
func (id deviceID) name() string {
	path, err := filepath.EvalSymlinks(id.sysfs(""))
	if err != nil {
		return id.String()
	}
	name := filepath.Base(path)
	if given := id.attribute("dm/name"); given != "" {
		name += " (" + given + ")"
	}
	return name
}

// isReadOnly reports a device that takes no writes.
func (id deviceID) isReadOnly() bool { return id.attribute("ro") == "1" }

// related lists the devices that a pattern below the device's directory leads to: "holders/*", "slaves/*".
func (id deviceID) related(pattern string) []deviceID {
	paths, err := filepath.Glob(id.sysfs(pattern + "/dev"))
	if err != nil {
		return nil
	}
	var ids []deviceID
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // gone since
		}
		if other, ok := parseDeviceID(string(text)); ok {
			ids = append(ids, other)
		}
	}
	return ids
}

// partitions lists the partitions of a disk.
func (id deviceID) partitions() []deviceID {
	var parts []deviceID
	for _, below := range id.related("*") {
		if below.attribute("partition") != "" && below != id {
			parts = append(parts, below)
		}
	}
	return parts
}

// disk returns the disk that a partition is part of.
func (id deviceID) disk() (deviceID, bool) {
	if id.attribute("partition") == "" {
		return 0, false
	}
	path, err := filepath.EvalSymlinks(id.sysfs(""))
	if err != nil {
		return 0, false
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "dev"))
	if err != nil {
		return 0, false
	}
	return parseDeviceID(string(text))
}
