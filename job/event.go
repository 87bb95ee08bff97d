package job

import (
	"varve/hostlimit"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// An Event is something that whoever watches may want to know at once.
type Event struct {
	Kind   EventKind
	Volume revision.Name // empty: it is about several

	Running repository.Running  // of Passed
	Holders []hostlimit.Holder  // of Waiting: who has the slots
	Source  volume.Identity     // of Opened
	Newest  *revision.Statement // of Opened: what there is of the volume; nil: nothing
	Result  *Result             // of Ended
	Err     error               // of Trouble
}

// EventKind says what happened.
type EventKind string

// What can happen.
const (
	Retired EventKind = "retired" // a volume is passed over, for it was retired
	Passed  EventKind = "passed"  // likewise, for somebody backs it up at the moment
	Waiting EventKind = "waiting" // for a slot of the host
	Opened  EventKind = "opened"  // the source, from which reading is about to begin
	Ended   EventKind = "ended"   // one of several jobs
	Trouble EventKind = "trouble" // that is worth a warning, and changes nothing
)
