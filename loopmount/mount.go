package loopmount

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"varve/disk"
)

// A FileSystem is a file system within an image that can be read. The caller closes it, and its nodes before.
type FileSystem struct {
	Part   disk.Part // with what the kernel noticed: it is unclean
	device *os.File  // the loop device
	root   *os.File  // of the mount, which lasts as long as this is open
}

// Open mounts the file system that a part of an image, a file or a block device, holds.
func Open(image string, part disk.Part) (*FileSystem, error) {
	if !part.Kind.IsFileSystem() {
		return nil, &ContentError{Part: part}
	}
	device, err := attach(image, part.Extent)
	if err != nil {
		return nil, err
	}
	root, unclean, err := mount(device.Name(), part)
	if err != nil {
		return nil, errors.Join(err, device.Close())
	}
	part.Unclean = part.Unclean || unclean
	return &FileSystem{Part: part, device: device, root: root}, nil
}

// Close unmounts it.
func (f *FileSystem) Close() error { return errors.Join(f.root.Close(), f.device.Close()) }

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

// mount mounts a device by the first driver that does, and tells whether that was one for what is unclean. The error is that
// of the last one that the kernel knows.
func mount(device string, part disk.Part) (root *os.File, unclean bool, err error) {
	last := error(&UnknownError{Kind: part.Kind})
	for _, d := range drivers(part.Kind) {
		root, said, err := d.mount(device)
		switch {
		case err == nil:
			return root, d.unclean, nil
		case errors.Is(err, unix.ENOSYS):
			return nil, false, ErrOldKernel
		case errors.Is(err, unix.EPERM):
			return nil, false, ErrNotRoot
		case !errors.Is(err, unix.ENODEV):
			last = &MountError{Part: part, Said: said, Err: err}
		}
	}
	return nil, false, last
}

// mount asks the kernel for a mount that is attached nowhere, and returns its root and what the kernel had to say.
func (d driver) mount(device string) (root *os.File, said []string, err error) {
	context, err := unix.Fsopen(d.name, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, unix.Close(context)) }()
	set := func() error {
		if err := unix.FsconfigSetString(context, "source", device); err != nil {
			return err
		}
		for _, option := range append([]string{"ro"}, d.options...) {
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
	const attributes = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOATIME
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
