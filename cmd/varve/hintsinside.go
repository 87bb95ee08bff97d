package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"varve/disk"
	"varve/filecopy"
	"varve/fusemount"
	"varve/internal/durable"
	"varve/loopmount"
)

// hintOnInside advises on what lies within an image.
func hintOnInside(err error, a about) string {
	var (
		server  *fusemount.Failure
		noPath  *noPathError
		noPart  *noPartError
		several *severalPartsError
		content *loopmount.ContentError
		unknown *loopmount.UnknownError
		mount   *loopmount.MountError
		exists  *filecopy.ExistsError
		same    *filecopy.SameNameError
		notKept *notKeptError
		inside  *loopmount.PathError
	)
	switch {
	case errors.As(err, &server):
		return server.Hint
	case errors.As(err, &several):
		return fmt.Sprintf("--partition %d looks into that one alone", several.Parts[len(several.Parts)-1].Number)
	case errors.As(err, &noPart):
		return "varve ls " + a.address() + " lists them"
	case errors.As(err, &noPath) && len(noPath.Layout.Parts) == 0:
		return a.restorePart(nil) + " gives it as a file, to look for what it had"
	case errors.As(err, &noPath) && noPath.opened == 0:
		return "varve ls " + a.address() + " shows what they are; --partition N says what helps"
	case errors.As(err, &noPath) && noPath.opened > 1:
		return "varve ls " + a.address() + ":/ --partition N lists what is at the top of partition N"
	case errors.As(err, &noPath):
		return "varve ls " + a.address() + ":/ lists what is at the top"
	case errors.As(err, &content):
		return hintOnContent(content.Part, a)
	case errors.Is(err, loopmount.ErrNotRoot):
		return "run it as root; anybody who can read the repository can restore the image to a file"
	case errors.Is(err, loopmount.ErrNoLoop):
		return "modprobe loop; in a container, let it have /dev/loop-control and the devices"
	case errors.Is(err, loopmount.ErrOldKernel), errors.As(err, &unknown):
		return "on a host whose kernel can: varve ls; or " + a.restorePart(nil) + " and look with a program that reads it"
	case errors.As(err, &mount) && mount.Part.Kind == disk.Btrfs && (errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.EBUSY)):
		return "the same btrfs is mounted here, and this kernel has no two of one uuid: look on another host"
	case errors.As(err, &mount):
		return a.restorePart(&mount.Part) + ", then let its own fsck look at FILE"
	case errors.As(err, &exists) && (exists.Directory || exists.Special):
		return "move it away, or name another TARGET"
	case errors.As(err, &exists):
		return "--force replaces it; or name another TARGET"
	case errors.As(err, &same):
		return "copy one after the other, each to a TARGET of its own"
	case errors.Is(err, durable.ErrStaged):
		return "wait until the other run has ended"
	case errors.As(err, &notKept):
		return "copy to a file system that keeps it, as ext4, xfs and btrfs do"
	case errors.As(err, &inside):
		return "varve verify " + a.address() + " tells whether stored data is damaged, or the file system was already"
	}
	return ""
}

// hintOnContent says how to get at what this program does not open.
func hintOnContent(p disk.Part, a about) string {
	then := ""
	switch p.Kind {
	case disk.LVM:
		then = ", losetup --find --show --read-only FILE, vgimportclone --basevgname back DEVICE (restore.md has the rest)"
	case disk.LUKS:
		then = ", then cryptsetup open --readonly FILE NAME, and mount /dev/mapper/NAME"
	case disk.BitLocker:
		then = ", then cryptsetup open --type bitlk --readonly FILE NAME, and mount /dev/mapper/NAME"
	case disk.RAID:
		then = ", losetup --find --show --read-only FILE, mdadm --assemble --readonly --run /dev/md/back DEVICE"
	case disk.ZFS:
		then = ", and those of the other disks of the pool, then zpool import -d DIRECTORY -o readonly=on"
	case disk.Packed:
		then = ", then qemu-img info FILE tells what it is"
	case disk.Member:
		then = ", and those of the other disks that it needs"
	default:
		return "varve ls " + a.address() + " shows what is on the disk"
	}
	return a.restorePart(&p) + then
}

// restorePart is the command that gives a partition, or all, as a file.
func (a about) restorePart(p *disk.Part) string {
	text := "varve restore " + a.address() + " FILE"
	if p != nil && p.Number > 0 {
		text += fmt.Sprintf(" --range %d+%d", p.Offset, p.Length)
	}
	return text
}
