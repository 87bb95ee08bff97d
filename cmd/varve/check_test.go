package main

import (
	"strings"
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

// What has no revision is older than any age that was given; of what is trouble
// already, or retired, nothing is added.
func TestCheckAgesOfNothing(t *testing.T) {
	t.Parallel()
	day := duration(24 * time.Hour)
	suspect := repository.Revision{ID: "20261123T030000Z-k3f9", Statement: &revision.Statement{}}
	for name, test := range map[string]struct {
		flags  checkFlags
		volume status.Volume
		want   int
		why    string
	}{
		"no age":               {checkFlags{}, status.Volume{}, pluginOK, ""},
		"-w":                   {checkFlags{warning: day}, status.Volume{}, pluginWarning, "it has no revision, and is to have one not older than 24h"},
		"-c":                   {checkFlags{critical: day}, status.Volume{}, pluginCritical, "it has no revision, and is to have one not older than 24h"},
		"-c, made and empty":   {checkFlags{critical: day}, status.Volume{Summary: &repository.Summary{}}, pluginCritical, "it has no revision, and is to have one not older than 24h"},
		"-c, none is good":     {checkFlags{critical: day}, status.Volume{Summary: &repository.Summary{Newest: &suspect}}, pluginCritical, "none of its revisions is to be trusted, and one is to be not older than 24h"},
		"-c, trouble already":  {checkFlags{critical: day}, status.Volume{Grade: status.Critical}, pluginOK, ""},
		"-c, retired, damaged": {checkFlags{critical: day}, status.Volume{Summary: &repository.Summary{Retired: true, Newest: &suspect}}, pluginOK, ""},
	} {
		c := new(checked)
		test.volume.Name = "db1"
		test.flags.tooOld(c, &test.volume, time.Now())
		why := ""
		for _, found := range append(c.Trouble, c.Warnings...) {
			why += found.Why
		}
		if c.state != test.want || why != test.why {
			t.Errorf("%s: %s, %q, want %s, %q", name, pluginWords[c.state], why, pluginWords[test.want], test.why)
		}
	}
}

// The numbers of a graph are those of the verdict, ages included.
func TestPerformanceDataAgree(t *testing.T) {
	t.Parallel()
	in := status.Input{Now: statusNow, Volumes: []repository.Summary{
		statusVolume("a", statusRevision(3*time.Hour, repository.Good)), statusVolume("b", statusRevision(90*time.Minute, repository.Good)),
		statusVolume("c", statusRevision(3*time.Hour, repository.Good), statusRevision(2*time.Hour, repository.Suspect)),
		statusVolume("d", statusRevision(time.Minute, repository.Good)),
	}}
	c := answerCheck(checkFlags{warning: duration(time.Hour), critical: duration(2 * time.Hour)}, status.Judge(in), in)
	var got []string
	for _, m := range c.Metrics {
		got = append(got, m.String())
	}
	if want := "volumes=4 critical=2 warning=1"; strings.Join(got, " ") != want || c.State != "CRITICAL" {
		t.Errorf("%s: %s, want %s", c.State, strings.Join(got, " "), want)
	}
}
