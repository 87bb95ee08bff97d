// Package interleave holds tests, and nothing else: several processes at work on one
// repository, whose calls are put into one order after the other.
//
// Each process is an actor: a [repository.Repository] of its own, with a clock and a
// catalog of its own, on a view of one disk in memory. One actor runs at a time. Before
// each of its calls it may have to let another go on; a plan says when, and who. Plans
// are random walks, priorities that change at a few random moments (Burckhardt, Kothari,
// Musuvathi and Nagarakatte, ASPLOS 2010), and all with at most one or two interruptions
// (Musuvathi and Qadeer, PLDI 2007). An actor may be killed before any call, and the
// power cut.
//
// Nothing depends on time: all runs in a bubble of testing/synctest, where who waits for
// a lock is woken when it is free, and randomness is that of the schedule's number. The
// same number gives the same calls in the same order.
package interleave
