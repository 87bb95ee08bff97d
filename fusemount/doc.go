// Package fusemount shows the revisions of a repository as files, by FUSE.
//
// [Mount] gives a [Mounted], which serves until somebody unmounts it, or [Mounted.Close]
// does. Below the mount point each volume has a folder, with an image file for each of its
// revisions and a description beside it:
//
//	vms/vm-17/20261124T010003Z-k3f9.img    the image
//	vms/vm-17/20261124T010003Z-k3f9.json   what is known of it
//	vms/vm-17/latest.img                   a link to the newest, and one to the newest good one
//	vms/vm-17/by-tag/release.img           a link to the newest that has the tag
//
// What is listed is looked up again when it is older than a moment, so that what comes and
// goes in the repository comes and goes here. An open file stays what it is: its revision is
// held by a lease of the repository, which is renewed every few minutes, or kept where the
// revision is gone (docs/protocol.md, Lease).
//
// All that is read comes through [repository.Image], which checks it. Damage is an
// input/output error for the bytes that it costs, and for no others. Decoded pieces are kept
// in a cache of bounded size, which all images share, by what they hold: of a chunk that many
// revisions have, it has one. Who reads on and on is read ahead for, by workers.
//
// Nothing here writes to the repository, but the notes of damage that was met. With
// [Options.Writable], what is written lies in layers of their own, one for each image that
// was written to, in files without names that end with the mount.
//
// The process that serves may use what it serves, but is then the worse for being killed:
// what it waits for from itself, nobody answers any more. Others had better do it: [StartServer] starts a
// process that serves one image to this one.
//
// A Mounted is safe for concurrent use. Locks are held for moments, never while a pack is
// read. docs/decisions/0027-mounts-serve-whole-images.md has the reasons.
package fusemount
