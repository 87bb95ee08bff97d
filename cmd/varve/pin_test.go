package main

import (
	"testing"
	"time"

	"varve/revision"
)

func TestUntil(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, berlin) // a Tuesday
	for text, want := range map[string]string{
		"30d":                  "2026-12-24T03:00:00+01:00",
		"90m":                  "2026-11-24T04:30:00+01:00",
		"2026-12-31":           "2027-01-01T00:00:00+01:00",
		"today":                "2026-11-25T00:00:00+01:00",
		"2026-11-24T03:01":     "2026-11-24T03:01:00+01:00",
		"2026-11-24T18:00:00Z": "2026-11-24T18:00:00Z",
		"2026-11-24T03:00":     "",
		"0d":                   "",
		"yesterday":            "",
		"monday":               "",
		"2026-11-23":           "",
		"":                     "",
		"30":                   "",
		"-30d":                 "",
		"99999999999w":         "",
		"never":                "",
	} {
		u := until{now: now}
		if err := u.Set(text); err != nil && want != "" || err == nil && u.Format(time.RFC3339) != want {
			t.Errorf("%q is %v, %v; want %q", text, u.Time, err, want)
		}
	}
}

// A pin that is over protects nothing, and is not shown as one that does.
func TestPinsThatAreOver(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		pin         *revision.Pin
		notes, text string
	}{
		{nil, "", ""},
		{&revision.Pin{}, "pinned", "for ever"},
		{&revision.Pin{Reason: "audit"}, "pinned", "for ever: audit"},
		{&revision.Pin{Until: now.Add(time.Hour)}, "pinned", "until Tue 24 Nov 04:00:00"},
		{&revision.Pin{Until: now}, "", "until Tue 24 Nov 03:00:00, which is over"},
		{&revision.Pin{Until: now.Add(-time.Hour), Reason: "audit"}, "", "until Tue 24 Nov 02:00:00, which is over: audit"},
	} {
		e := &entry{noted: noted{Pin: (*pinned)(c.pin)}}
		if got := e.notes(now, nil); got != c.notes {
			t.Errorf("%+v is noted as %q, want %q", c.pin, got, c.notes)
		}
		if got := pinText(c.pin, now); got != c.text {
			t.Errorf("%+v reads %q, want %q", c.pin, got, c.text)
		}
	}
}
