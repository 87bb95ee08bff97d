package scheduler

import (
	"strings"
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
	Scrub  Kind = "scrub"
	Drill  Kind = "drill"
)

// IsBackup tells whether such a task backs volumes up.
func (k Kind) IsBackup() bool { return k == Backup || k == Set }

// A Key names a task.
type Key struct {
	Kind Kind
	Name string // of the volume or the set; empty: there is one of the kind
}

// String is the key as people read it.
func (k Key) String() string {
	switch {
	case k.Kind == Backup:
		return k.Name
	case k.Name == "":
		return string(k.Kind)
	}
	return string(k.Kind) + " " + k.Name
}

// MarshalText is the key as it stands in files and answers.
func (k Key) MarshalText() ([]byte, error) { return []byte(string(k.Kind) + ":" + k.Name), nil }

// UnmarshalText reads what [Key.MarshalText] gives.
func (k *Key) UnmarshalText(text []byte) error {
	kind, name, _ := strings.Cut(string(text), ":")
	*k = Key{Kind(kind), name}
	return nil
}

// A Task is something that is to be done again and again.
type Task struct {
	Key
	Plans    []schedule.Plan // when it is due: whenever one of them says so
	Priority int             // larger ones go first
	Overdue  float64         // of a backup: how many gaps between due times the newest good revision may be old
	Volumes  []revision.Name // of a backup, those that it is of; of maintenance, those that it may be about
	Words    []string        // the command that does it, without the program's name
	About    About
}

// About says which of its volumes a run of maintenance is about: their names stand behind its words.
type About struct {
	Changed bool // those that were backed up since; it is due when there are any
	Most    int  // at most so many in a run; those whose turn was longest ago. 0: all, and none is named
}

// isEmpty tells whether there is no volume that a run could be about. None is named then,
// which a command would take for all of them.
func (t *Task) isEmpty() bool { return t.About.Most > 0 && !t.About.Changed && len(t.Volumes) == 0 }

// A Result is how a run ended. The zero value is one that did well and said nothing.
type Result struct {
	Begun, Ended time.Time
	Outcome      Outcome
	Exit         int         // code of its process; -1: a signal ended it, or it was never begun
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
	Interrupt Outcome = "cancelled" // it was called off
	Cut       Outcome = "cut"       // it was called off because the scheduler ends: it is due still
)

// Done tells whether what was to be done is done.
func (o Outcome) Done() bool { return o == OK || o == Findings }
