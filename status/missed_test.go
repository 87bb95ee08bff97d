package status_test

import (
	"fmt"
	"testing"
	"time"

	"varve/repository"
	"varve/schedule"
	"varve/status"
)

func TestFindMissed(t *testing.T) {
	t.Parallel()
	nightly := daily(t, "db")[0].Plan // at 02:00; it is 03:12
	night := func(back int) time.Time { return time.Date(2026, 11, 24-back, 2, 0, 3, 0, time.UTC) }
	for name, c := range map[string]struct {
		plan   schedule.Plan
		begun  []time.Time
		events []repository.Event
		want   string
	}{
		"none":                {plan: nightly, begun: []time.Time{night(3), night(2), night(1), night(0)}},
		"tonight, not over":   {plan: nightly, begun: []time.Time{night(3), night(2), night(1)}},
		"late, but done":      {plan: nightly, begun: []time.Time{night(3), night(2).Add(22 * hour), night(1)}},
		"just before the due": {plan: nightly, begun: []time.Time{night(4).Add(-hour), night(3).Add(-hour), night(2).Add(-hour), night(1).Add(-hour), night(0).Add(-hour)}},
		"one": {
			plan: nightly, begun: []time.Time{night(3), night(1)}, want: "[22 Nov to 22 Nov, 1: nobody tried]",
		},
		"tried in vain": {
			plan: nightly, begun: []time.Time{night(3), night(1)},
			events: []repository.Event{failure("db", 49*hour, "EIO"), failure("db", 48*hour, "EIO again"), failure("db", 72*hour, "?"), failure("x", 48*hour, "?")},
			want:   "[22 Nov to 22 Nov, 1: 2 tries: EIO again]",
		},
		"in a row": {plan: nightly, begun: []time.Time{night(5), night(1)}, want: "[20 Nov to 22 Nov, 3: nobody tried]"},
		"apart": {
			plan: nightly, begun: []time.Time{night(5), night(3), night(1)},
			want: "[20 Nov to 20 Nov, 1: nobody tried][22 Nov to 22 Nov, 1: nobody tried]",
		},
		"no schedule": {begun: []time.Time{night(5), night(1)}},
	} {
		got := ""
		for _, m := range status.FindMissed(c.plan, "db", c.begun, c.events, c.begun[0], now) {
			got += fmt.Sprintf("[%s to %s, %d: %s]", m.First.Format("2 Jan"), m.Last.Format("2 Jan"), m.Times, m.Why)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	minutely, err := schedule.Parse("* * * * *")
	if err != nil {
		t.Fatal(err)
	}
	plan := schedule.Plan{Schedule: minutely}
	if all := status.FindMissed(plan, "db", nil, nil, now.Add(-10*365*day), now); len(all) != 1 || all[0].Times > 10_000 {
		t.Errorf("of ten years of minutes: %v", all)
	}
}
