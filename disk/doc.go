// Package disk tells what lies on the image of a disk: its partitions, and what each of them holds.
//
// [Look] reads a partition table, MBR with its logical partitions or GPT with its backup, and the marks of file
// systems; those of what needs several disks, or a key, it has from package volume. It reads the table and the edges of each
// partition, through an [io.ReaderAt], and nothing else; nothing in the bytes makes it read much more, or without end.
// What contradicts itself is told with the partition, and is no error: the rest of the disk can be whole.
//
// It opens nothing: loopmount does.
package disk
