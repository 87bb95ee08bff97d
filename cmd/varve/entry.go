package main

import (
	"encoding/json"
	"strings"
	"time"

	"varve/backup"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// entry is a revision as lists and results show it. Its fields are API.
type entry struct {
	Volume      revision.Name        `json:"volume"`
	ID          revision.ID          `json:"revision"`
	Sequence    uint64               `json:"sequence"`
	Kind        revision.Kind        `json:"kind"`
	Parent      *revision.ID         `json:"parent"`
	Begun       time.Time            `json:"begun"`
	Seconds     float64              `json:"seconds"`
	Size        uint64               `json:"size"`
	Read        uint64               `json:"read"`
	Holes       uint64               `json:"holes"`
	Changed     uint64               `json:"changed"`
	Chunks      uint64               `json:"changed_chunks"`
	NewChunks   uint64               `json:"new_chunks"`
	Patches     uint64               `json:"patches"`
	Stored      uint64               `json:"stored"`
	Found       uint64               `json:"found"`
	Source      string               `json:"source"`
	Consistency revision.Consistency `json:"consistency"`
	Why         string               `json:"consistency_reason"`
	Set         string               `json:"set"` // the id of the set that it is of; empty: of none
	noted
}

// MarshalJSON implements [json.Marshaler]. Without a statement, little is known.
func (e entry) MarshalJSON() ([]byte, error) {
	type whole entry // without this method
	e.Begun = e.Begun.UTC()
	if e.Kind != "" {
		return marshal(whole(e))
	}
	return marshal(struct {
		whole
		Sequence    *uint64  `json:"sequence"`
		Kind        *string  `json:"kind"`
		Seconds     *float64 `json:"seconds"`
		Size        *uint64  `json:"size"`
		Read        *uint64  `json:"read"`
		Holes       *uint64  `json:"holes"`
		Changed     *uint64  `json:"changed"`
		Chunks      *uint64  `json:"changed_chunks"`
		NewChunks   *uint64  `json:"new_chunks"`
		Patches     *uint64  `json:"patches"`
		Stored      *uint64  `json:"stored"`
		Found       *uint64  `json:"found"`
		Consistency *string  `json:"consistency"`
	}{whole: whole(e)})
}

// MarshalJSON implements [json.Marshaler]: the fields of the entry, and its own.
func (b *backed) MarshalJSON() ([]byte, error) {
	return marshalJoined(b.entry, struct {
		Usually  *uint64 `json:"usually_changed"`
		Findings any     `json:"findings"`
	}{b.Usually, b.Findings})
}

// noted is what may change about a revision. Its fields are API.
type noted struct {
	State  repository.State    `json:"state"`
	Reason string              `json:"reason"`
	Proven *time.Time          `json:"proven"`
	Lost   []repository.Extent `json:"lost"`
	Tags   []string            `json:"tags"`
	Note   string              `json:"note"`
	Pin    *pinned             `json:"pin"`
}

// pinned is a pin as it is told.
type pinned revision.Pin

// MarshalJSON implements [json.Marshaler]. Its fields are API.
func (p pinned) MarshalJSON() ([]byte, error) {
	return marshal(pinnedFields{known[time.Time]{p.Until.UTC()}, p.Reason})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *pinned) UnmarshalJSON(data []byte) error {
	var fields pinnedFields
	err := json.Unmarshal(data, &fields)
	p.Until, p.Reason = fields.Until.is, fields.Reason
	return err
}

// pinnedFields is a pin in JSON. Its fields are API.
type pinnedFields struct {
	Until  known[time.Time] `json:"until"` // null: for ever
	Reason string           `json:"reason"`
}

func newNoted(info repository.Info) noted {
	n := noted{State: info.State, Reason: info.Reason, Lost: info.Lost, Tags: info.Tags, Note: info.Note, Pin: (*pinned)(info.Pin)}
	if !info.Proven.IsZero() {
		n.Proven = &info.Proven
	}
	if n.Lost == nil {
		n.Lost = []repository.Extent{}
	}
	if n.Tags == nil {
		n.Tags = []string{}
	}
	return n
}

// newEntry describes a listed revision.
func newEntry(rev repository.Revision) entry {
	e := entry{Volume: rev.Volume.Name, ID: rev.ID, Begun: rev.ID.Begun(), noted: newNoted(rev.Info)}
	if rev.Statement != nil {
		e.fill(rev.Statement)
	}
	return e
}

func (e *entry) fill(st *revision.Statement) {
	e.Sequence, e.Kind, e.Begun, e.Size = st.Sequence, st.Kind, st.Begun, st.Size
	if st.Parent != nil {
		e.Parent = &st.Parent.ID
	}
	n := st.Statistics
	e.Seconds = n.Duration().Seconds()
	e.Read, e.Holes, e.Changed, e.Chunks = n.Read, n.Holes, n.Changed, n.ChangedChunks
	e.NewChunks, e.Patches, e.Stored, e.Found = n.NewChunks, n.Patches, n.Stored, n.Found
	e.Source, e.Consistency, e.Why, e.Set = st.Source.Path, st.Consistency, st.Reason, st.Set
}

// took is how long the backup took.
func (e *entry) took() time.Duration { return time.Duration(e.Seconds * float64(time.Second)) }

// state says how far the revision may be trusted; what is bad is in capitals.
func (e *entry) state(now time.Time) string {
	switch e.State {
	case repository.Damaged, repository.Suspect:
		return strings.ToUpper(string(e.State))
	case repository.Proven:
		if e.Proven != nil {
			return "proven " + formatAge(now.Sub(*e.Proven))
		}
	}
	return string(e.State)
}

// notes says what else there is to know; a pin that is over is none. The revision before it, if there is one,
// tells whether the volume was resized.
func (e *entry) notes(now time.Time, before *entry) string {
	var notes []string
	if lost := backup.Total(e.Lost); lost > 0 {
		notes = append(notes, human.Size(lost)+" lost")
	} else if e.State == repository.Damaged || e.State == repository.Suspect {
		notes = append(notes, e.Reason)
	}
	switch {
	case e.Consistency == revision.Still && e.Why != "":
		notes = append(notes, "on trust")
	case e.Consistency != revision.Still && e.Consistency != "":
		notes = append(notes, string(e.Consistency))
	}
	if e.Set != "" {
		notes = append(notes, "in a set")
	}
	if before != nil && before.Kind != "" && e.Kind != "" && before.Size != e.Size {
		if e.Size > before.Size {
			notes = append(notes, "grown +"+human.Size(int64(e.Size-before.Size)))
		} else {
			notes = append(notes, "shrunk -"+human.Size(int64(before.Size-e.Size)))
		}
	}
	if e.Pin != nil && (e.Pin.Until.IsZero() || e.Pin.Until.After(now)) {
		notes = append(notes, "pinned")
	}
	for _, tag := range e.Tags {
		notes = append(notes, "#"+tag)
	}
	if e.Note != "" {
		notes = append(notes, e.Note)
	}
	return strings.Join(notes, "; ")
}
