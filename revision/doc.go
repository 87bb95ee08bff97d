// Package revision knows what one revision of a volume says: which object
// holds each chunk, what the statement records of the backup, and how a chain
// of revisions is laid over one another. It is pure: it reads an [io.ReaderAt],
// writes an [io.Writer], and opens no file.
//
// [NewWriter] streams a revision file in one pass, [Open] gives a [Map] that
// reads one from its end. [Resolve] overlays one region of a chain and checks
// the outcome against the hash recorded in the newest: a swapped, misplaced or
// wrongly overlaid entry is an error, never wrong bytes. [Fold] overlays without
// resolving, which is how a revision is merged into its child. [Statement] is
// everything a revision says about itself; [Selector] is how a person names one.
//
// Concurrency: a Map is safe for many goroutines; a Writer belongs to one.
//
// Invariants: a map's records ascend and never overlap; a full holds no run of
// zeros and leaves nothing to a parent; the image digest depends on the bytes and
// the size of the image alone, so that merging and rewriting never change it.
//
// Damage is a [*CorruptError] or a [*ChainError], a format of the future an
// [*UnsupportedError]; trouble with reading is passed on as the reader said it.
// Stored bytes are treated as hostile: every length, offset and count is bounded
// before memory is taken for it.
//
// docs/format.md is the normative description of the bytes.
package revision
