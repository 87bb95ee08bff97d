package volume

import (
	"strings"
	"time"
)

// A KeptSnapshot is a snapshot of an RBD image whose name says that this program took it.
type KeptSnapshot struct {
	Image   Image  // without a snapshot
	Stable  string // of the image, as [Identity] has it
	Name    string
	Base    string // as [Differ] names it, when nothing else is to be said of it
	For     Purpose
	Label   Label     // what it was taken for, as far as its name tells
	Size    int64     // of the volume, in bytes
	Created time.Time // zero: not known
}

// Purpose says what a snapshot was taken for.
type Purpose string

// What snapshots are taken for.
const (
	ForRevision Purpose = "revision" // the next backup counts from it
	ForReading  Purpose = "reading"  // it goes when it was read
	ForUndo     Purpose = "undo"     // a restore in place can be undone by it
)

// IsNamed tells whether it is the one that a revision recorded.
func (k KeptSnapshot) IsNamed(recorded string) bool {
	return recorded == k.Base || strings.HasPrefix(recorded, k.Base+" ")
}

// At is where the snapshot is.
func (k KeptSnapshot) At() Image {
	at := k.Image
	at.Snapshot = k.Name
	return at
}
