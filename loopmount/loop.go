package loopmount

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"varve/disk"
	"varve/volume"
)

// attempts bounds how often a free loop device is asked for: others may take it first.
const attempts = 64

// A Device is a loop device over a part of an image. The kernel takes it away when it is closed and nothing else uses
// it, also when this process ends.
type Device struct {
	Part     disk.Part
	file     *os.File
	writable bool
}

// Attach puts a loop device over a part of an image, a file or a block device. It can be written to if the image was
// opened for that and writable says so. The caller closes the device; the image may be closed before.
func Attach(image *os.File, part disk.Part, writable bool) (*Device, error) {
	file, err := attach(image, part.Extent, writable)
	if err != nil {
		return nil, err
	}
	return &Device{Part: part, file: file, writable: writable}, nil
}

// Name is the path of the device.
func (d *Device) Name() string { return d.file.Name() }

// Number is the number of the device, by which a node for it is made.
func (d *Device) Number() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(d.file.Fd()), &st); err != nil {
		return 0, fmt.Errorf("look at %s: %w", d.Name(), err)
	}
	return st.Rdev, nil
}

// ReadAt implements [io.ReaderAt].
func (d *Device) ReadAt(p []byte, off int64) (int, error) { return d.file.ReadAt(p, off) }

// WriteAt implements [io.WriterAt].
func (d *Device) WriteAt(p []byte, off int64) (int, error) { return d.file.WriteAt(p, off) }

// Close gives up the device.
func (d *Device) Close() error { return d.file.Close() }

// attach puts a loop device over a part of an image.
func attach(backing *os.File, at volume.Extent, writable bool) (device *os.File, err error) {
	control, err := os.Open("/dev/loop-control")
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return nil, ErrNoLoop
	case errors.Is(err, fs.ErrPermission):
		return nil, ErrNotRoot
	case err != nil:
		return nil, err
	}
	defer func() { err = errors.Join(err, control.Close()) }()
	for range attempts {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return nil, ErrNotRoot
		case err != nil:
			return nil, fmt.Errorf("find a free loop device: %w", err)
		}
		device, err := configure(fmt.Sprintf("/dev/loop%d", number), backing, at, writable)
		if !errors.Is(err, unix.EBUSY) {
			return device, err
		}
	}
	return nil, fmt.Errorf("find a free loop device: others took %d of them first", attempts)
}

// configure makes a loop device all that it is to be in one call, so that nobody sees it half made.
func configure(name string, backing *os.File, at volume.Extent, writable bool) (*os.File, error) {
	how, flags := os.O_RDONLY, uint32(unix.LO_FLAGS_READ_ONLY)
	if writable {
		how, flags = os.O_RDWR, 0
	}
	device, err := os.OpenFile(name, how, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no %s", ErrNoLoop, name)
	case errors.Is(err, fs.ErrPermission):
		return nil, ErrNotRoot
	case err != nil:
		return nil, err
	}
	config := unix.LoopConfig{Fd: uint32(backing.Fd())}
	config.Info.Offset, config.Info.Sizelimit = uint64(at.Offset), uint64(at.Length)
	config.Info.Flags = flags | unix.LO_FLAGS_AUTOCLEAR
	copy(config.Info.File_name[:len(config.Info.File_name)-1], backing.Name())
	if err := unix.IoctlLoopConfigure(int(device.Fd()), &config); err != nil {
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
			err = fmt.Errorf("%w (%w)", ErrOldKernel, err)
		}
		return nil, errors.Join(fmt.Errorf("put %s over the image: %w", name, err), device.Close())
	}
	return device, nil
}
