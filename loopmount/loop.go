package loopmount

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"varve/volume"
)

// attempts bounds how often a free loop device is asked for: others may take it first.
const attempts = 64

// attach puts a read-only loop device over a part of an image. The kernel takes it away when the file that is
// returned is closed and nothing else uses it.
func attach(image string, at volume.Extent) (device *os.File, err error) {
	backing, err := os.Open(image)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backing.Close()) }() // the device keeps it open
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
		device, err := configure(fmt.Sprintf("/dev/loop%d", number), backing, at)
		if !errors.Is(err, unix.EBUSY) {
			return device, err
		}
	}
	return nil, fmt.Errorf("find a free loop device: others took %d of them first", attempts)
}

// configure makes a loop device all that it is to be in one call, so that nobody sees it half made.
func configure(name string, backing *os.File, at volume.Extent) (*os.File, error) {
	device, err := os.Open(name)
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
	config.Info.Flags = unix.LO_FLAGS_READ_ONLY | unix.LO_FLAGS_AUTOCLEAR
	copy(config.Info.File_name[:len(config.Info.File_name)-1], backing.Name())
	if err := unix.IoctlLoopConfigure(int(device.Fd()), &config); err != nil {
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
			err = fmt.Errorf("%w (%w)", ErrOldKernel, err)
		}
		return nil, errors.Join(fmt.Errorf("put %s over the image: %w", name, err), device.Close())
	}
	return device, nil
}
