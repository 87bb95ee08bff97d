// Package machine proves on a real machine that Varve loses nothing: the program
// itself, built as it is shipped, on file systems of the kernel. It holds tests
// alone.
//
//   - Power cuts: ext4 and xfs on a loop device are shut down, with everything
//     that was not yet on the disk, while the program works on them. They are
//     mounted again, and the oracle looks.
//   - Disks that reorder: a block device of our own, a file served through FUSE,
//     writes down what a file system asks of it, in order, and where the flushes
//     are. From that, disks are made as a power cut at any point may leave them:
//     with all, some or none of the writes since the last flush. Each is mounted,
//     and the oracle looks. So even btrfs can lose its power.
//   - Syncs of directories alone, cut again and again: what every promise stands on.
//   - Kills: two programs at once, and those who read beside them, are ended by
//     SIGKILL, SIGTERM and SIGINT at any moment.
//
// The oracle (type ledger) knows what was backed up by each attempt, because
// each writes its number into the revision's note. It asks that
//
//  1. every revision whose backup ended with exit code 0 is there,
//  2. every revision that is listed restores, byte for byte,
//  3. so those that nobody was told of are absent or complete,
//  4. the repository opens, and the journal can be read, with nobody's help,
//  5. the next backup succeeds, and leaves nothing of the dead behind,
//  6. a run that failed said so: in its exit code, its JSON and the journal.
//
// What a test does follows from its seed; when it is interrupted within a
// millisecond does not. A test that fails names the seed, and VARVE_SEED runs
// that one alone. The tests need root, for loop devices and mounts, and the
// programs that make file systems, which scripts/install-deps test installs.
// Their mounts are their own, and end with them in any case.
package machine
