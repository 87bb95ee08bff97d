package revision_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/revision"
)

// The nights of a week: candidates in no order, begun at 02:00:03 in Berlin.
func week(t *testing.T) (candidates []revision.Candidate, now time.Time, berlin *time.Location) {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones on this machine: ", err)
	}
	for i, short := range []string{"p7d1", "w7ra", "k3f9", "a000", "k3f9", "b111", "c222"} {
		at := time.Date(2026, 11, 18+i, 2, 0, 3, 0, berlin)
		candidates = append(candidates, revision.Candidate{
			ID: revision.ID(at.UTC().Format("20060102T150405Z") + "-" + short), Sequence: uint64(i + 10), Begun: at.UTC(),
			Trusted: short != "c222" && short != "w7ra",
		})
	}
	candidates[1].Tags, candidates[3].Tags = []string{"release"}, []string{"x", "release"}
	slices.Reverse(candidates)
	candidates[0], candidates[3] = candidates[3], candidates[0]
	return candidates, time.Date(2026, 11, 24, 14, 30, 15, 0, berlin), berlin // a Tuesday
}

func TestSelect(t *testing.T) {
	t.Parallel()
	candidates, now, berlin := week(t)
	for _, c := range []struct {
		text            string
		nearest, strict uint64 // sequence numbers, zero: none
	}{
		{"latest", 16, 16}, {"latest~0", 16, 16}, {"latest~2", 14, 14}, {"latest~6", 10, 10}, {"latest~7", 0, 0},
		{"latest-good", 15, 15},
		{"w7ra", 11, 11}, {"zzzz", 0, 0},
		{"20261120T010003Z-k3f9", 12, 12}, {"20261120T010003Z-k3f8", 0, 0},
		{"tag:release", 13, 13}, {"tag:x", 13, 13}, {"tag:y", 0, 0},
		{"today", 16, 16}, {"yesterday", 15, 15}, {"tuesday", 16, 16}, {"monday", 15, 15}, {"wednesday", 10, 10},
		{"2026-11-20", 12, 12}, {"2026-11-17", 0, 0}, {"2027-01-01", 16, 0},
		{"2026-11-20T02:00", 12, 12}, {"2026-11-20T02:01", 12, 0}, {"2026-11-20T01:59", 11, 0},
		{"2026-11-20T02:00:03", 12, 12}, {"2026-11-20T02:00:02", 11, 0}, {"2026-11-20T02:00:04", 12, 0},
		{"2026-11-20T01:00Z", 12, 12}, {"2026-11-20T01:00:03Z", 12, 12}, {"2026-11-20T02:00+01:00", 12, 12},
		{"2026-11-20T02:00Z", 12, 0},
		{"3d", 13, 13}, {"0d", 16, 16}, {"1w", 0, 0}, {"12h", 16, 0}, {"13h", 15, 0}, {"750m", 16, 16}, {"749m", 16, 0}, {"45012s", 16, 16},
	} {
		s, err := revision.ParseSelector(c.text, now, berlin)
		if err != nil {
			t.Errorf("ParseSelector(%q): %v", c.text, err)
			continue
		}
		if s.String() != c.text {
			t.Errorf("ParseSelector(%q) is shown as %q", c.text, s)
		}
		for strictness, want := range map[revision.Strictness]uint64{revision.Nearest: c.nearest, revision.Strict: c.strict} {
			got, err := revision.Select(s, candidates, strictness)
			var none *revision.NoRevisionError
			if got.Sequence != want || (err == nil) != (want != 0) || err != nil && !errors.As(err, &none) {
				t.Errorf("%q (strict: %v) selects %d, %v, want %d", c.text, strictness, got.Sequence, err, want)
			}
		}
	}
}

func TestSelectorErrorsSayWhatThereIs(t *testing.T) {
	t.Parallel()
	candidates, now, berlin := week(t)
	for text, want := range map[string]string{
		"zzzz":       "there are 7, from p7d1 (2026-11-18T01:00:03Z) to c222 (2026-11-24T01:00:03Z)",
		"tag:y":      `none has the tag "y"`,
		"latest~9":   "not so many before the newest",
		"2026-11-01": "before 2026-11-02T00:00:00+01:00; there are 7, from p7d1 (2026-11-18T02:00:03+01:00) to ",
		"k3f9":       "it may be 20261120T010003Z-k3f9 or 20261122T010003Z-k3f9",
	} {
		s, err := revision.ParseSelector(text, now, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := revision.Select(s, candidates, revision.Nearest); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	var ambiguous *revision.AmbiguousError
	s, _ := revision.ParseSelector("k3f9", now, berlin)
	if _, err := revision.Select(s, candidates, revision.Nearest); !errors.As(err, &ambiguous) || len(ambiguous.Matches) != 2 {
		t.Errorf("a short id twice: %v", err)
	}
	if _, err := revision.Select(revision.Selector{}, nil, revision.Nearest); err == nil ||
		err.Error() != `no revision "latest": there is none; there are no revisions` {
		t.Errorf("of nothing: %v", err)
	}
}

func TestBadSelectors(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "Latest", "latest~", "latest~-1", "latest~x", "latest-bad", "latest~99999999999999999999", "tag:", "tag:a b",
		"3", "d", "-3d", "3y", "1.5d", "99999999999999999999d", "9999999w", "3f9k", "k3fl", "K3F9", "tue", "tomorrow",
		"2026-11-31", "2026-11-19T", "2026-11-19T02", "2026-11-19T24:00", "2026-11-19T02:00:03.5", "2026-11-19 02:00",
		"2026-11-19T02:00:03,000", "20261124T010003Z", "../k3f9",
	} {
		var bad *revision.SelectorError
		if s, err := revision.ParseSelector(text, begun, time.UTC); !errors.As(err, &bad) {
			t.Errorf("ParseSelector(%q) = %q, %v", text, s, err)
		}
	}
}

// The days on which clocks are set are days like any other.
func TestDaysWhenClocksAreSet(t *testing.T) {
	t.Parallel()
	_, _, berlin := week(t)
	at := time.Date(2026, 10, 25, 23, 30, 0, 0, berlin) // 24.5 hours after this day began
	candidates := []revision.Candidate{{ID: "20261025T223000Z-k3f9", Sequence: 1, Begun: at}}
	for _, text := range []string{"2026-10-25", "sunday", "1d", "yesterday"} {
		s, err := revision.ParseSelector(text, at.Add(24*time.Hour), berlin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := revision.Select(s, candidates, revision.Strict); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
