package revision

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Candidate is a revision that may be selected: one that is not deleted.
type Candidate struct {
	ID       ID
	Sequence uint64
	Begun    time.Time
	Tags     []string
	Trusted  bool // neither suspect nor damaged
}

// Strictness says how far a time may be from the revision that it selects.
type Strictness bool

// Commands that delete or change a revision are strict: for them a time selects
// only a revision of that very day, minute or second.
const (
	Nearest Strictness = false
	Strict  Strictness = true
)

// Select finds the revision that the selector names, among candidates in any order.
// The newest is the one with the highest sequence number. It fails with a
// [*NoRevisionError] or an [*AmbiguousError].
func Select(s Selector, candidates []Candidate, strictness Strictness) (Candidate, error) {
	sorted := slices.SortedFunc(slices.Values(candidates), func(a, b Candidate) int {
		return cmp.Compare(a.Sequence, b.Sequence)
	})
	matches := slices.DeleteFunc(slices.Clone(sorted), func(c Candidate) bool { return !s.matches(c, strictness) })
	if s.kind == byShort && len(matches) > 1 {
		e := &AmbiguousError{Selector: s.String()}
		for _, c := range matches {
			e.Matches = append(e.Matches, c.ID)
		}
		return Candidate{}, e
	}
	if len(matches) > s.back {
		return matches[len(matches)-1-s.back], nil
	}
	e := &NoRevisionError{Selector: s.String(), Reason: s.reason(strictness), Count: len(sorted)}
	if s.kind == byTime {
		e.Zone = s.time.Before.Location()
	}
	if len(sorted) > 0 {
		e.Oldest, e.Newest = sorted[0], sorted[len(sorted)-1]
	}
	return Candidate{}, e
}

func (s Selector) matches(c Candidate, strictness Strictness) bool {
	switch s.kind {
	case byGood:
		return c.Trusted
	case byID:
		return string(c.ID) == s.name
	case byShort:
		return c.ID.Short() == s.name
	case byTag:
		return slices.Contains(c.Tags, s.name)
	case byTime:
		return c.Begun.Before(s.time.Before) && (strictness == Nearest || !c.Begun.Before(s.time.Since))
	}
	return true
}

// reason says what was looked for in vain.
func (s Selector) reason(strictness Strictness) string {
	switch s.kind {
	case byGood:
		return "none is good"
	case byID, byShort:
		return "none has this id"
	case byTag:
		return fmt.Sprintf("none has the tag %q", s.name)
	case byTime:
		if strictness == Strict {
			return fmt.Sprintf("none was begun from %s to before %s",
				s.time.Since.Format(time.RFC3339), s.time.Before.Format(time.RFC3339))
		}
		return fmt.Sprintf("none was begun before %s", s.time.Before.Format(time.RFC3339))
	}
	if s.back > 0 {
		return fmt.Sprintf("there are not so many before the newest as %d", s.back)
	}
	return "there is none"
}
