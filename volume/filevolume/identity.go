package filevolume

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"varve/volume"
)

// identify says what is at path now. What cannot be found out stays empty.
func identify(path string) volume.Identity {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return volume.Identity{Kind: "file", Path: path}
	case isBlockDevice(info.Mode()):
		return volume.Identity{Kind: "device", Path: path, Stable: stableDevice(deviceID(statOf(info).Rdev))}
	}
	return volume.Identity{Kind: "file", Path: path, Stable: stableFile(path, statOf(info).Ino)}
}

// stableDevice is what a device is called wherever it is plugged in and whatever number it gets. Numbers
// are given out anew at each boot, so a device that says nothing about itself has no stable name.
func stableDevice(id deviceID) string {
	if disk, ok := id.disk(); ok {
		if name := stableDevice(disk); name != "" {
			return name + " partition " + id.attribute("partition")
		}
		return ""
	}
	for _, name := range []string{"dm/uuid", "md/uuid", "wwid", "device/wwid", "serial", "device/serial"} {
		if text := id.attribute(name); text != "" {
			return text
		}
	}
	if backing := id.attribute("loop/backing_file"); backing != "" {
		return "loop over " + backing
	}
	return ""
}

// stableFile names a file by its inode and its file system. Some file systems have no id that outlives a reboot:
// then two nights' names differ, which costs the comparison of a few samples.
func stableFile(path string, inode uint64) string {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return ""
	}
	return fmt.Sprintf("inode %d of %08x%08x", inode, uint32(st.Fsid.Val[0]), uint32(st.Fsid.Val[1]))
}
