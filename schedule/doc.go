// Package schedule tells when a job is due. It is pure: times in, times out.
//
// A [Schedule] says how often, a [Window] when jobs may begin at all, and a
// [Plan] is both for one job in one time zone: start with [Plan.Next] and
// [Plan.Prev]. All are values, safe for concurrent use.
//
// A schedule is a set of readings of the clock on the wall of the plan's zone,
// and a job is due at the first moment at which the clock shows one, or is past
// it. So on the days when clocks are changed, a reading that is skipped is due at
// the first moment after the jump, and one that is shown twice is due once. Due
// times at which the window is closed do not count.
//
// docs/decisions/0011-due-times-are-readings-of-the-clock.md says why.
package schedule
