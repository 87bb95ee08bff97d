package repository

import (
	"cmp"
	"slices"
	"time"

	"varve/revision"
)

// A State says how far a revision may be trusted; docs/guide.md has the table.
type State string

// The states of a listed revision.
const (
	Good    State = "good"
	Proven  State = "proven"
	Suspect State = "suspect"
	Damaged State = "damaged"
)

// Info is what may change about a revision.
type Info struct {
	Tags    []string      `json:"tags"`
	Note    string        `json:"note"`
	Pin     *revision.Pin `json:"pin"`
	State   State         `json:"state"`
	Reason  string        `json:"reason"`            // why it is suspect or damaged
	Proven  time.Time     `json:"proven"`            // when every byte was last read and found right; zero: never
	Lost    []Extent      `json:"lost"`              // of a damaged one, as far as they were found
	Suspect string        `json:"suspect,omitempty"` // of a damaged one, why it is suspect, too; empty: it is not
	Drill   *Drill        `json:"drill,omitempty"`   // the last that came to anything; nil: there was none
}

// IsSuspect tells whether the revision may not be what its source held, also of a damaged one.
func (i *Info) IsSuspect() bool { return i.State == Suspect || i.Suspect != "" }

// Damage notes which bytes are lost, and why. That the revision is suspect stays noted.
func (i *Info) Damage(reason string, lost []Extent) {
	if i.State == Suspect {
		i.Suspect = cmp.Or(i.Reason, "it was called suspect")
	}
	i.State, i.Reason, i.Lost = Damaged, reason, lost
}

// Distrust notes that the revision may not be what its source held, and why. One that is damaged,
// which is worse, stays that.
func (i *Info) Distrust(reason string) {
	if i.State == Damaged {
		i.Suspect = reason
		return
	}
	i.State, i.Reason = Suspect, reason
}

// Prove notes that every byte was read at that time, and found right, by who had seen that noted
// before the reading was begun. One that is suspect was stored well all along, and stays
// suspect: only its source can clear it, see [Info.Clear]. Damage that others found meanwhile
// stands, and says so.
func (i *Info) Prove(seen Info, at time.Time) (proven bool) {
	if i.State == Damaged && (seen.State != Damaged || !slices.Equal(i.Lost, seen.Lost)) {
		return false
	}
	i.Proven = at.UTC().Truncate(time.Second)
	switch {
	case i.State == Suspect:
		return true
	case i.Suspect != "":
		i.State, i.Reason = Suspect, i.Suspect
	default:
		i.State, i.Reason = Proven, ""
	}
	i.Suspect, i.Lost = "", nil
	return true
}

// Clear notes that the revision is what its source held.
func (i *Info) Clear() {
	switch i.State {
	case Suspect:
		i.State, i.Reason = Good, ""
		if !i.Proven.IsZero() {
			i.State = Proven
		}
	case Damaged:
		i.Suspect = ""
	}
}
