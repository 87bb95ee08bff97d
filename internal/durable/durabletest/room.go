package durabletest

import "golang.org/x/sys/unix"

// endless is the room of a disk of which nothing was said.
const endless = 1 << 40

// SetRoom lets the files on the disk grow by so many bytes in all. A write for which
// there is no more room takes what there is, and fails with ENOSPC. Names take none,
// and a file that is removed gives its own back at once.
func (d *Disk) SetRoom(room int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limited, d.limit = true, d.used()+room
}

// Refused is the number of writes for which there was no room.
func (d *Disk) Refused() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused
}

// Free implements [durable.FS].
func (d *Disk) Free() (available, total int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	used, room := d.used(), d.room()
	return room, used + room, nil
}

// fit tells how many of n bytes at an offset of a file there is room for.
func (d *Disk) fit(file *inode, n int, off int64) (int, error) {
	size := int64(len(file.data))
	if off+int64(n)-size <= 0 || !d.limited {
		return n, nil
	}
	end := size + d.room()
	if off+int64(n) <= end {
		return n, nil
	}
	d.refused++
	return int(max(end-off, 0)), unix.ENOSPC
}

func (d *Disk) room() int64 {
	if !d.limited {
		return endless
	}
	return max(d.limit-d.used(), 0)
}

func (d *Disk) used() int64 {
	seen, used := map[*inode]bool{}, int64(0)
	d.root.walk(".", func(_ string, n *inode) {
		if !seen[n] {
			used += int64(len(n.data))
		}
		seen[n] = true
	})
	return used
}
