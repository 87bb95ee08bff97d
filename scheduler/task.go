package scheduler

import (
	"time"

	"varve/revision"
	"varve/schedule"
)

// A Kind is what a task does. The values are API.
type Kind string

// The kinds of task. All but the first two are maintenance.
const (
	Backup Kind = "backup" // of one volume
	Set    Kind = "set"    // of volumes that are backed up together
	Prune  Kind = "prune"
	GC     Kind = "gc"
)

// IsBackup tells whether such a task backs volumes up.
func (k Kind) IsBackup() bool { return k == Backup || k == Set }

// A Key names a task.
type Key struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"` // of the volume or the set; empty: there is one of the kind
}

// String is the key as people read it, and as it stands in the state.
func (k Key) String() string {
	switch {
	case k.Kind == Backup:
		return k.Name
	case k.Name == "":
		return string(k.Kind)
	}
	return string(k.Kind) + " " + k.Name
}

// A Task is something that is to be done again and again.
type Task struct {
	Key
	Plan     schedule.Plan // when it is due
	Priority int           // larger ones go first
	Overdue  float64       // how many gaps between due times it may be since it went well; zero: any number
	Volumes  []revision.Name
	Words    []string // the command that does it, without the program's name
}

// A Result is how a run ended. The zero value is one that did well and said nothing.
type Result struct {
	Begun, Ended time.Time
	Outcome      Outcome
	Exit         int         // code of its process; -1: a signal ended it
	Error        string      // why it did not do well; empty: it did
	Hint         string      // what helps; empty: nothing is known
	Warnings     []string    // of one that did well, too
	Revision     revision.ID // of a volume's backup that made one
	Read, Stored int64       // bytes, of a backup
}

// An Outcome is how well a run did. The values are API.
type Outcome string

// The outcomes.
const (
	OK        Outcome = "ok"
	Findings  Outcome = "findings"  // it was done, and something is wrong with stored data or a source
	Failure   Outcome = "failed"    // it was not done
	Busy      Outcome = "busy"      // somebody else is at it; nothing was done
	Interrupt Outcome = "cancelled" // it was called off, or the scheduler ended
)

// Done tells whether what was to be done is done.
func (o Outcome) Done() bool { return o == OK || o == Findings }
