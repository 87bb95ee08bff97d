package backup

import "sync/atomic"

// Meter counts what a running operation has done, in bytes. Hand one in through
// the options and read it at any time, from any goroutine. The zero value is ready.
type Meter struct {
	Total   atomic.Int64 // of the volume; 0 until it is known
	Done    atomic.Int64 // of Total: read, or passed over because nothing is there
	Read    atomic.Int64 // from the source or the repository's chunks
	Changed atomic.Int64 // found to differ
	Stored  atomic.Int64 // added to packs
}

// orNew is the meter, or one that nobody reads.
func orNew(m *Meter) *Meter {
	if m == nil {
		return new(Meter)
	}
	return m
}
