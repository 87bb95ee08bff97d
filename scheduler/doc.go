// Package scheduler decides what is to be run when, and sees to it that it is.
//
// A [Task] is something that is done again and again: a backup of a volume or of a
// set, or maintenance. What happens is told as a stream of [Event].
package scheduler
