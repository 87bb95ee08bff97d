package filevolume

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"varve/volume"
)

// deviceSnapshot is an open block device, and what was known of its users when it was opened.
type deviceSnapshot struct {
	path    string
	id      deviceID
	size    int64
	direct  *directFile
	uses    []volume.Use
	written string // its counters of writing at the beginning; empty: not known
}

var (
	_ volume.Snapshot = (*deviceSnapshot)(nil)
	_ volume.Witness  = (*deviceSnapshot)(nil)
)

func openDeviceSnapshot(path string) (_ *deviceSnapshot, err error) {
	direct, geometry, err := openDirect(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, direct.f.Close())
		}
	}()
	if geometry.size == 0 {
		return nil, fmt.Errorf("block device %q has no medium: its size is zero", path)
	}
	// Our reading flushes dirty pages; flushed now, they are not taken for somebody's writes later.
	// If this fails, reading shows what matters of it.
	_ = direct.f.Sync()
	written := writeCounters(geometry.id)
	uses, err := deviceUses(geometry.id)
	if err != nil {
		return nil, err
	}
	if len(uses) == 0 && isClaimed(path) {
		uses = []volume.Use{{Kind: volume.Held, Writing: true}}
	}
	return &deviceSnapshot{
		path: path, id: geometry.id, size: geometry.size,
		direct: direct, uses: uses, written: written,
	}, nil
}

// Size implements [volume.Snapshot].
func (s *deviceSnapshot) Size() int64 { return s.size }

// ReadAt implements [volume.Snapshot].
func (s *deviceSnapshot) ReadAt(p []byte, off int64) (int, error) {
	return readFixed(s.path, s.size, s.direct, p, off)
}

// Close implements [volume.Snapshot].
func (s *deviceSnapshot) Close() error { return s.direct.f.Close() }

// Consistency implements [volume.Snapshot]. A device is live if it was mounted read-write, held or open for writing
// before or after, or if the kernel counted writes to it in between.
func (s *deviceSnapshot) Consistency() (volume.Consistency, string, error) {
	uses, err := deviceUses(s.id)
	if err != nil {
		return "", "", err
	}
	// Who could write is said rather than that somebody did: it is what can be helped.
	if c, reason := consistencyOf(s.uses, uses); c == volume.Live {
		return c, reason, nil
	}
	what, err := s.Changed()
	switch {
	case err != nil:
		return "", "", err
	case what != "":
		return volume.Live, what, nil
	}
	return volume.Still, "", nil
}

// Changed implements [volume.Witness].
func (s *deviceSnapshot) Changed() (string, error) {
	geometry, err := deviceGeometry(s.direct.f)
	switch {
	case err != nil:
		return "", err
	case geometry.size != s.size:
		return "its size changed while it was read", nil
	case writeCounters(s.id) != s.written:
		return "it was written while it was read", nil
	}
	return "", nil
}

// A geometry is what a block device says of itself.
type geometry struct {
	id    deviceID
	size  int64
	block int64 // logical block size: what it reads and writes at once
}

// openDirect opens a block device past the page cache, and asks what it is.
func openDirect(path string, flags int) (*directFile, geometry, error) {
	f, err := os.OpenFile(path, flags|unix.O_DIRECT, 0)
	if err != nil {
		return nil, geometry{}, err
	}
	g, err := deviceGeometry(f)
	if err != nil {
		return nil, geometry{}, errors.Join(err, f.Close())
	}
	return newDirectFile(f, g.block), g, nil
}

func deviceGeometry(f *os.File) (geometry, error) {
	info, err := f.Stat()
	if err != nil {
		return geometry{}, err
	}
	if !isBlockDevice(info.Mode()) {
		return geometry{}, fmt.Errorf("%q: %w: it was a block device", f.Name(), volume.ErrChanged)
	}
	// BLKGETSIZE64 fills 64 bits, which is what an int has here.
	size, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKGETSIZE64)
	if err != nil {
		return geometry{}, fmt.Errorf("size of block device %q: %w", f.Name(), err)
	}
	block, err := unix.IoctlGetUint32(int(f.Fd()), unix.BLKSSZGET)
	if err != nil {
		return geometry{}, fmt.Errorf("block size of block device %q: %w", f.Name(), err)
	}
	return geometry{id: deviceID(statOf(info).Rdev), size: int64(size), block: int64(block)}, nil
}

// isClaimed reports that the kernel holds the device for somebody whom we do not see, such as a mount in another
// namespace. The claim that is tried for it lasts for microseconds.
func isClaimed(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_EXCL, 0)
	if err == nil {
		_ = f.Close()
	}
	return errors.Is(err, unix.EBUSY)
}

// writeCounters returns what the kernel counted of a device's writes and discards.
func writeCounters(id deviceID) string {
	text, err := os.ReadFile(id.sysfs("stat"))
	fields := strings.Fields(string(text))
	const written, discarded = 6, 13 // in sectors: see Documentation/block/stat.rst of Linux
	if err != nil || len(fields) <= written {
		return ""
	}
	if len(fields) <= discarded {
		return fields[written]
	}
	return fields[written] + " " + fields[discarded]
}
