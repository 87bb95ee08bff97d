// Package hook runs the commands that a person wants run around a backup.
//
// A [Runner] has the [Hooks] of one volume. Before and After run theirs and that is
// all. Freeze and thaw belong together: what was frozen must be thawed, whatever
// becomes of this process. So [Runner.Freeze] starts a guardian, a process in a
// session of its own, which runs both commands: it thaws when it is told to, and
// when the pipe to its parent ends, because that died or was killed. Signals do not
// end it. Should the guardian be killed, its parent ends what is left of the freeze,
// and thaws. [Guard] is what the guardian runs; how it is started is in [Guardian].
// docs/decisions/0014-a-guardian-thaws-what-was-frozen.md says why.
//
// A freeze that failed, or took too long, is thawed too: nobody knows how far it
// got. So a thaw must be a command that may run when nothing is frozen.
//
// [Tell] runs a command that is to take a message, such as that something is wrong.
//
// Commands are given to /bin/sh -c, each in a process group of its own, with nothing
// to read but such a message, and its output kept for the log. One that takes too long is ended with all
// that is in its group: SIGTERM, and after a while SIGKILL.
package hook
