package schedule

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// fields are those of a line of crontab(5), as sets of bits.
type fields struct {
	minutes, hours, days, months, weekdays uint64
	// either: the day of the month or that of the week is enough. So it is when
	// both are restricted, which those that begin with * are not.
	either bool
}

// A field is what may stand at one place of a line.
type field struct {
	what        string
	first, last int
	names       []string // of first and what follows it
}

var (
	monthNames = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	dayNames   = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	cronFields = []field{
		{"minute", 0, 59, nil}, {"hour", 0, 23, nil}, {"day of the month", 1, 31, nil},
		{"month", 1, 12, monthNames}, {"day of the week", 0, 7, dayNames},
	}
	longestMonth = []int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
)

// parseCron reads the five words of a line.
func parseCron(words []string) (fields, error) {
	var sets [5]uint64
	for i, f := range cronFields {
		for part := range strings.SplitSeq(words[i], ",") {
			set, err := f.parse(part)
			if err != nil {
				return fields{}, err
			}
			sets[i] |= set
		}
	}
	const sunday = 1<<0 | 1<<7
	if sets[4]&sunday != 0 {
		sets[4] |= sunday
	}
	f := fields{sets[0], sets[1], sets[2], sets[3], sets[4], words[2][0] != '*' && words[4][0] != '*'}
	if !f.comes() {
		return fields{}, errors.New("that day never comes")
	}
	return f, nil
}

// parse reads *, 5, mon, 1-5, and the same with /2 behind a range or *.
func (f field) parse(part string) (uint64, error) {
	extent, every, stepped := strings.Cut(part, "/")
	step := 1
	if stepped {
		var ok bool
		if step, ok = digits(every, 2, f.last-f.first); !ok || step == 0 {
			return 0, fmt.Errorf("%q is no step of the %s", "/"+every, f.what)
		}
	}
	low, high := f.first, f.last
	if extent != "*" {
		from, to, isRange := strings.Cut(extent, "-")
		var ok bool
		if low, ok = f.number(from); !ok {
			return 0, fmt.Errorf("%q is no %s", part, f.what)
		}
		high = low
		if isRange {
			high, ok = f.number(to)
			if f.last == 7 && high == 0 && low > 0 {
				high = 7 // fri-sun
			}
		}
		if !ok || high < low || stepped && !isRange {
			return 0, fmt.Errorf("%q is no range of the %s", part, f.what)
		}
	}
	var set uint64
	for n := low; n <= high; n += step {
		set |= 1 << n
	}
	return set, nil
}

func (f field) number(text string) (int, bool) {
	if i := slices.Index(f.names, text); i >= 0 {
		return f.first + i, true
	}
	n, ok := digits(text, 2, f.last)
	return n, ok && n >= f.first
}

// comes tells whether there is any day such as this.
func (f fields) comes() bool {
	if f.either {
		return true
	}
	for month, length := range longestMonth {
		if f.months&(2<<month) != 0 && bits.TrailingZeros64(f.days) <= length {
			return true
		}
	}
	return false
}

// onDay tells whether the line is for a day, counted from 1970-01-01.
func (f fields) onDay(day int64) bool {
	date := time.Unix(day*24*60*60, 0).UTC()
	if f.months&(1<<date.Month()) == 0 {
		return false
	}
	ofMonth := f.days&(1<<date.Day()) != 0
	ofWeek := f.weekdays&(1<<date.Weekday()) != 0
	if f.either {
		return ofMonth || ofWeek
	}
	return ofMonth && ofWeek
}

// atMinute tells whether the line is for a minute of the day.
func (f fields) atMinute(minute int) bool {
	return f.hours&(1<<(minute/60)) != 0 && f.minutes&(1<<(minute%60)) != 0
}
