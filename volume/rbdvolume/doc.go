// Package rbdvolume implements sources and targets of package volume for Ceph RBD images. It is built with the tag ceph,
// where the headers of librbd are.
//
// A source is read through a snapshot of its own, whose name tells which repository, volume and revision it was
// taken for; no other snapshot is ever touched. A snapshot that is kept lets the next backup ask what changed since. It is
// asked with care: the image's fast-diff, which looks at its object maps alone, misses what an image gets by being
// rolled back to a snapshot that is older than the one that is counted from, unless that is the oldest of all. Where there is
// or was such a snapshot, and where an object map is not valid, each object is asked instead.
//
// Every operation of a cluster ends within the time limit of [Cluster], and what librbd makes of several within four times
// that: to open an image, to take a snapshot or remove it, to ask whether changes can be told, to write. What may be of any number
// of operations takes as long as it has to: to read a source, to ask what changed in a portion of an image, to list a pool, to remove an
// image that a dead run left. What is called off, or does not end, is left behind: the connection belongs to one source or target alone, so that
// nobody else waits for it, and it is closed when the last call has left it.
package rbdvolume
