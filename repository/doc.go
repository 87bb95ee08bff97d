// Package repository keeps revisions of volumes in a directory that many
// processes use at once, and that loses nothing when one of them, or the power,
// stops at any moment.
//
// [Init] makes a repository and [Open] opens one. [Repository.NewReader] reads:
// it lists revisions and opens an [Image] of one, an [io.ReaderAt] over a volume
// as it was. [Repository.BeginBackup] writes: a [Backup] holds the volume's lock,
// a lease and a run record, hands out a writer of chunks and a writer of the map,
// and ends in [Backup.Commit], the one step that makes the revision visible. Of a set of
// volumes, each Backup ends in [Backup.Prepare], which makes durable what is to be, and
// [Repository.CommitSet] makes the revisions of all visible at once.
//
// The invariant behind every order of steps here: a visible revision names only
// durable objects. docs/protocol.md gives the steps, their reasons and the names
// used in comments (gate, lease, generation, barrier, ★).
//
// [Repository.Remove] takes revisions into the trash, having folded them into those that
// build on them and stay, and [Repository.Undelete] brings them back; [Repository.Flatten]
// makes fulls of deltas. [Repository.CollectGarbage] takes away what nothing names any more.
//
// Lock order: volume lock, then gc lock, then gate. Who takes the locks of several volumes
// takes them by the volumes' names. Nobody waits for a volume lock while holding either of
// the others, and no transaction of the catalog is open while
// the gate is awaited or held.
//
// A Repository and a Reader are safe for concurrent use; a Backup's writers say
// for themselves what they allow.
package repository
