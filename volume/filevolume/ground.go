package filevolume

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ground is all that a directory lies on: the device of its file system, the devices that one is made of, the disks
// that those are part of, and the files behind loop devices, down to the bottom.
type ground struct {
	devices map[deviceID]bool
	files   []backing
	pooled  bool // it lies in a pool of ZFS, whose devices the kernel does not tell
}

// backing is a file behind a loop device.
type backing struct {
	path string
	info fs.FileInfo
}

func groundOf(dir string) (ground, error) {
	g := ground{devices: map[deviceID]bool{}}
	if dir == "" {
		return g, nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return g, fmt.Errorf("find the device of the repository: %w", err)
	}
	mounts, err := readMounts()
	if err != nil {
		return g, err
	}
	g.addFileSystem(deviceID(statOf(info).Dev), mounts)
	return g, nil
}

// addFileSystem adds the devices of a file system. One with a number of its own is looked up by what it was mounted
// from, and btrfs by what it says besides.
func (g *ground) addFileSystem(id deviceID, mounts []mount) {
	g.add(id, mounts)
	if !id.isAnonymous() {
		return
	}
	for _, m := range mounts {
		if m.id != id {
			continue
		}
		g.pooled = g.pooled || m.fsType == "zfs"
		for _, path := range strings.Split(m.source, ":") { // bcachefs names all of its devices
			source, ok := deviceAt(path)
			if !ok {
				continue
			}
			g.add(source, mounts)
			for _, sibling := range btrfsSiblings(source) {
				g.add(sibling, mounts)
			}
		}
	}
}

// btrfsSiblings lists the devices of the btrfs that a device is part of.
func btrfsSiblings(id deviceID) []deviceID {
	members, err := filepath.Glob("/sys/fs/btrfs/*/devices/*/dev")
	if err != nil {
		return nil
	}
	ids := map[string][]deviceID{}
	for _, path := range members {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if member, ok := parseDeviceID(string(text)); ok {
			uuid := filepath.Dir(filepath.Dir(path))
			ids[uuid] = append(ids[uuid], member)
		}
	}
	for _, siblings := range ids {
		for _, sibling := range siblings {
			if sibling == id {
				return siblings
			}
		}
	}
	return nil
}

// add adds a device and what it lies on.
func (g *ground) add(id deviceID, mounts []mount) {
	if g.devices[id] {
		return
	}
	g.devices[id] = true
	if disk, ok := id.disk(); ok {
		g.add(disk, mounts)
	}
	for _, below := range id.related("slaves/*") {
		g.add(below, mounts)
	}
	path := id.attribute("loop/backing_file")
	if path == "" {
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil: // deleted, or in another namespace: no path leads to it that could be a target
	case isBlockDevice(info.Mode()):
		g.add(deviceID(statOf(info).Rdev), mounts)
	default:
		g.files = append(g.files, backing{path, info})
		g.addFileSystem(deviceID(statOf(info).Dev), mounts)
	}
}

func (g *ground) hasFile(info fs.FileInfo) bool {
	for _, file := range g.files {
		if os.SameFile(file.info, info) {
			return true
		}
	}
	return false
}
