package filevolume

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"varve/volume"
)

// CheckSource refuses, with [volume.ErrOwnSource], a source that is a part of the repository in this directory, or
// that the repository lies on: a disk, a partition, what a volume group or an array is made of, the image behind a
// loop device. Empty: there is no repository.
func CheckSource(path, repository string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	under, err := groundOf(repository)
	if err != nil {
		return err
	}
	overlaps, err := under.overlaps(path, info, repository)
	if err == nil && overlaps {
		err = fmt.Errorf("source %q: %w", path, volume.ErrOwnSource)
	}
	return err
}

// overlaps tells whether a file or device and the repository have bytes in common, g being what the repository lies on.
func (g ground) overlaps(path string, info fs.FileInfo, repository string) (bool, error) {
	if repository == "" {
		return false, nil
	}
	if !isBlockDevice(info.Mode()) {
		if g.hasFile(info) {
			return true, nil
		}
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return false, err
		}
		return isInside(filepath.Dir(real), repository)
	}
	id := deviceID(statOf(info).Rdev)
	if g.hasBytesOf(id) {
		return true, nil
	}
	mounts, err := readMounts()
	if err != nil {
		return false, err
	}
	below := ground{devices: map[deviceID]bool{}}
	below.add(id, mounts)
	for _, file := range below.files {
		if inside, err := isInside(filepath.Dir(file.path), repository); inside || err != nil {
			return inside, err
		}
	}
	return false, nil
}

// hasBytesOf tells whether g is built upon the device, or upon what a loop device, and nothing else, shows of it.
// Not upon whatever lies below the device: two logical volumes on one disk have no bytes in common.
func (g ground) hasBytesOf(id deviceID) bool {
	for range 16 { // no more than the kernel stacks
		if g.devices[id] {
			return true
		}
		if disk, ok := id.disk(); ok {
			if g.devices[disk] {
				return false // of the disk, g is built upon another partition
			}
			id = disk
		}
		path := id.attribute("loop/backing_file")
		if path == "" {
			return false
		}
		info, err := os.Stat(path)
		if err != nil {
			return false
		}
		if !isBlockDevice(info.Mode()) {
			return g.hasFile(info)
		}
		id = deviceID(statOf(info).Rdev)
	}
	return false
}

// checkOutside refuses a target in a directory that is the repository or lies in it.
func checkOutside(dir, repository string) error {
	if repository == "" {
		return nil
	}
	inside, err := isInside(dir, repository)
	if err == nil && inside {
		err = fmt.Errorf("target in %q: %w", dir, volume.ErrRepository)
	}
	return err
}

// isInside tells whether a directory is the repository or lies in it, along whatever path and through whatever
// mount of the repository or a part of it. Links in dir must have been followed.
func isInside(dir, repository string) (bool, error) {
	there, err := os.Stat(repository)
	if err != nil {
		return false, fmt.Errorf("find the repository: %w", err)
	}
	mounts, err := readMounts()
	if err != nil {
		return false, err
	}
	if real, err := filepath.EvalSymlinks(repository); err == nil {
		of, known := placeOf(real, mounts)
		if at, ok := placeOf(dir, mounts); ok && known && at.isIn(of) {
			return true, nil
		}
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return false, err
		}
		if os.SameFile(info, there) {
			return true, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return false, nil
		}
		dir = above
	}
}

// A place is where a directory lies in its file system. It is the same through every mount of that.
type place struct {
	id   deviceID
	path string
}

func (p place) isIn(other place) bool {
	return p.id == other.id && (p.path == other.path || strings.HasPrefix(p.path, strings.TrimSuffix(other.path, "/")+"/"))
}

// placeOf asks the kernel through which mount a directory is reached. Kernels before 5.8 do not say.
func placeOf(dir string, mounts []mount) (place, bool) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return place{}, false
	}
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, full, 0, unix.STATX_MNT_ID, &st); err != nil || st.Mask&unix.STATX_MNT_ID == 0 {
		return place{}, false
	}
	for _, m := range mounts {
		if m.number != st.Mnt_id {
			continue
		}
		below, err := filepath.Rel(m.point, full)
		if err != nil || below == ".." || strings.HasPrefix(below, "../") {
			return place{}, false
		}
		return place{id: m.id, path: filepath.Join(m.root, below)}, true
	}
	return place{}, false
}
