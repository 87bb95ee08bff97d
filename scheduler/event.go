package scheduler

import (
	"time"

	"varve/revision"
)

// An Event is one thing that happened, for those who want to hear of it.
type Event struct {
	Kind EventKind
	Time time.Time
	Task Key // what it is about; zero: the scheduler itself

	// Volumes are those that the task is of, for that which is about backups.
	Volumes []revision.Name
	// Result is how a run ended; nil: none did.
	Result *Result
	// Attempts is how many tries failed since the last one that did not, this one included.
	Attempts int
	// Good is when the last run was begun that went well; zero: none is known.
	Good time.Time
	// Text says in a line what happened; of what went wrong, why.
	Text string
}

// An EventKind says what happened. The values are API.
type EventKind string

// The kinds of event.
const (
	Started  EventKind = "started"  // the scheduler runs
	Stopping EventKind = "stopping" // it ends, in order
	Died     EventKind = "died"     // the one before it was killed, or lost power

	Began     EventKind = "began"     // a run did
	Succeeded EventKind = "succeeded" // it went well, perhaps with warnings
	Found     EventKind = "found"     // it did what it was to do, and found something wrong
	Failed    EventKind = "failed"    // it did not do what it was to do
	Recovered EventKind = "recovered" // it went well again, after it had failed or was overdue; comes after Succeeded or Found
	Cancelled EventKind = "cancelled" // somebody called it off

	Overdue      EventKind = "overdue"       // the last good revision is older than was promised; told once, until it recovers
	ConfigBroken EventKind = "config-broken" // what the configuration says now is not used, for it is wrong
	ConfigMended EventKind = "config-mended" // it is used again
)
