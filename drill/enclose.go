package drill

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"varve/internal/mountinfo"
)

// enclose makes of the mounts that this process alone has a place in which nothing of the host can be changed, and nothing of its services
// be reached.
func enclose() error {
	unix.Umask(0o022)
	if err := mountinfo.Follow(); err != nil {
		return fmt.Errorf("part from the mounts of this host: %w", err)
	}
	all := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}
	switch err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, all); {
	case errors.Is(err, unix.ENOSYS):
		return ErrOldKernel
	case err != nil:
		return fmt.Errorf("make the mounts read-only: %w", err)
	}
	for _, own := range []struct{ dir, mode string }{{"/run", "0755"}, {"/tmp", "1777"}, {"/var/tmp", "1777"}, {"/dev/shm", "1777"}} {
		if info, err := os.Lstat(own.dir); err != nil || !info.IsDir() {
			continue // it is a link to one of the others, or there is none
		}
		flags := uintptr(unix.MS_NOSUID)
		if own.dir != "/run" {
			flags |= unix.MS_NODEV
		}
		if err := unix.Mount("tmpfs", own.dir, "tmpfs", flags, "mode="+own.mode); err != nil {
			return fmt.Errorf("mount a tmpfs at %s: %w", own.dir, err)
		}
	}
	// Whoever serves a file system here could wait for itself when it is killed, and then this process for it.
	if err := unix.Mount("/dev/null", "/dev/fuse", "", unix.MS_BIND, ""); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("hide /dev/fuse: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := os.MkdirAll(mountDir, 0o755); err != nil {
		return err
	}
	return upLoopback()
}

// upLoopback lets programs here speak with each other by 127.0.0.1.
func upLoopback() (err error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make a socket: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(s)) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("have the network that leads nowhere: %w", err)
	}
	return nil
}
