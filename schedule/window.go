package schedule

import (
	"fmt"
	"strings"
	"time"
)

// A Window says at which times of the day jobs may begin. The zero value is any
// time. Windows of the same meaning are equal.
type Window struct {
	from, to int // minutes of the day; to is excluded, and is less than from past midnight
}

// ParseWindow reads "22:00-06:00", whose end is excluded, or "any".
func ParseWindow(text string) (Window, error) {
	if text == "any" {
		return Window{}, nil
	}
	before, after, found := strings.Cut(text, "-")
	if !found {
		return Window{}, badWindow(text, `want "any" or one such as 22:00-06:00`)
	}
	from, err := parseClock(strings.TrimSpace(before))
	if err != nil {
		return Window{}, badWindow(text, err.Error())
	}
	end := strings.TrimSpace(after)
	to, err := parseClock(end)
	if end == "24:00" {
		to, err = minutesOfDay, nil
	}
	switch {
	case err != nil:
		return Window{}, badWindow(text, err.Error())
	case to == from:
		return Window{}, badWindow(text, `it ends where it begins; all day is "any"`)
	case to == 0:
		to = minutesOfDay
	}
	if from == 0 && to == minutesOfDay {
		return Window{}, nil
	}
	return Window{from, to}, nil
}

func badWindow(text, why string) error { return fmt.Errorf("bad window %q: %s", text, why) }

// IsAny tells whether the window is always open.
func (w Window) IsAny() bool { return w == Window{} }

// Contains tells whether the window is open at t, in t's zone.
func (w Window) Contains(t time.Time) bool { return w.has(t.Hour()*60 + t.Minute()) }

// Until is when the window that is open at t closes, by the clock of t's zone; the zero
// time: it is closed, or never closes.
func (w Window) Until(t time.Time) time.Time {
	if w.IsAny() || !w.Contains(t) {
		return time.Time{}
	}
	zone := t.Location()
	day, minute := reading(floorDiv(t.Unix()+offset(t.Unix(), zone), 60)).split()
	if w.to <= minute {
		day++
	}
	return moment(join(day, w.to), zone)
}

// has tells whether the window is open in a minute of the day.
func (w Window) has(minute int) bool {
	switch {
	case w.IsAny():
		return true
	case w.from < w.to:
		return w.from <= minute && minute < w.to
	}
	return w.from <= minute || minute < w.to
}

// length is how many minutes of a day the window is open.
func (w Window) length() int {
	if n := w.to - w.from; n > 0 {
		return n
	}
	return w.to - w.from + minutesOfDay
}

// String is text that parses to the same window.
func (w Window) String() string {
	if w.IsAny() {
		return "any"
	}
	return formatClock(w.from) + "-" + formatClock(w.to)
}

// parseClock reads HH:MM, in minutes since midnight.
func parseClock(text string) (int, error) {
	hour, minute, found := strings.Cut(text, ":")
	h, okHour := digits(hour, 2, 23)
	m, okMinute := digits(minute, 2, 59)
	if !found || !okHour || !okMinute || len(minute) != 2 {
		return 0, fmt.Errorf("%q is no time of day such as 02:00", text)
	}
	return h*60 + m, nil
}

func formatClock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

// digits reads a number of at most so many digits, and at most so much.
func digits(text string, length, most int) (n int, ok bool) {
	if text == "" || len(text) > length {
		return 0, false
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n <= most
}
