// Package chunkstore keeps immutable, compressed, content-addressed objects in
// packs: whole chunks, and patches that turn one content of a chunk into the next.
//
// [Open] gives a [Store]. [Store.NewWriter] adds objects: after [Writer.Barrier]
// returns nil, every object put or found through it survives a power failure.
// [Store.Reader] gives chunks back by their [Stack] and verifies all that it
// reads. Three things can go wrong, and are kept apart: stored bytes are damaged
// ([*CorruptError]), nothing has the wanted name ([ErrNotFound]), or the system
// could not read or write (its own error, wrapped).
//
// # What is believed
//
// Sealed packs are the truth: each ends in a table of contents under a checksum.
// The [catalog] is a guess of this host about which pack holds which object. It
// proposes, and a pack's own table decides; so it may be absent, stale, damaged or
// another repository's, and costs no more than time and space.
//
// # Life of an object
//
// A Writer names an object (the caller has the content id, a patch is named here),
// looks for a copy it may rely on, encodes what is new into a frame, decodes that
// again and compares, and appends it to the pack being filled. A full pack is
// sealed in the background: table of contents, footer, fsync, rename. Barrier seals
// what is open and syncs the directory of every pack relied on. A failed write or
// sync fails the Writer for good; nothing is tried twice.
//
// A Store, its Readers and its Writers are safe for concurrent use by many
// goroutines, and a repository by many processes. Memory is bounded by goroutines,
// packs being filled and a few caches, never by the size of a volume.
//
// The package knows nothing of volumes, revisions or leases, and removes no sealed
// pack but a Writer's own, of a run that failed. docs/format.md is the normative description
// of the files.
package chunkstore
