package loopmount

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"varve/disk"
)

// A FileSystem is a file system within an image, which is mounted. The caller closes it, and its nodes before.
type FileSystem struct {
	Part   disk.Part // with what the kernel noticed: it is unclean
	device *Device   // the loop device, if it is closed with it; nil: who attached it does that
	root   *os.File  // of the mount, which lasts as long as this is open
}

// Open mounts the file system that a part of an image, a file or a block device, holds, to be read.
func Open(image string, part disk.Part) (_ *FileSystem, err error) {
	if !part.Kind.IsFileSystem() {
		return nil, &ContentError{Part: part}
	}
	backing, err := os.Open(image)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backing.Close()) }() // the device keeps it open
	device, err := Attach(backing, part, false)
	if err != nil {
		return nil, err
	}
	f, err := device.Mount()
	if err != nil {
		return nil, errors.Join(err, device.Close())
	}
	f.device = device
	return f, nil
}

// Mount mounts the file system that the device has: read-only, and without a look at its journal; or, if the device can be
// written to, for writing, which replays the journal. The caller closes it before the device.
func (d *Device) Mount() (*FileSystem, error) {
	root, unclean, err := d.mount()
	if err != nil {
		return nil, err
	}
	part := d.Part
	part.Unclean = part.Unclean || unclean
	return &FileSystem{Part: part, root: root}, nil
}

// Close unmounts it, unless it was placed somewhere.
func (f *FileSystem) Close() error {
	err := f.root.Close()
	if f.device != nil {
		err = errors.Join(err, f.device.Close())
	}
	return err
}

// MapOwners shows the owners of all files as those that they are in a user namespace. It fails where the file system
// cannot do that ([errors.ErrUnsupported]), and may be called once, before Place.
func (f *FileSystem) MapOwners(namespace *os.File) error {
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(namespace.Fd())}
	switch err := unix.MountSetattr(int(f.root.Fd()), "", unix.AT_EMPTY_PATH, attr); {
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("the owners of files in %s cannot be mapped: %w", f.Part.Kind, errors.ErrUnsupported)
	case errors.Is(err, unix.ENOSYS):
		return ErrOldKernel
	case err != nil:
		return fmt.Errorf("map the owners of files: %w", err)
	}
	return nil
}

// Place attaches it to a directory of this process' mounts, from which it goes when that is unmounted or they end.
func (f *FileSystem) Place(dir string) error {
	if err := unix.MoveMount(int(f.root.Fd()), "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount at %s: %w", dir, err)
	}
	return nil
}

// A driver is a way to have the kernel mount a file system.
type driver struct {
	name    string
	options []string
	unclean bool // it is needed, and known by the kernel, only where there is something to replay
}

// drivers lists the ways to mount what a part holds. All leave the journal alone: the device takes no writes, and what would
// be replayed is not to be seen as if it had been. What a superblock asks for in case of an error may be to halt this
// host; so that is said anew where it can be.
func drivers(k disk.Kind) []driver {
	const onError = "errors=continue"
	switch k {
	case disk.Ext2, disk.Ext3, disk.Ext4:
		return []driver{{name: "ext4", options: []string{"noload", onError}}, {name: string(k), options: []string{onError}}}
	case disk.XFS:
		// With something to replay, and a device that takes no writes, the first one fails.
		return []driver{{name: "xfs", options: []string{"nouuid"}}, {name: "xfs", options: []string{"nouuid", "norecovery"}, unclean: true}}
	case disk.Btrfs:
		return []driver{{name: "btrfs", options: []string{"rescue=nologreplay"}}, {name: "btrfs", options: []string{"nologreplay"}}}
	case disk.VFAT, disk.ExFAT:
		return []driver{{name: string(k), options: []string{"iocharset=utf8", onError}}, {name: string(k), options: []string{onError}}}
	case disk.NTFS:
		return []driver{{name: "ntfs3", options: []string{"iocharset=utf8"}}, {name: "ntfs3"}, {name: "ntfs"}}
	case disk.F2FS:
		return []driver{{name: "f2fs", options: []string{"norecovery"}}}
	}
	return []driver{{name: string(k)}}
}

// writingDrivers lists the ways to mount what a part holds for writing, as the machine does that it is of.
func writingDrivers(k disk.Kind) []driver {
	const onError = "errors=remount-ro"
	switch k {
	case disk.Ext2, disk.Ext3, disk.Ext4:
		return []driver{{name: "ext4", options: []string{onError}}, {name: string(k), options: []string{onError}}}
	case disk.XFS:
		return []driver{{name: "xfs", options: []string{"nouuid"}}}
	case disk.VFAT, disk.ExFAT:
		return []driver{{name: string(k), options: []string{"iocharset=utf8", onError}}, {name: string(k), options: []string{onError}}}
	case disk.NTFS: // each that is in use says so, and is refused without force
		return []driver{{name: "ntfs3", options: []string{"iocharset=utf8", "force"}}, {name: "ntfs3", options: []string{"force"}}}
	}
	return []driver{{name: string(k)}}
}

// mount mounts the device by the first driver that does, and tells whether that was one for what is unclean. The error is that
// of the last one that the kernel knows.
func (d *Device) mount() (root *os.File, unclean bool, err error) {
	ways := drivers(d.Part.Kind)
	if d.writable {
		ways = writingDrivers(d.Part.Kind)
	}
	last := error(&UnknownError{Kind: d.Part.Kind})
	for _, way := range ways {
		root, said, err := way.mount(d.Name(), d.writable)
		switch {
		case err == nil:
			return root, way.unclean, nil
		case errors.Is(err, unix.ENOSYS):
			return nil, false, ErrOldKernel
		case errors.Is(err, unix.EPERM):
			return nil, false, ErrNotRoot
		case !errors.Is(err, unix.ENODEV):
			last = &MountError{Part: d.Part, Said: said, Err: err}
		}
	}
	return nil, false, last
}

// mount asks the kernel for a mount that is attached nowhere, and returns its root and what the kernel had to say. What
// is only read may not be run either.
func (d driver) mount(device string, writable bool) (root *os.File, said []string, err error) {
	context, err := unix.Fsopen(d.name, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, unix.Close(context)) }()
	options, attributes := d.options, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOATIME
	if !writable {
		options, attributes = append([]string{"ro"}, options...), attributes|unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOEXEC
	}
	set := func() error {
		if err := unix.FsconfigSetString(context, "source", device); err != nil {
			return err
		}
		for _, option := range options {
			name, value, hasValue := strings.Cut(option, "=")
			var err error
			if hasValue {
				err = unix.FsconfigSetString(context, name, value)
			} else {
				err = unix.FsconfigSetFlag(context, name)
			}
			if err != nil {
				return fmt.Errorf("option %s: %w", option, err)
			}
		}
		return unix.FsconfigCreate(context)
	}
	if err := set(); err != nil {
		return nil, messages(context), err
	}
	fd, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return nil, messages(context), err
	}
	return os.NewFile(uintptr(fd), "/"), nil, nil
}

// messages reads what the kernel said of errors and warnings: lines such as "e xfs: bad magic".
func messages(context int) (said []string) {
	line := make([]byte, 1024)
	for len(said) < 8 {
		n, err := unix.Read(context, line)
		if err != nil || n <= 0 {
			return said
		}
		if text := strings.TrimSpace(string(line[:n])); len(text) > 2 && text[0] != 'i' {
			said = append(said, text[2:])
		}
	}
	return said
}
