package volume

import (
	"context"
	"io"
	"iter"
)

// A Source is a volume that can be backed up. It holds nothing open: there is nothing to close.
type Source interface {
	// Snapshot freezes the volume, as well as its kind can. The caller closes what it gets.
	Snapshot(ctx context.Context) (Snapshot, error)
	// Describe says what the volume is at this moment.
	Describe() Identity
}

// A Snapshot is a frozen volume, or at least one of fixed size. Many goroutines may read it at once.
type Snapshot interface {
	// ReaderAt reads as the io package says, within Size: it fails with [*ReadError], and a source
	// that has become shorter is such an error too (wrapping [ErrChanged]), never an early io.EOF.
	io.ReaderAt
	// Closer gives the snapshot up.
	io.Closer
	// Size is the volume's length in bytes when it was frozen. It can be any number, zero included.
	Size() int64
	// Consistency says what the reading saw, and why: for Live always, for Still where that was not seen but is
	// somebody's word. Ask after the last read and before Close.
	Consistency() (c Consistency, reason string, err error)
}

// A HoleFinder is a Snapshot that knows where it may hold data.
type HoleFinder interface {
	// Data yields the extents that may hold data, ascending, not touching each other and cut to within.
	// Everything else there reads as zeros, says the source. An error ends the sequence.
	Data(ctx context.Context, within Extent) iter.Seq2[Extent, error]
}

// A Differ is a Snapshot that knows what changed since an older one of the same source. Without it the whole volume is
// compared.
type Differ interface {
	// Base is the name to ask for when this snapshot is the older one; empty: it cannot be kept.
	Base() string
	// Keep lets the snapshot outlive Close.
	Keep()
	// Since makes sure that the snapshot of that name is there, and that what it is asked to tell is true of all that can
	// have happened since; if not, it fails with a [*NoBaseError].
	Since(ctx context.Context, base string) (Changes, error)
}

// Changes tells what differs between two snapshots. It is useful until the newer one is closed.
type Changes interface {
	// Changed yields the extents within that may differ, ascending, not touching each other and cut to within. An error
	// ends the sequence.
	Changed(ctx context.Context, within Extent) iter.Seq2[Extent, error]
}

// Precise are Changes that can be told block by block, where what else is told is coarser than that.
type Precise interface {
	Changes
	// Blocks yields, as Changed does and within what that yields, the blocks of 4 KiB that may differ, as far as the source
	// tells them apart. It may take long and yield much: it is meant for a part of the volume in which something changed.
	Blocks(ctx context.Context, within Extent) iter.Seq2[Extent, error]
}

// A Keeper is a Source whose snapshots can be kept. They bear a label, and no Keeper touches a snapshot of another.
type Keeper interface {
	Source
	// SnapshotFor is Snapshot with a label. There must be none that has it. One that is for no revision cannot be kept, and is
	// none of those that Tidy removes.
	SnapshotFor(ctx context.Context, label Label) (Snapshot, error)
	// Tidy removes the snapshots of the label's repository and volume, whatever their revision, but those that are named
	// as [Differ] names them. It returns which went, in words of the source's own. It has a time limit of its own, so that
	// it can be asked when nobody waits for it.
	Tidy(ctx context.Context, label Label, but ...string) (removed []string, err error)
}

// A Shaped source can say how it is made, so that another can be made like it.
type Shaped interface {
	// Layout says it in words of the source's own.
	Layout() Layout
}

// A Layout is how a volume is made where it is kept: names and values that only its kind of source understands.
type Layout map[string]string

// A Label says what a snapshot was taken for.
type Label struct {
	Repository string // its id
	Volume     string // its uuid
	Revision   string // its id; empty: it is read for another reason than to make one
}

// An Independent is a Snapshot that stays as it is whatever becomes of its source. One that is not may show what is
// written to the source while it is read.
type Independent interface {
	Independent() bool
}

// A Witness is a Snapshot that can tell what was written to its source from what could have been: its Consistency is
// Live for either.
type Witness interface {
	// Changed says what was seen to change since the snapshot was taken; empty: nothing. Ask as for Consistency.
	Changed() (what string, err error)
}

// An Extent is a range of bytes of a volume.
type Extent struct {
	Offset, Length int64
}

// End is the offset just after the extent.
func (e Extent) End() int64 { return e.Offset + e.Length }

// Consistency says how a volume was read. The values are recorded in revisions.
type Consistency string

// The ways a volume can have been read, best first.
const (
	Frozen      Consistency = "frozen"   // hooks held still what writes to it
	Snapshotted Consistency = "snapshot" // the storage froze it: as after a power cut, and usable
	Still       Consistency = "still"    // nothing wrote to it while it was read, or so somebody says
	Live        Consistency = "live"     // something did, or could have
)

// An Identity tells one source from another. It is recorded with each revision; two that are equal (==)
// name the same source, two that are not may do so all the same.
type Identity struct {
	Kind   string // "file", "device" or "rbd"
	Path   string // as given, without its scheme
	Stable string // what outlives renaming and reboots: a serial number, an inode; empty where nothing is known
}

// String names the source to people.
func (i Identity) String() string { return i.Path }
