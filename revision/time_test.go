package revision_test

import (
	"strings"
	"testing"
	"time"

	"varve/revision"
)

func TestParseTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones on this machine: ", err)
	}
	now := time.Date(2026, 10, 27, 14, 30, 15, 0, berlin) // a Tuesday, two days after the clocks were set back
	for _, c := range []struct{ text, at, since, before string }{
		{"today", "2026-10-27T00:00:00+01:00", "2026-10-27T00:00:00+01:00", "2026-10-28T00:00:00+01:00"},
		{"yesterday", "2026-10-26T00:00:00+01:00", "2026-10-26T00:00:00+01:00", "2026-10-27T00:00:00+01:00"},
		{"tuesday", "2026-10-27T00:00:00+01:00", "2026-10-27T00:00:00+01:00", "2026-10-28T00:00:00+01:00"},
		{"sunday", "2026-10-25T00:00:00+02:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"}, // of 25 hours
		{"2026-10-25", "2026-10-25T00:00:00+02:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"},
		{"2026-11-19T02:00", "2026-11-19T02:00:00+01:00", "2026-11-19T02:00:00+01:00", "2026-11-19T02:01:00+01:00"},
		{"2026-11-19T02:00:07Z", "2026-11-19T02:00:07Z", "2026-11-19T02:00:07Z", "2026-11-19T02:00:08Z"},
		{"3d", "2026-10-24T14:30:15+02:00", "2026-10-24T00:00:00+02:00", "2026-10-24T14:30:15+02:00"},
		{"48h", "2026-10-25T14:30:15+01:00", "2026-10-25T14:30:00+01:00", "2026-10-25T14:30:15+01:00"},
	} {
		got, err := revision.ParseTime(c.text, now.UTC(), berlin)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		for what, pair := range map[string][2]string{
			"at": {got.At.Format(time.RFC3339), c.at}, "since": {got.Since.Format(time.RFC3339), c.since},
			"before": {got.Before.Format(time.RFC3339), c.before},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%q: %s %s, want %s", c.text, what, pair[0], pair[1])
			}
		}
	}
	for text, says := range map[string]string{
		"": "empty", "k3f9": "want", "latest": "want", "Tuesday": "want", "2026-02-30": "want", "2026-11-19T02:00:07.5Z": "want",
		"3y": "want", "99999999d": "too long ago", "-3d": "want",
	} {
		if got, err := revision.ParseTime(text, now, berlin); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %v, %v; want an error with %q", text, got, err, says)
		}
	}
}
