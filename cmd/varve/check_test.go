package main

import (
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/status"
)

// Ages that are given count besides what was promised.
func TestCheckAges(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	good := repository.Revision{ID: "20261123T030000Z-k3f9", Statement: &revision.Statement{Begun: now.Add(-24 * time.Hour)}}
	for _, test := range []struct {
		warning, critical time.Duration
		want              int
	}{
		{0, 0, pluginOK}, {25 * time.Hour, 0, pluginOK}, {23 * time.Hour, 0, pluginWarning}, {0, 23 * time.Hour, pluginCritical},
		{1 * time.Hour, 25 * time.Hour, pluginWarning}, {1 * time.Hour, 2 * time.Hour, pluginCritical}, {25 * time.Hour, 50 * time.Hour, pluginOK},
	} {
		c := new(checked)
		v := status.Volume{Name: "db1", Summary: &repository.Summary{Newest: &good, Good: &good}}
		checkFlags{warning: duration(test.warning), critical: duration(test.critical)}.tooOld(c, &v, now)
		if c.state != test.want || len(c.Trouble)+len(c.Warnings) != min(test.want, 1) {
			t.Errorf("a day old, -w %s -c %s: %s, with %d troubles", test.warning, test.critical, pluginWords[c.state], len(c.Trouble)+len(c.Warnings))
		}
	}
}
