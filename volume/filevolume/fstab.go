package filevolume

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"varve/internal/mountinfo"
)

// Unmounted tells where something should be mounted for a path to lie on it, as /etc/fstab says, and is not: what is
// found at the path, or not found, is then another file system's. Empty: as far as one can see, nothing is missing.
func Unmounted(path string) (point string) {
	table, err := os.ReadFile("/etc/fstab")
	if err != nil {
		return ""
	}
	mounts, err := readMounts()
	if err != nil {
		return ""
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	return missingMount(string(table), mounts, realPath(full))
}

// missingMount finds the deepest mount point of the table at or above a path, if nothing is mounted there.
func missingMount(table string, mounts []mount, path string) string {
	deepest := ""
	for _, point := range parseFstab(table) {
		if (path == point || strings.HasPrefix(path, point+"/")) && len(point) > len(deepest) {
			deepest = point
		}
	}
	if slices.ContainsFunc(mounts, func(m mount) bool { return m.point == deepest }) {
		return ""
	}
	return deepest
}

// parseFstab lists the mount points of fstab(5) below the root, but for those of file systems in memory: nobody keeps
// a repository there.
func parseFstab(table string) []string {
	var points []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 3 || strings.HasPrefix(fields[0], "#") || fields[2] == "swap" || fields[2] == "tmpfs" {
			continue
		}
		if point := filepath.Clean(mountinfo.Unescape(fields[1])); filepath.IsAbs(point) && point != "/" {
			points = append(points, point)
		}
	}
	return points
}

// realPath follows the links of a path, as far as it exists.
func realPath(path string) string {
	for above, below := path, ""; ; above, below = filepath.Dir(above), filepath.Join(filepath.Base(above), below) {
		if real, err := filepath.EvalSymlinks(above); err == nil {
			return filepath.Join(real, below)
		}
		if above == filepath.Dir(above) {
			return path
		}
	}
}
