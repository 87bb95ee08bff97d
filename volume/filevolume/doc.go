// Package filevolume reads and writes volumes that the kernel shows as files: raw image files and block devices.
//
// [Open] gives a source, [OpenTarget] a target, both as package volume defines them.
//
// A source is read as if nobody had read it. Regular files are read from the page cache where they are in it, past it
// where they are not, and what reading brought in all the same is given back (pageCache). Block devices are always
// read past the page cache (directFile): the kernel keeps that of a device, for as long as anybody has it open,
// coherent with nothing but writes through that very device node. So what an earlier reading left there can be older
// than what a mounted file system, a device above or below, or another host has written since. O_DIRECT sees the
// storage itself and takes dirty pages with it; BLKFLSBUF and POSIX_FADV_DONTNEED would leave pages behind that are
// mapped or in use.
//
// Who uses a device or file (mounts, holders, swap, loop devices, processes) is read from /proc and /sys. It decides
// how consistent a reading was, and whether a target may be written.
//
// Creating, renaming, locking and syncing files is left to internal/durable.
package filevolume
