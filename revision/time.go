package revision

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Time is what a person names a time by: a day, a minute, a second, or how long
// ago it was.
type Time struct {
	At     time.Time // where it begins; of an age, that very moment
	Since  time.Time // where the day, minute or second begins that it belongs to
	Before time.Time // the first moment after it
}

// timeForms are the forms of a time, for people.
const (
	timeForms = "2026-11-19T02:00, 2026-11-19, today, yesterday, tuesday or 3d"
	wantTime  = "want " + timeForms
)

// ParseTime reads a time in the past, in the forms that [ParseSelector] knows:
//
//	2026-11-19T02:00, …:30, …Z        that minute (second)
//	2026-11-19, today, yesterday      that day
//	tuesday                           the last such day, today included
//	90s, 90m, 12h, 3d, 2w             so long ago
//
// Times without a zone, and days, are those of loc.
func ParseTime(text string, now time.Time, loc *time.Location) (Time, error) {
	t, reason := parseTime(text, now.In(loc))
	if reason != "" {
		return Time{}, fmt.Errorf("bad time %q: %s", text, reason)
	}
	return t, nil
}

// timeLayouts are the forms of a moment, and how long the time is that each names.
var timeLayouts = []struct {
	layout string
	length time.Duration
}{
	{"2006-01-02T15:04", time.Minute},
	{"2006-01-02T15:04:05", time.Second},
	{"2006-01-02T15:04Z07:00", time.Minute},
	{"2006-01-02T15:04:05Z07:00", time.Second},
}

// parseTime reads what names a time, or gives the reason why it does not. Now
// carries the zone.
func parseTime(text string, now time.Time) (t Time, reason string) {
	if text == "" {
		return t, "it is empty"
	}
	if back, found := daysBack(text, now); found {
		return day(now, back), ""
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return day(t, 0), ""
	}
	for _, form := range timeLayouts {
		t, err := time.ParseInLocation(form.layout, text, now.Location())
		// time.Parse takes fractions of a second that no layout asks for.
		if err == nil && !strings.ContainsAny(text, ".,") {
			return Time{At: t, Since: t, Before: t.Add(form.length)}, ""
		}
	}
	if isNumber(text[:len(text)-1]) && strings.IndexByte("smhdw", text[len(text)-1]) >= 0 {
		return parseAgo(text, now)
	}
	return t, wantTime
}

// maxAgo is a hundred years, in seconds; more would overflow a duration before long.
const maxAgo = 100 * 366 * 24 * 60 * 60

// parseAgo reads a duration before now. Days are those of the calendar, so that 3d
// is the same time of day whatever the clocks did.
func parseAgo(text string, now time.Time) (t Time, reason string) {
	seconds := map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 7 * 86400}
	last := len(text) - 1
	n, err := strconv.ParseInt(text[:last], 10, 64)
	if err != nil || n > maxAgo/seconds[text[last]] {
		return t, "that is too long ago"
	}
	switch text[last] {
	case 'd', 'w':
		at := now.AddDate(0, 0, -int(n*seconds[text[last]]/86400))
		return Time{At: at, Since: day(at, 0).Since, Before: at.Add(1)}, ""
	}
	at := now.Add(-time.Duration(n*seconds[text[last]]) * time.Second)
	return Time{At: at, Since: at.Truncate(time.Minute), Before: at.Add(1)}, ""
}

// day gives the day that lies so many days before that of t.
func day(t time.Time, back int) Time {
	y, m, d := t.Date()
	begin := time.Date(y, m, d-back, 0, 0, 0, 0, t.Location())
	return Time{At: begin, Since: begin, Before: time.Date(y, m, d-back+1, 0, 0, 0, 0, t.Location())}
}

// daysBack reads the names of days.
func daysBack(text string, now time.Time) (days int, found bool) {
	switch text {
	case "today":
		return 0, true
	case "yesterday":
		return 1, true
	}
	for w := time.Sunday; w <= time.Saturday; w++ {
		if text == strings.ToLower(w.String()) {
			return int(now.Weekday()-w+7) % 7, true
		}
	}
	return 0, false
}
