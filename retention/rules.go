package retention

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"varve/internal/human"
	"varve/revision"
)

// maxCount bounds the counts of rules: a revision every hour for a hundred years.
const maxCount = 1_000_000

// Rules say which revisions of a volume stay. A rule of 0 is not there, so that
// layers of rules are laid over one another by setting what each layer says: also
// 0, which takes a rule away. The zero value says nothing, and [Decide] refuses it.
type Rules struct {
	Last    int           // so many of the newest
	Hourly  int           // the newest of so many hours that hold one
	Daily   int           // likewise of days
	Weekly  int           // of weeks, which begin on Monday
	Monthly int           // of months
	Yearly  int           // of years
	Within  time.Duration // all that were begun so long ago or later
	Tags    []string      // all that have one of these tags
}

// ParseCount reads the count of a rule: 0 is none. Every error is a
// [*human.ValueError].
func ParseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxCount {
		return 0, &human.ValueError{Text: text, Want: fmt.Sprintf("want a number between 0 and %d", maxCount)}
	}
	return n, nil
}

// ParseWithin reads the duration of a rule: 0s is none. Every error is a
// [*human.ValueError].
func ParseWithin(text string) (time.Duration, error) { return human.ParseDuration(text) }

// ParseTag reads a tag that a rule names.
func ParseTag(text string) (string, error) { return text, revision.CheckTag(text) }

// IsZero tells whether no rule says anything.
func (r Rules) IsZero() bool {
	return r.Within == 0 && len(r.Tags) == 0 && r.Last == 0 &&
		r.Hourly == 0 && r.Daily == 0 && r.Weekly == 0 && r.Monthly == 0 && r.Yearly == 0
}

// validate refuses rules by which nothing can be decided.
func (r Rules) validate() error {
	if r.IsZero() {
		return ErrNoRules
	}
	for cause, n := range map[Cause]int{
		Last: r.Last, Hourly: r.Hourly, Daily: r.Daily, Weekly: r.Weekly, Monthly: r.Monthly, Yearly: r.Yearly,
	} {
		if n < 0 || n > maxCount {
			return fmt.Errorf("rule %v %d: want a number between 0 and %d", cause, n, maxCount)
		}
	}
	if r.Within < 0 {
		return fmt.Errorf("rule within %v: want a duration that is not negative", r.Within)
	}
	for _, tag := range r.Tags {
		if err := revision.CheckTag(tag); err != nil {
			return fmt.Errorf("rule tag: %w", err)
		}
	}
	return nil
}

// of is the count of a rule about periods.
func (r Rules) of(kind Cause) int {
	switch kind {
	case Hourly:
		return r.Hourly
	case Daily:
		return r.Daily
	case Weekly:
		return r.Weekly
	case Monthly:
		return r.Monthly
	}
	return r.Yearly
}

// String lists the rules that say something: "last 3, daily 7, within 2d, tag release".
func (r Rules) String() string {
	var parts []string
	if r.Last != 0 {
		parts = append(parts, fmt.Sprintf("last %d", r.Last))
	}
	for _, kind := range kinds {
		if n := r.of(kind); n != 0 {
			parts = append(parts, fmt.Sprintf("%v %d", kind, n))
		}
	}
	if r.Within != 0 {
		parts = append(parts, "within "+formatSpan(r.Within))
	}
	for _, tag := range r.Tags {
		parts = append(parts, "tag "+tag)
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// formatSpan writes a duration as people type it, to the second.
func formatSpan(span time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if span >= unit.length && span%unit.length == 0 {
			return fmt.Sprintf("%d%s", span/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%ds", span/time.Second)
}
