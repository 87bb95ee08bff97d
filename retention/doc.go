// Package retention decides which revisions of a volume stay and which go. It is
// pure: revisions, [Rules] and a time in, a [Plan] out. Start with [Decide];
// [Plan.Weeks] lays a plan out as a calendar.
//
// A rule is about the newest revisions, or about the newest periods of the
// calendar that hold one: of each the newest stays. Which is newest is told by
// sequence numbers alone; the clock only says to which period a revision belongs.
// Rules are applied to all revisions and once more to the trusted ones alone, and
// what either keeps stays. The newest revision, the newest trusted one and those
// that are pinned stay whatever the rules say.
//
// No clock is believed alone: a wrong one, of a revision or of now, takes nothing
// away from the others. docs/retention.md says how, in histories that are a test
// of this package; docs/decisions/0020-a-wrong-clock-keeps-and-never-takes.md says why.
//
// A plan is final: of what it keeps, another plan for the same time keeps all.
// Everything here is a value, safe for concurrent use.
package retention
