package volume

import (
	"strings"
	"time"
)

// A Kept is a snapshot of an RBD image whose name says that this program took it.
type Kept struct {
	Image   Image  // without a snapshot
	Stable  string // of the image, as [Identity] has it
	Name    string
	Base    string // as [Differ] names it, when nothing else is to be said of it
	For     KeptFor
	Label   Label     // what it was taken for, as far as its name tells
	Size    int64     // of the volume, in bytes
	Created time.Time // zero: not known
}

// KeptFor says what a snapshot was taken for.
type KeptFor string

// What snapshots are taken for.
const (
	KeptForRevision KeptFor = "revision" // the next backup counts from it
	KeptForReading  KeptFor = "reading"  // it goes when it was read
	KeptForUndo     KeptFor = "undo"     // a restore in place can be undone by it
)

// IsNamed tells whether it is the one that a revision recorded.
func (k Kept) IsNamed(recorded string) bool {
	return recorded == k.Base || strings.HasPrefix(recorded, k.Base+" ")
}

// At is where the snapshot is.
func (k Kept) At() Image {
	at := k.Image
	at.Snapshot = k.Name
	return at
}
