// Package volume says what a backup reads from and what a restore writes to.
//
// A [Source] is frozen into a [Snapshot], which is read through [io.ReaderAt] by many goroutines and says at the end
// how consistent the reading was. What only some kinds of volume can do are optional abilities that a Snapshot
// may have besides: [HoleFinder] and [Differ] tell where reading is worth while. They are useful and never trusted.
// [Independent] and [Witness] say how far it is one moment of its source. A [Keeper] is a source whose snapshots can
// be kept, for a later Differ to count from; a [Shaped] one says how it is made, so that another can be made like it.
//
// A [Target] receives a volume. It keeps its promise only in [Target.Commit]: before that nothing is durable, and a new
// file or image does not yet exist under its name. An [Undoable] one keeps what was there before it was written in place.
//
// Package filevolume implements these for raw files and block devices, rbdvolume for Ceph; volumetest holds the
// suites that each implementation passes. [ParseLocation] reads what a person types to name either, [DetectFormat]
// tells what is no raw disk, and [FindSignatures] what a disk belongs to.
package volume
