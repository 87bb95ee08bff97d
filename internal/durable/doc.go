// Package durable is the only place in Varve where files are created, renamed,
// linked, synced, locked and removed.
//
// [FS] is the whole of what Varve asks of a file system, a dozen calls, so that
// a model of a disk that loses power, or one that fails on purpose, can stand in
// for a real one. [OpenTree] gives the real one: a directory, through [os.Root],
// that follows no symbolic link, neither out of it nor within it.
//
// Above the calls stand the few sequences in which order decides whether a power
// cut loses data, each written once: [WriteNew], [Replace] and [MkdirAll]. They
// return nil only when what they did survives a power cut. Nothing here retries a
// failed sync: after one, the kernel may have dropped the data, and a second sync
// that succeeds would say nothing.
//
// [Dir] is for what is not Varve's own: files of every kind that come out of an image, with owners, modes, times and
// attributes, put together in a directory of their own ([Dir.Stage]) and then moved to their name.
//
// An FS and its Files are safe for concurrent use. A lock belongs to the handle
// that took it: two handles on one file exclude each other, also in one process.
package durable
