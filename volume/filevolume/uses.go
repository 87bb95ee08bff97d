package filevolume

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"varve/internal/mountinfo"
	"varve/volume"
)

// deviceUses lists who uses a block device or its partitions: mounts, devices built upon it, swap, loop devices,
// processes that have it open for writing.
func deviceUses(id deviceID) ([]volume.Use, error) {
	mounts, err := readMounts()
	if err != nil {
		return nil, err
	}
	swaps, err := readSwaps()
	if err != nil {
		return nil, err
	}
	ids := append([]deviceID{id}, id.partitions()...)
	var uses []volume.Use
	for _, each := range ids {
		claims := append(mountUses(each, mounts), holderUses(each)...)
		for _, path := range swaps {
			if swap, ok := deviceAt(path); ok && swap == each {
				claims = append(claims, volume.Use{Kind: volume.Swap, Writing: true})
			}
		}
		if each != id {
			claims = through(each, claims)
		}
		uses = append(uses, claims...)
	}
	over, err := loopUses(func(backing fs.FileInfo) bool {
		return isBlockDevice(backing.Mode()) && deviceID(statOf(backing).Rdev) == id
	})
	if err != nil {
		return nil, err
	}
	uses = append(uses, over...)
	return append(uses, processUses(isDevice(ids...))...), nil
}

func mountUses(id deviceID, mounts []mount) []volume.Use {
	var uses []volume.Use
	for _, m := range mounts {
		if m.isOf(id) {
			uses = append(uses, volume.Use{Kind: volume.Mounted, By: m.point, Writing: m.writable})
		}
	}
	return uses
}

func holderUses(id deviceID) []volume.Use {
	var uses []volume.Use
	for _, holder := range id.related("holders/*") {
		uses = append(uses, volume.Use{Kind: volume.Held, By: holder.name(), Writing: !holder.isReadOnly()})
	}
	return uses
}

func processUses(matches func(*unix.Statx_t) bool) []volume.Use {
	var uses []volume.Use
	for _, by := range writers(matches) {
		uses = append(uses, volume.Use{Kind: volume.Opened, By: by, Writing: true})
	}
	return uses
}

// loopUses lists the loop devices over a file or device, and who uses those. A loop device by itself writes nothing.
func loopUses(isBacking func(fs.FileInfo) bool) ([]volume.Use, error) {
	var uses []volume.Use
	for _, l := range mountinfo.Loops() {
		info, err := os.Stat(l.Backing)
		if err != nil || !isBacking(info) {
			continue // that of a deleted file, or of one that is not ours
		}
		id, ok := parseDeviceID(l.Device)
		if !ok {
			continue
		}
		above, err := deviceUses(id)
		if err != nil {
			return nil, err
		}
		uses = append(uses, volume.Use{Kind: volume.Held, By: id.name()})
		uses = append(uses, through(id, above)...)
	}
	return uses, nil
}

// through says of uses that they are uses of another device, which lies on the one that was asked about.
func through(id deviceID, uses []volume.Use) []volume.Use {
	said := make([]volume.Use, len(uses))
	for i, u := range uses {
		if u.By != "" {
			u.By += " "
		}
		u.By += "through " + id.name()
		said[i] = u
	}
	return said
}

// fileUses lists who uses a regular file: swap, loop devices and who uses them, processes that have it open for
// writing. The descriptor f must be read-only.
func fileUses(f *os.File, info fs.FileInfo) ([]volume.Use, error) {
	swaps, err := readSwaps()
	if err != nil {
		return nil, err
	}
	isThis := func(other fs.FileInfo) bool { return os.SameFile(info, other) }
	uses, err := loopUses(isThis)
	if err != nil {
		return nil, err
	}
	attached := len(uses) > 0
	for _, path := range swaps {
		if swap, err := os.Stat(path); err == nil && isThis(swap) {
			uses = append(uses, volume.Use{Kind: volume.Swap, Writing: true})
		}
	}
	written, known := isWritten(f)
	if known && !written {
		return uses, nil
	}
	st := statOf(info)
	open := processUses(isFile(deviceID(st.Dev), st.Ino))
	if written && len(open) == 0 && !attached { // loop devices have their file open for writing too
		open = []volume.Use{{Kind: volume.Opened, Writing: true}}
	}
	return append(uses, open...), nil
}

// isWritten asks the kernel whether anybody has the file open for writing: a read lease is granted only if nobody has.
// It is given back at once. Only the file's owner and root may ask.
func isWritten(f *os.File) (written, known bool) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil || isRemote(st.Type) {
		return false, false // the lease would be about what the server granted this host
	}
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
		return false, err == nil
	}
	written = errors.Is(err, unix.EAGAIN)
	return written, written
}

func isRemote(fsType int64) bool {
	switch uint32(fsType) {
	case unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC,
		unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC:
		return true
	}
	return false
}
