package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// days are those of a week, as a set of bits, Sunday's the lowest. The zero value is all of them.
type days uint8

const allDays days = 1<<7 - 1

// has tells whether a day is one of them, counted from 1970-01-01.
func (d days) has(day int64) bool {
	return d == 0 || d&(1<<time.Unix(day*24*60*60, 0).UTC().Weekday()) != 0
}

// String names them from Monday on: "mon,tue,sun".
func (d days) String() string {
	var names []string
	for i := range 7 {
		if day := (i + 1) % 7; d&(1<<day) != 0 {
			names = append(names, dayNames[day])
		}
	}
	return strings.Join(names, ",")
}

// parseDays reads words that begin with a day of the week: "sunday", "mon-fri, sun at 02:00".
func parseDays(words []string) (s Schedule, is bool, err error) {
	until := slices.Index(words, "at")
	if until < 0 {
		until = len(words)
	}
	var wanted days
	for part := range strings.SplitSeq(strings.Join(words[:until], ""), ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, known := dayOf(from)
		if is = is || known; !is {
			return s, false, nil
		}
		last := first
		if isRange && known {
			last, known = dayOf(to)
		}
		if !known {
			return s, true, fmt.Errorf("%q is no day of the week such as sun, and no range such as mon-fri", part)
		}
		for day := first; ; day = (day + 1) % 7 {
			if wanted |= 1 << day; day == last {
				break
			}
		}
	}
	text := wanted.String()
	if wanted == allDays {
		wanted, text = 0, "daily"
	}
	switch at := words[until:]; len(at) {
	case 0:
		return Schedule{kind: spread, days: wanted, text: text}, true, nil
	case 2:
		minute, err := parseClock(at[1])
		return Schedule{kind: daily, days: wanted, minute: minute, text: text + " at " + formatClock(minute)}, true, err
	}
	return s, true, fmt.Errorf("want a time of day such as 02:00 behind %q, and nothing else", "at")
}

// dayOf reads "sun" or "sunday", as time.Weekday counts.
func dayOf(text string) (int, bool) {
	for i, short := range dayNames {
		if text == short || text == strings.ToLower(time.Weekday(i).String()) {
			return i, true
		}
	}
	return 0, false
}
