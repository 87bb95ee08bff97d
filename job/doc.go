// Package job does what is to happen around a backup.
//
// A [Job] is one volume to back up, with what is configured of it. [Do] does one: it
// waits for a slot of the host, runs the hooks, opens the source, has [backup.Create]
// make the revision, and leaves word in the journal of what kept it from beginning.
// [Choose] makes an [Agenda] of those jobs that are to be done, and [DoAll] does them,
// as many at a time as the limits of the host say; those of a set are one piece of work, in
// one slot, which succeeds or fails as a whole. [Prune] takes away what the rules of a volume
// do not keep. A [Ledger] tells which of the snapshots that are kept of images are of use. A
// [Gravity] says how badly one ended, or several.
//
// The package knows neither words that somebody typed nor a screen: what is wanted
// stands in [Options], which also say how a source is opened, how it went in a
// [Result], and what somebody may want to know meanwhile is an [Event].
package job
