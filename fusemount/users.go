package fusemount

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"varve/internal/mountinfo"
	"varve/internal/process"
)

// users names what uses the mount: processes that have something of it open, or are in it,
// loop devices over its images, and what is mounted of those. It sees what /proc shows: of
// the processes of others, only root sees that.
func (m *Mounted) users() []string { return usersOf(m.dir) }

// Detach takes the mount out of the tree, so that nobody finds it any more. Who uses it goes
// on to, and [Mounted.Wait] returns when nobody does.
func (m *Mounted) Detach() error {
	if err := detach(m.dir); err != nil {
		return fmt.Errorf("take %s out of the tree: %w", m.dir, err)
	}
	return nil
}

func usersOf(dir string) []string {
	within := func(path string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
	var users []string
	pids, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, p := range pids {
		pid, err := strconv.Atoi(p.Name())
		if err == nil && pid != os.Getpid() && slices.ContainsFunc(pathsOf(pid), within) {
			users = append(users, process.Name(pid))
		}
	}
	var loops []string
	for _, l := range mountinfo.Loops() {
		if within(l.Backing) {
			loops = append(loops, l.Name)
		}
	}
	return slices.Concat(users, loops, mountsOf(loops, within, dir))
}

// pathsOf is what a process has open, or is in. Links are read, and not followed: a file on a
// server that is away must not hold us up.
func pathsOf(pid int) (paths []string) {
	dir := fmt.Sprintf("/proc/%d", pid)
	names := []string{"cwd", "root", "exe"}
	if open, err := os.ReadDir(dir + "/fd"); err == nil {
		for _, fd := range open {
			names = append(names, "fd/"+fd.Name())
		}
	}
	for _, name := range names {
		if path, err := os.Readlink(filepath.Join(dir, name)); err == nil {
			paths = append(paths, strings.TrimSuffix(path, " (deleted)"))
		}
	}
	return paths
}

// mountsOf finds what is mounted of the loop devices or their partitions, and below the mount.
func mountsOf(loops []string, within func(path string) bool, dir string) (points []string) {
	mounts, err := mountinfo.Read()
	if err != nil {
		return nil
	}
	for _, each := range mounts {
		isOf := func(loop string) bool {
			rest, is := strings.CutPrefix(each.Source, "/dev/"+loop)
			return is && (rest == "" || rest[0] == 'p')
		}
		if slices.ContainsFunc(loops, isOf) || within(each.Point) && each.Point != dir {
			points = append(points, "what is mounted at "+each.Point)
		}
	}
	return points
}
