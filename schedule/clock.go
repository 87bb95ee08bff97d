package schedule

import "time"

// A reading is what the clock on a wall shows: minutes since it showed 1970-01-01 00:00.
type reading int64

const (
	minutesOfDay = 24 * 60
	// reach is more than any zone was ever ahead of or behind UTC, and than any clock
	// was ever changed by. No clock is changed twice within it.
	reach = 26 * 60 * 60
)

// epoch is a Monday, 2001-01-01 00:00: what "every" counts from.
const epoch reading = 978307200 / 60

// split gives the day, counted from 1970-01-01, and the minute of that day.
func (r reading) split() (day int64, minute int) {
	day = floorDiv(int64(r), minutesOfDay)
	return day, int(int64(r) - day*minutesOfDay)
}

func join(day int64, minute int) reading { return reading(day*minutesOfDay + int64(minute)) }

// reached is the latest reading that the clock has shown at t or before.
func reached(t time.Time, zone *time.Location) reading {
	now := t.Unix()
	latest := floorDiv(now+offset(now, zone), 60)
	if change, found := changed(now-reach, now, zone); found {
		latest = max(latest, floorDiv(change+offset(change-1, zone)-1, 60))
	}
	return reading(latest)
}

// moment is the first one at which the clock shows r, or something later: r <= reached(t)
// if and only if moment(r) <= t.
func moment(r reading, zone *time.Location) time.Time {
	wall := int64(r) * 60
	unix := wall - offset(wall-reach, zone)
	if change, found := changed(wall-reach, wall+reach, zone); found && unix >= change {
		unix = max(change, wall-offset(change, zone)) // the change, if the clock jumped over r
	}
	return time.Unix(unix, 0).In(zone)
}

// changed finds the second from which on the clock was changed, of those after from
// and up to another.
//
// [time.Time.ZoneBounds] is of no use here: beyond what the time zone database
// lists, it ends every year after 365 days.
func changed(from, to int64, zone *time.Location) (int64, bool) {
	before := offset(from, zone)
	if before == offset(to, zone) {
		return 0, false
	}
	for to-from > 1 {
		if middle := from + (to-from)/2; offset(middle, zone) == before {
			from = middle
		} else {
			to = middle
		}
	}
	return to, true
}

// offset is by how many seconds the clock is ahead of UTC.
func offset(unix int64, zone *time.Location) int64 {
	_, seconds := time.Unix(unix, 0).In(zone).Zone()
	return int64(seconds)
}

// floorDiv divides, rounding down.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
