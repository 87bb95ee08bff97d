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

	name string // the id, its short part, or the tag
	back int    // of byPlace: how many revisions before the newest
	time Time   // of byTime
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
	t, reason := parseTime(text, now.In(loc))
	if reason != "" {
		if reason == wantTime {
			reason = "want an id such as k3f9, latest, latest~2, latest-good, tag:T, " + timeForms
		}
		return Selector{}, &SelectorError{Text: text, Reason: reason}
	}
	s.kind, s.time = byTime, t
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

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
