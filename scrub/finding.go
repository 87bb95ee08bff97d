package scrub

import (
	"time"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// A Grade says how grave a finding is.
type Grade string

// The grades, the gravest first.
const (
	Damage  Grade = "damage"  // stored bytes are not what was written, or are gone
	Trouble Grade = "trouble" // stored bytes could not be read this time; nothing is condemned
	Note    Grade = "note"    // something is left over, or will be put in order by itself: no harm is done
)

// A Kind says what a finding is about.
type Kind string

// What can be found. What is about a file is named as the repository names its faults.
const (
	Frame      Kind = "frame"                          // an object in a pack is not what was written there; Objects has it
	Missing    Kind = "missing"                        // objects that maps name and no pack lists. Pack is where maps believe them, and may be gone
	Content    Kind = "content"                        // a patched chunk comes out as other content than its map says, though each object is whole
	Pack            = Kind(repository.FaultPack)       // a pack as a whole: its header, footer, length or table of contents. Objects has what only it had
	Map             = Kind(repository.FaultMap)        // a revision's file, or a link or region of its chain; Volume and Revision tell whose
	Copy            = Kind(repository.FaultCopy)       // the second copy of a revision's file
	Revision        = Kind(repository.FaultRevision)   // a revision that the journal knows, and of which neither file nor copy is there
	Info            = Kind(repository.FaultInfo)       // what was noted of a revision: tags, pin, state
	Volume          = Kind(repository.FaultVolume)     // a volume's own file, or its directory
	Set             = Kind(repository.FaultSet)        // a set's file, or the copy of it
	Descriptor      = Kind(repository.FaultDescriptor) // the repository's descriptor, or the copy of it
	Trash           = Kind(repository.FaultTrash)      // what belongs to a revision in the trash
	Journal         = Kind(repository.FaultJournal)    // lines of the journal
	Record          = Kind(repository.FaultRecord)     // a file of the machinery: of a run, a generation, a lease, a hurt copy, a proof
	Unneeded        = Kind(repository.FaultUnneeded)   // packs, copies and temporary files that nothing needs
)

// A Finding is one thing that is not as it should be. The zero value of what does not
// apply is its field's.
type Finding struct {
	Number int // in the report, from 1
	Grade  Grade
	Kind   Kind

	Path   string // of the file in the repository; empty: it is about no file
	Offset int64  // where in the file the hurt structure begins, in bytes
	Length int64  // of it, in bytes; 0: not known, or all of the file

	Pack     chunkstore.PackID
	Objects  []Object          // that are hurt or missing with it, and needed
	Volume   repository.Volume // of the file, where it is a volume's
	Revision revision.ID       // likewise

	Alone bool      // of a file: nothing else in the repository can stand in for it
	Cause string    // in words
	Twice bool      // it was read again, and came out the same
	Found time.Time // when it was found; before this scrub: it was known

	// Lost says what the finding takes away: nothing where another copy stands in. It is
	// by name of the volume, and oldest first.
	Lost []Loss

	known bool // a copy that was noted as hurt before this scrub
}

// An Object is a hurt or missing object.
type Object struct {
	ID     chunkstore.ID
	Kind   chunkstore.Kind
	Offset int64 // of its frame in the pack; 0: not known
	Stored int   // length of the frame
	// Elsewhere are other packs that list it, and in which it is not known to be hurt.
	Elsewhere []chunkstore.PackID
}

// A Loss is what a revision has lost. Extents ascend and do not touch; they are in whole
// chunks, but for the last one of an image.
type Loss struct {
	Volume   repository.Volume
	Revision revision.ID
	Sequence uint64    // 0: its statement cannot be read
	Begun    time.Time // of the revision
	Size     int64     // of the image, in bytes; 0: its statement cannot be read
	Whole    bool      // it cannot be opened: all of it is lost
	Extents  []repository.Extent
}

// Bytes is how much is lost. Of one that cannot be opened, it is the size of the image.
func (l *Loss) Bytes() (n int64) {
	if l.Whole {
		return l.Size
	}
	for _, e := range l.Extents {
		n += e.Length
	}
	return n
}
