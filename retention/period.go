package retention

import "time"

const (
	hour = 60 * 60 // in seconds
	day  = 24 * hour
)

// period numbers the periods of a kind, as a clock counts them that is offset
// seconds ahead of UTC: later ones have larger numbers.
//
// An hour is an hour that passed: one that is shown twice is two of them. All
// others are those of the calendar, however long they are.
func period(kind Cause, unix, offset int64) int64 {
	wall := unix + offset
	date := floorDiv(wall, day)
	switch kind {
	case Hourly:
		return floorDiv(wall, hour)*hour - offset
	case Daily:
		return date
	case Weekly:
		return weekOf(date)
	}
	y, m, _ := time.Unix(wall, 0).UTC().Date()
	if kind == Monthly {
		return int64(y)*12 + int64(m)
	}
	return int64(y)
}

// offsetAt is by how many seconds the clock of a zone is ahead of UTC.
func offsetAt(t time.Time, zone *time.Location) int64 {
	_, seconds := t.In(zone).Zone()
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
