// Package backup moves volumes into a repository and out of it.
//
// [Create] makes a revision of a source, [CreateSet] one of each of several sources,
// all at once or none, [Restore] writes a revision to a target, [Stream] writes one to a
// pipe, [Verify] reads one back, against its source if wanted, and [Diff] tells where two
// differ. Each is one synchronous function: its goroutines have ended when it
// returns, but for a read of a source that does not answer; and a cancelled run is a
// failed run.
//
// Create does what docs/protocol.md lists under BACKUP, in seven steps: lock,
// freeze, plan, fill, barrier, commit, release. The invariant is that a visible
// revision names only durable objects; everything before the commit can fail, or
// lose power, and leaves the repository as it was. CreateSet does the same steps for each
// member: all locks, all snapshots, all reads, and one commit.
//
// The others walk an image region by region. Whatever they read is checked down to
// the content id of each chunk, and the digest of the image is computed again from
// what was read.
//
// Memory is bounded by workers and regions, never by the size of the volume.
package backup
