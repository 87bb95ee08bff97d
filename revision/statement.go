package revision

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Kind tells a revision that stands by itself from one that builds on another.
type Kind string

// The kinds of revision.
const (
	Full  Kind = "full"
	Delta Kind = "delta"
)

// Consistency says how far the image is one moment of its source.
type Consistency string

// From the best to the worst.
const (
	Frozen      Consistency = "frozen"   // hooks held still what writes to the source
	Snapshotted Consistency = "snapshot" // the source made a snapshot
	Still       Consistency = "still"    // nothing wrote while it was read; with a reason, that was not seen
	Live        Consistency = "live"     // something may have written while it was read
)

// PlanKind says how the chunks to look at were chosen.
type PlanKind string

// The ways to choose.
const (
	PlanAll     PlanKind = "all"     // every chunk
	PlanData    PlanKind = "data"    // every chunk that is not a hole of the source
	PlanTracker PlanKind = "tracker" // what the source's change tracker named
)

// A Statement is all that a revision says about itself. It never changes; what
// may change about a revision (tags, pin, state) is kept beside it.
type Statement struct {
	ID         ID     `json:"id"`
	Volume     Volume `json:"volume"`
	Lineage    UUID   `json:"lineage"`
	Repository UUID   `json:"repository"`
	Sequence   uint64 `json:"sequence"` // orders the revisions of a volume; begins at 1

	Kind   Kind    `json:"kind"`
	Parent *Parent `json:"parent,omitempty"` // of a delta, and of a delta only

	Begun     time.Time `json:"begun"`
	Ended     time.Time `json:"ended"`
	Size      uint64    `json:"size"`       // of the image, in bytes; any number
	ChunkSize uint64    `json:"chunk_size"` // in bytes

	Consistency Consistency `json:"consistency"`
	Reason      string      `json:"consistency_reason,omitempty"`
	Plan        Plan        `json:"plan"`
	Source      Source      `json:"source"`

	Set  string   `json:"set,omitempty"` // the set it belongs to, if any
	Tags []string `json:"tags,omitempty"`
	Note string   `json:"note,omitempty"`
	Pin  *Pin     `json:"pin,omitempty"`

	Statistics Statistics `json:"statistics"`
	Features   []string   `json:"features,omitempty"` // ascending; a reader that knows one not, stops

	Digest Digest `json:"digest"` // see ImageDigest
	Nonce  Nonce  `json:"nonce"`
}

// Volume is the volume as it was when the revision was made. The name may have
// changed since; the uuid never does.
type Volume struct {
	UUID UUID `json:"uuid"`
	Name Name `json:"name"`
}

// Parent is the revision that a delta builds on.
type Parent struct {
	ID     ID     `json:"id"`
	Digest Digest `json:"digest"`
}

// A Plan says which chunks were looked at.
type Plan struct {
	Kind  PlanKind `json:"kind"`
	Since string   `json:"since,omitempty"` // the snapshot that the tracker counted from
	Slice *Slice   `json:"slice,omitempty"` // what was compared although the plan did not ask for it
	// Distrust is how many backups that read everything are to follow, because a tracker lied.
	Distrust uint64 `json:"distrust,omitempty"`
}

// A Slice is a range of chunks.
type Slice struct {
	First uint64 `json:"first"`
	Count uint64 `json:"count"`
}

// Source identifies what was read, in words of the source's own. Bytes that are
// not UTF-8 are stored as U+FFFD.
type Source struct {
	Kind     string `json:"kind"`
	Path     string `json:"path"`               // as given
	Identity string `json:"identity,omitempty"` // what stays when the path changes
	Text     string `json:"text,omitempty"`     // for people
	Snapshot string `json:"snapshot,omitempty"` // kept at the source for the next backup to count from
	// Layout is how the source is made, in words of its kind's own.
	Layout map[string]string `json:"layout,omitempty"`
}

// A Pin protects a revision from deletion.
type Pin struct {
	Until  time.Time `json:"until,omitzero"` // zero: for ever
	Reason string    `json:"reason,omitempty"`
}

// Holds tells whether the pin protects at that moment. No pin protects nothing.
func (p *Pin) Holds(now time.Time) bool {
	return p != nil && (p.Until.IsZero() || p.Until.After(now))
}

// Statistics says what the backup did. A revision written by a merge keeps those
// of the backup it came from.
type Statistics struct {
	Read          uint64 `json:"read"`           // bytes read from the source
	Holes         uint64 `json:"holes"`          // bytes not read because the source called them holes, or unchanged
	Changed       uint64 `json:"changed"`        // bytes that differ from the parent
	ChangedChunks uint64 `json:"changed_chunks"` // chunks that differ from the parent
	NewChunks     uint64 `json:"new_chunks"`     // of these, stored whole
	Patches       uint64 `json:"patches"`        // of these, stored as a patch
	ZeroChunks    uint64 `json:"zero_chunks"`    // of these, now zeros
	Stored        uint64 `json:"stored"`         // bytes added to packs
	Found         uint64 `json:"found"`          // bytes that were in the repository already
	Milliseconds  uint64 `json:"milliseconds"`   // how long it took, by a clock that is never set
}

// Chunks counts the chunks of the image.
func (s *Statement) Chunks() uint64 { return chunkCount(s.ChunkSize, s.Size) }

// Duration is how long the backup took.
func (s *Statistics) Duration() time.Duration {
	return time.Duration(s.Milliseconds) * time.Millisecond
}

func chunkCount(chunkSize, size uint64) uint64 {
	if size == 0 {
		return 0
	}
	return (size-1)/chunkSize + 1
}

// Encode checks the statement and gives its canonical bytes: one line of JSON,
// the fields in the order of the type, times in UTC.
func (s *Statement) Encode() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s.encode()
}

// Recorded is text of a source as a statement keeps it: what is no UTF-8 is replaced.
func Recorded(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func (s *Statement) encode() ([]byte, error) {
	c := *s
	c.Begun, c.Ended = c.Begun.UTC(), c.Ended.UTC()
	if c.Pin != nil {
		pin := *c.Pin
		pin.Until = pin.Until.UTC()
		c.Pin = &pin
	}
	for _, text := range []*string{
		&c.Source.Kind, &c.Source.Path, &c.Source.Identity, &c.Source.Text, &c.Source.Snapshot,
	} {
		*text = Recorded(*text)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&c); err != nil {
		return nil, fmt.Errorf("encode statement of revision %s: %w", s.ID, err)
	}
	return out.Bytes(), nil
}

// DecodeStatement reads what [Statement.Encode] wrote, and nothing else: a field
// that is unknown, repeated or written another way is refused. Features are looked
// at first, so that a statement of the future is an [*UnsupportedError].
func DecodeStatement(data []byte) (*Statement, error) {
	var s Statement
	if err := json.Unmarshal(data, &s); err != nil {
		if feature := unknownFeature(data); feature != nil {
			return nil, feature
		}
		return nil, fmt.Errorf("decode statement: %w", err)
	}
	if err := s.checkFeatures(); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	again, err := s.encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("statement of revision %s is not in canonical form", s.ID)
	}
	return &s, nil
}

// unknownFeature looks for the reason why a statement does not fit the type.
func unknownFeature(data []byte) error {
	var only struct {
		Features []string `json:"features"`
	}
	if json.Unmarshal(data, &only) != nil {
		return nil
	}
	return (&Statement{Features: only.Features}).checkFeatures()
}

// checkFeatures refuses every feature: this version knows none.
func (s *Statement) checkFeatures() error {
	if len(s.Features) > 0 {
		return &UnsupportedError{What: "feature", Found: strings.Join(s.Features, ", "), Known: "no features"}
	}
	return nil
}
