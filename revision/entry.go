package revision

import (
	"errors"
	"fmt"

	"varve/chunkstore"
)

// MaxPatches bounds a stack. Writers keep theirs far shorter.
const MaxPatches = 255

// BaseKind says what lies at the bottom of a chunk's stack.
type BaseKind uint8

// These values are on disk.
const (
	BaseZeros   BaseKind = 0 // the zero chunk
	BaseParent  BaseKind = 1 // all that the parent's entry says; where it has none, the zero chunk
	BaseContent BaseKind = 2 // the object named by the content id
	BaseObject  BaseKind = 3 // another object
)

// An Entry is one chunk that is not zeros, as a map says it.
type Entry struct {
	Index       uint64
	Fingerprint chunkstore.Fingerprint // of the chunk's bytes
	Content     chunkstore.ID          // of the chunk's bytes
	Base        BaseKind
	BaseRef     chunkstore.Ref   // of BaseContent and BaseObject; for BaseContent its ID is Content
	Patches     []chunkstore.Ref // above the base, oldest first
}

// refs gives the objects that the entry names, the base first.
func (e *Entry) refs() []chunkstore.Ref {
	if e.Base == BaseContent || e.Base == BaseObject {
		return append([]chunkstore.Ref{e.BaseRef}, e.Patches...)
	}
	return e.Patches
}

// A ZeroRun is a range of chunks that are zeros, whatever the parent says.
type ZeroRun struct {
	First, Count uint64
}

// End is the first chunk after the run.
func (z ZeroRun) End() uint64 { return z.First + z.Count }

// A Record is what a map lists: a run of zeros if Zeros is not nil, else an entry.
type Record struct {
	Zeros *ZeroRun
	Entry Entry
}

// Span gives the chunks that the record speaks of, end not included.
func (r Record) Span() (first, end uint64) {
	if r.Zeros != nil {
		return r.Zeros.First, r.Zeros.End()
	}
	return r.Entry.Index, r.Entry.Index + 1
}

// A Chunk is resolved: nothing is left to a parent.
type Chunk struct {
	Index       uint64
	Fingerprint chunkstore.Fingerprint
	Content     chunkstore.ID
	Stack       chunkstore.Stack
}

// Entry says of the chunk what a full says.
func (c Chunk) Entry() Entry {
	e := Entry{
		Index: c.Index, Fingerprint: c.Fingerprint, Content: c.Content,
		Base: BaseObject, BaseRef: c.Stack.Base, Patches: c.Stack.Patches,
	}
	switch c.Stack.Base.ID {
	case chunkstore.ID{}:
		e.Base, e.BaseRef = BaseZeros, chunkstore.Ref{}
	case c.Content:
		e.Base = BaseContent
	}
	return e
}

// validate refuses an entry that says nothing, contradicts itself, or could have
// been said in another way: one stack has one encoding.
func (e *Entry) validate() error {
	switch {
	case e.Index >= maxChunks:
		return fmt.Errorf("chunk index %d is beyond every image", e.Index)
	case e.Fingerprint.IsZero() || e.Content.IsZero():
		return errors.New("an entry with the fingerprint or the content id of the zero chunk")
	case len(e.Patches) > MaxPatches:
		return fmt.Errorf("%d patches, at most %d are possible", len(e.Patches), MaxPatches)
	case e.Base != BaseContent && len(e.Patches) == 0:
		return errors.New("an entry without patches whose base is not its content")
	}
	switch e.Base {
	case BaseZeros, BaseParent:
		if e.BaseRef != (chunkstore.Ref{}) {
			return errors.New("a reference to a base that is not an object")
		}
	case BaseContent:
		if e.BaseRef.ID != e.Content {
			return errors.New("a base that should be the content and is another object")
		}
	case BaseObject:
		if e.BaseRef.ID == e.Content || e.BaseRef.ID.IsZero() {
			return errors.New("a base that should be another object and is the content or nothing")
		}
	default:
		return fmt.Errorf("unknown kind of base %d", e.Base)
	}
	for _, patch := range e.Patches {
		if patch.ID.IsZero() {
			return errors.New("a patch without an id")
		}
	}
	return nil
}
