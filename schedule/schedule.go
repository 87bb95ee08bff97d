package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"varve/internal/human"
)

// A Schedule says how often a job is due. The zero value is never.
type Schedule struct {
	kind   kind
	days   days   // of the week: daily, and daily at
	minute int    // of the day: daily at
	step   int64  // in minutes: every
	cron   fields // a line of crontab(5)
	text   string // canonical; empty: never
}

type kind uint8

const (
	never  kind = iota
	spread      // "daily", or days of the week: once, somewhere in the window
	daily       // "daily at"
	every
	cron
)

// Bounds of what may be asked for.
const (
	longestText = 200 // bytes of a schedule
	longestStep = 366 * 24 * time.Hour
)

// Parse reads a schedule:
//
//	never, or nothing
//	daily              once in the window, at a time that the job's name decides
//	daily at 02:00
//	sunday             the same on some days of the week only
//	mon-fri, sun at 02:00
//	every 6h           of the clock: from midnight on, if days can be divided so; otherwise
//	                   counted from Monday, 1 January 2001, 00:00
//	0 3 * * sun        a line of crontab(5): minute, hour, day of the month, month, day of the week
func Parse(text string) (Schedule, error) {
	if len(text) > longestText {
		return Schedule{}, fmt.Errorf("bad schedule: it is longer than %d bytes", longestText)
	}
	s, err := parse(strings.Fields(strings.ToLower(text)))
	if err != nil {
		return Schedule{}, fmt.Errorf("bad schedule %q: %w", text, err)
	}
	return s, nil
}

func parse(words []string) (Schedule, error) {
	if s, is, err := parseDays(words); is {
		return s, err
	}
	canonical := strings.Join(words, " ")
	switch {
	case canonical == "" || canonical == "never":
		return Schedule{}, nil
	case canonical == "daily":
		return Schedule{kind: spread, text: canonical}, nil
	case len(words) == 3 && words[0] == "daily" && words[1] == "at":
		minute, err := parseClock(words[2])
		return Schedule{kind: daily, minute: minute, text: "daily at " + formatClock(minute)}, err
	case len(words) == 2 && words[0] == "every":
		step, err := human.ParseDuration(words[1])
		switch {
		case err != nil:
			return Schedule{}, err
		case step < time.Minute || step%time.Minute != 0 || step > longestStep:
			return Schedule{}, fmt.Errorf("%s is not between 1m and 366d in whole minutes", words[1])
		}
		return Schedule{kind: every, step: int64(step / time.Minute), text: canonical}, nil
	case len(words) == 5:
		line, err := parseCron(words)
		return Schedule{kind: cron, cron: line, text: canonical}, err
	}
	return Schedule{}, errors.New(`want daily, daily at 02:00, mon-fri at 02:00, sunday, every 6h, never, or a cron line of five fields such as 0 3 * * sun`)
}

// IsZero tells whether the job is never due.
func (s Schedule) IsZero() bool { return s.kind == never }

// String is text that parses to the same schedule.
func (s Schedule) String() string {
	if s.IsZero() {
		return "never"
	}
	return s.text
}

// onDay tells whether the job is due on a day, counted from 1970-01-01.
func (s Schedule) onDay(day int64) bool {
	if s.kind == cron {
		return s.cron.onDay(day)
	}
	return s.days.has(day)
}

// atMinute tells whether the job is due in a minute of such a day.
func (s Schedule) atMinute(minute int) bool {
	if s.kind == cron {
		return s.cron.atMinute(minute)
	}
	return s.minute == minute
}
