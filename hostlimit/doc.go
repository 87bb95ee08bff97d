// Package hostlimit keeps what all runs of one host share within bounds: how many
// volumes are read at once, how fast, how hard the disks may be pressed meanwhile,
// and how much room stays free.
//
// [Open] gives a [Host], [Host.Acquire] a [Slot], and [Slot.Read] is asked before
// each read of a source. Processes know of each other by files in one directory of
// this host's state, which they lock:
//
//	slots/gate     held for the moment in which slots are counted and given
//	slots/slot-N   held as long as the slot is; says by whom
//	slots/wait-N   held by who waits for a slot; the lowest number is next
//	slots/rate     when the next byte may be read, as nanoseconds since 1970
//
// A lock ends with its process, however that ended, so a dead one's slot is free at
// once. Nothing here needs to be durable, and nothing that a file says is believed:
// it is for people, or bounded.
// docs/decisions/0015-runs-share-a-host-through-files-that-they-lock.md says why.
//
// [FreeEnough] is pure. A Host and its Slots are safe for concurrent use.
package hostlimit
