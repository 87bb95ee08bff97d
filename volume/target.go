package volume

import (
	"context"
	"io"
)

// A Target receives one volume. Many goroutines may write and read it at once where their ranges do not overlap;
// Commit and Close come after them.
type Target interface {
	// WriterAt writes within Size, and fails with [*WriteError].
	io.WriterAt
	// ReaderAt reads what the target holds now: what was written, or what a restore in place finds.
	io.ReaderAt
	// Size is the length of the volume that is being written.
	Size() int64
	// Fresh reports that nothing is in the target yet: what is never written reads as zeros.
	Fresh() bool
	// Zero makes n bytes from off read as zeros: a hole in a file, real zeros on a device.
	Zero(off, n int64) error
	// Commit makes the target durable and, where it is new, visible under its name. Only after it returned nil
	// has the target been written. It may be called once.
	Commit(ctx context.Context) error
	// Close releases the target. Without a Commit that succeeded it gives up: a new file is removed,
	// what was written in place stays as it is.
	Close() error
}

// A Larger is a Target that can be larger than the volume it receives.
type Larger interface {
	// Surplus is the number of bytes beyond Size, which stay untouched.
	Surplus() int64
}

// An Undoable is a Target that keeps what it was before it was written in place.
type Undoable interface {
	// Undo names the snapshot that does; empty: there is none.
	Undo() string
}
