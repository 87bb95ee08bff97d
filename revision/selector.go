package revision

import (
	"strconv"
	"strings"
	"time"
)

// A Selector is how a person names a revision: by id, by its place, by a tag or by
// a time. The zero value is the newest.
type Selector struct {
	kind selectorKind
	text string

	name   string    // the id, its short part, or the tag
	back   int       // of byPlace: how many revisions before the newest
	before time.Time // of byTime: the revision was begun before this
	since  time.Time // of byTime: where the very day, minute or second begins
}

type selectorKind uint8

const (
	byPlace selectorKind = iota
	byGood
	byID
	byShort
	byTag
	byTime
)

// String is the text that was parsed.
func (s Selector) String() string {
	if s.text == "" {
		return "latest"
	}
	return s.text
}

// ParseSelector reads one of the forms, which no text has two of:
//
//	20261124T010003Z-k3f9             that revision
//	k3f9                              its short form: a letter, then three more characters
//	latest, latest~2                  the newest, the second before it
//	latest-good                       the newest that is neither suspect nor damaged
//	tag:release                       the newest that has the tag
//	2026-11-19T02:00, …:30, …Z        the newest begun in that minute (second) or before
//	2026-11-19                        the newest begun on that day or before
//	today, yesterday, tuesday         likewise; a weekday is the last such day, today included
//	90m, 12h, 3d, 2w                  the newest begun that long ago, or before
//
// Times without a zone, and days, are those of loc. It fails with a [*SelectorError].
func ParseSelector(text string, now time.Time, loc *time.Location) (Selector, error) {
	s := Selector{text: text}
	if isShort(text) {
		s.kind, s.name = byShort, text
		return s, nil
	}
	if strings.HasPrefix(text, "latest") {
		return parsePlace(s)
	}
	if tag, found := strings.CutPrefix(text, "tag:"); found {
		s.kind, s.name = byTag, tag
		if err := CheckTag(tag); err != nil {
			return Selector{}, &SelectorError{Text: text, Reason: err.Error()}
		}
		return s, nil
	}
	if id, err := ParseID(text); err == nil {
		s.kind, s.name = byID, string(id)
		return s, nil
	}
	since, before, reason := parseTime(text, now.In(loc))
	if reason != "" {
		return Selector{}, &SelectorError{Text: text, Reason: reason}
	}
	s.kind, s.since, s.before = byTime, since, before
	return s, nil
}

// parsePlace reads latest, latest~2 and latest-good.
func parsePlace(s Selector) (Selector, error) {
	switch rest := strings.TrimPrefix(s.text, "latest"); {
	case rest == "":
		return s, nil
	case rest == "-good":
		s.kind = byGood
		return s, nil
	case strings.HasPrefix(rest, "~") && isNumber(rest[1:]):
		back, err := strconv.Atoi(rest[1:])
		if err == nil {
			s.back = back
			return s, nil
		}
	}
	return Selector{}, &SelectorError{Text: s.text, Reason: "want latest, latest~2 or latest-good"}
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

// parseTime reads what names a time. Now carries the zone. Without a reason why it
// does not, the text means what was begun before that time, and in the strict sense
// not earlier than since.
func parseTime(text string, now time.Time) (since, before time.Time, reason string) {
	if text == "" {
		return since, before, "it is empty"
	}
	if back, found := daysBack(text, now); found {
		since, before = day(now, back)
		return since, before, ""
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		since, before = day(t, 0)
		return since, before, ""
	}
	for _, form := range timeLayouts {
		t, err := time.ParseInLocation(form.layout, text, now.Location())
		// time.Parse takes fractions of a second that no layout asks for.
		if err == nil && !strings.ContainsAny(text, ".,") {
			return t, t.Add(form.length), ""
		}
	}
	if isNumber(text[:len(text)-1]) && strings.IndexByte("smhdw", text[len(text)-1]) >= 0 {
		return parseAgo(text, now)
	}
	return since, before, "want an id such as k3f9, latest, latest~2, latest-good, tag:T, 2026-11-19T02:00, " +
		"2026-11-19, today, yesterday, tuesday or 3d"
}

// maxAgo is a hundred years, in seconds; more would overflow a duration before long.
const maxAgo = 100 * 366 * 24 * 60 * 60

// parseAgo reads a duration before now. Days are those of the calendar, so that 3d
// is the same time of day whatever the clocks did.
func parseAgo(text string, now time.Time) (since, before time.Time, reason string) {
	seconds := map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 7 * 86400}
	last := len(text) - 1
	n, err := strconv.ParseInt(text[:last], 10, 64)
	if err != nil || n > maxAgo/seconds[text[last]] {
		return since, before, "that is too long ago"
	}
	switch text[last] {
	case 'd', 'w':
		at := now.AddDate(0, 0, -int(n*seconds[text[last]]/86400))
		since, _ = day(at, 0)
		return since, at.Add(1), ""
	}
	at := now.Add(-time.Duration(n*seconds[text[last]]) * time.Second)
	return at.Truncate(time.Minute), at.Add(1), ""
}

// day gives the limits of the day that lies so many days before that of t.
func day(t time.Time, back int) (since, before time.Time) {
	y, m, d := t.Date()
	return time.Date(y, m, d-back, 0, 0, 0, 0, t.Location()), time.Date(y, m, d-back+1, 0, 0, 0, 0, t.Location())
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

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
