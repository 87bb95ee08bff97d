// Package drill proves by use that a revision is a good backup.
//
// [Run] opens a revision through a writable mount, measures how fast it is read, finds its file systems, and has them used:
// mounted by the kernel, so that journals are replayed, checked by their own programs, which must find nothing, and given to a command of a
// person. What comes of it is a [Result]. The repository is not written to, but for the notes of damage that was met.
//
// The work is done in a room: a process of its own, which [Room] is the whole of, in mounts, processes and a network of its own. It ends
// with the process that started it, and everything with it: mounts, loop devices, and whatever was started there. The image comes from a
// third process. docs/decisions/0030-drills-run-in-a-room-of-their-own.md says why.
//
// It needs root and Linux 5.12 or newer.
package drill
