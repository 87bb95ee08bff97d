package filevolume

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"varve/internal/process"
)

// writers names the processes that have a file open for writing that matches, as far as they can be seen: those of
// other users only by root.
func writers(matches func(*unix.Statx_t) bool) []string {
	pids, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []string
	for _, entry := range pids {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && writes(pid, matches) {
			found = append(found, process.Name(pid))
		}
	}
	return found
}

// writes reports whether the process has such a file open. One that ended since, or may not be looked at, has not.
func writes(pid int, matches func(*unix.Statx_t) bool) bool {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, entry := range entries {
		var st unix.Statx_t
		// Without a sync: a file on a server that is away must not hold us up.
		err := unix.Statx(unix.AT_FDCWD, dir+entry.Name(), unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE|unix.STATX_INO, &st)
		if err == nil && matches(&st) && isOpenForWriting(pid, entry.Name()) {
			return true
		}
	}
	return false
}

// isOpenForWriting looks at the flags of a descriptor: "flags:\t0100002", octal.
func isOpenForWriting(pid int, fd string) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, fd))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "flags:"); found {
			flags, err := strconv.ParseUint(strings.TrimSpace(value), 8, 64)
			return err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
		}
	}
	return false
}

// isDevice matches descriptors of the block devices.
func isDevice(ids ...deviceID) func(*unix.Statx_t) bool {
	return func(st *unix.Statx_t) bool {
		if st.Mode&unix.S_IFMT != unix.S_IFBLK {
			return false
		}
		for _, id := range ids {
			if deviceID(unix.Mkdev(st.Rdev_major, st.Rdev_minor)) == id {
				return true
			}
		}
		return false
	}
}

// isFile matches descriptors of one regular file.
func isFile(device deviceID, inode uint64) func(*unix.Statx_t) bool {
	return func(st *unix.Statx_t) bool {
		return st.Mode&unix.S_IFMT == unix.S_IFREG && st.Ino == inode &&
			deviceID(unix.Mkdev(st.Dev_major, st.Dev_minor)) == device
	}
}
