// Package loopmount opens a file system within the image of a disk.
//
// [Open] is for reading its files: it puts a read-only loop device over a part of an image, as package disk found it, and has the kernel mount
// that, read-only, without replaying its journal, without devices, set-uid bits or programs. The mount is attached
// nowhere: it has no path, nobody else sees it, and it needs no mount point. Mount and loop device are held by open files alone,
// so that the kernel takes both away with this process, however that ends. See
// docs/decisions/0026-file-systems-in-images-are-mounted-nowhere.md.
//
// [Attach] gives the loop device alone, also one that can be written to, as an image above a layer can: mounted from that, a file
// system replays its journal, and may be given a place in the mounts of this process. See docs/decisions/0030-drills-run-in-a-room-of-their-own.md.
//
// A [Node] is one file of it, by an open file that nothing was read through. Names are resolved within the image: its
// symbolic links lead nowhere else, whatever they say.
//
// It needs root, Linux 5.8 or newer, and a kernel that knows the file system.
package loopmount
