package schedule_test

import (
	"testing"
	"time"

	"varve/schedule"
)

func TestIsDue(t *testing.T) {
	at := func(text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name, last, prev, now string
		want                  bool
	}{
		{"never begun", "", "2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z", true},
		{"never begun, and no due time yet", "", "", "2026-11-24T03:00:00Z", true},
		{"begun since", "2026-11-24T02:00:01Z", "2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z", false},
		{"begun at that very moment", "2026-11-24T02:00:00Z", "2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z", false},
		{"begun before", "2026-11-24T01:59:59Z", "2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z", true},
		{"a little in the future", "2026-11-24T03:59:59Z", "2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z", false},
		{"far in the future", "2036-11-24T03:59:59Z", "2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z", true},
	} {
		if got := schedule.IsDue(at(c.last), at(c.prev), at(c.now)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestUntil(t *testing.T) {
	for _, c := range []struct{ window, zone, at, want string }{
		{"22:00-06:00", "Europe/Berlin", "2026-11-24 23:30 +0100", "2026-11-25 06:00 +0100"},
		{"22:00-06:00", "Europe/Berlin", "2026-11-25 05:59 +0100", "2026-11-25 06:00 +0100"},
		{"22:00-06:00", "Europe/Berlin", "2026-11-25 06:00 +0100", ""},
		{"22:00-24:00", "UTC", "2026-12-31 22:00 +0000", "2027-01-01 00:00 +0000"},
		{"08:00-18:00", "UTC", "2026-12-31 08:00 +0000", "2026-12-31 18:00 +0000"},
		{"any", "UTC", "2026-12-31 22:00 +0000", ""},
		{"22:00-06:00", "Europe/Berlin", "2026-03-28 23:00 +0100", "2026-03-29 06:00 +0200"}, // seven hours
		{"01:00-02:30", "Europe/Berlin", "2026-03-29 01:59 +0100", "2026-03-29 03:00 +0200"}, // 02:30 does not exist
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(layout, c.at)
		if err != nil {
			t.Fatal(err)
		}
		w, err := schedule.ParseWindow(c.window)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if until := w.Until(at.In(zone)); !until.IsZero() {
			got = until.Format(layout)
		}
		if got != c.want {
			t.Errorf("%s at %s closes at %q, want %q", c.window, c.at, got, c.want)
		}
	}
}
