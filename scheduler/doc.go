// Package scheduler decides what is to be run when, and sees to it that it is.
//
// A [Task] is something that is done again and again: a backup of a volume or of a
// set, or maintenance. [Decide] is pure: from the tasks, what is known of each (its
// [Record]), what runs and the time, it says what is to be started. A [Scheduler] has
// the world looked at ([World]), decides, gives what is to be started to its [Runner],
// and learns how it ended. What happens is told as a stream of [Event]. Time is the
// clock's: tests let years of it pass in a bubble of testing/synctest.
//
// What there is of a scheduler lies in its directory ([Dir]), in the state of this host:
//
//	lock        held as long as it runs: there is one for a repository on a host
//	state.json  what it knows, with a checksum; what is lost of it is learnt again
//	            from the repository
//	control     a socket: one line of JSON is asked ([Request]), one answered ([Answer])
//
// [Ask] asks, and [ReadLeft] reads what is there when nobody answers. Runs are processes
// ([Child]) that end with the scheduler. One that does not (nothing can end a process that
// waits for a dead disk) still has the lock of its volume, and is seen by its lease: so
// nothing is backed up twice at a time, and what did not end is due again.
//
// One goroutine owns all of a Scheduler while Run runs; Do and Listen may be used beside it.
package scheduler
