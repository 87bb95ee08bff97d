package job_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/config"
	"varve/job"
	"varve/repository"
	"varve/revision"
)

// choose gives the names of what is chosen, and what was told: kinds and volumes.
func (b *bench) choose(conf *config.Config, c job.Choice) (names, told []string) {
	b.t.Helper()
	opts := b.options()
	opts.Tell = func(e job.Event) { told = append(told, string(e.Kind)+" "+e.Volume.String()) }
	none := func(string) ([]string, error) { return nil, nil }
	agenda, err := job.Choose(b.repo, conf, none, c, opts)
	b.must(err)
	for _, j := range agenda.Jobs {
		names = append(names, j.Volume.String())
		if j.IfDue != c.Due || j.Wanted == nil || j.Wanted.Name != j.Volume {
			b.t.Errorf("%s: its job is %+v", j.Volume, j)
		}
	}
	return names, told
}

// The window is 10:00-18:00 UTC, and each volume is due at 12:00.
func TestChooseWhatIsDue(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	b := newBench(t)
	b.made("before", noon.Add(-time.Minute))
	b.made("since", noon.Add(time.Minute))
	b.made("soon", noon.Add(3*time.Hour))    // a clock was a little ahead
	b.made("ahead", noon.AddDate(0, 0, 700)) // and this one was wrong
	b.made("running", noon.Add(-time.Hour))
	under, err := b.repo.BeginBackup(t.Context(), repository.BackupOptions{Volume: "running"})
	b.must(err)
	defer func() { b.must(under.Close()) }()
	conf := b.config(`timezone: UTC
defaults: {schedule: "daily at 12:00", window: "10:00-18:00"}
volumes:
  new: {source: /a}
  before: {source: /b}
  since: {source: /c}
  soon: {source: /d}
  ahead: {source: /e}
  running: {source: /f}
  never: {source: /g, schedule: never}
`)
	tests := []struct {
		at   time.Time
		want string
	}{
		{noon.Add(2 * time.Hour), "new before ahead"},
		{noon.Add(90 * time.Minute), "new before soon ahead"},
		{noon.Add(-time.Minute), "new soon ahead"}, // yesterday's noon counts
		{noon.Add(7 * time.Hour), ""},
	}
	for _, test := range tests {
		names, told := b.choose(conf, job.Choice{Due: true, Now: test.at})
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("at %s: %s are due, want %s", test.at.Format("15:04"), got, test.want)
		}
		if want := test.want != ""; want != slices.Equal(told, []string{"passed running"}) {
			t.Errorf("at %s: told %q", test.at.Format("15:04"), told)
		}
	}
}

func TestChooseByPriorityAndPattern(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []revision.Name{"vms/known", "vms/two", "old"} {
		b.made(name, time.Time{})
	}
	v, err := b.repo.Volume("old")
	b.must(err)
	_, err = b.repo.Retire(t.Context(), v)
	b.must(err)
	conf := b.config(`volumes:
  vms/one: {source: /a}
  old: {source: /b}
  db: {source: /c, priority: 5}
  vms/two: {source: /d, priority: 9}
  "vms/k*": {source: "/e/*", tags: [of-pattern]}
  last: {source: /f, priority: -1}
`)
	names, told := b.choose(conf, job.Choice{})
	if got, want := strings.Join(names, " "), "vms/two db vms/one last"; got != want {
		t.Errorf("all are %q, want %q", got, want)
	}
	if !slices.Equal(told, []string{"retired old"}) {
		t.Errorf("told %q", told)
	}
	glob, err := revision.ParseGlob("vms/*")
	b.must(err)
	if names, _ := b.choose(conf, job.Choice{Pattern: &glob}); strings.Join(names, " ") != "vms/two vms/one vms/known" {
		t.Errorf("the pattern fits %q", names)
	}
	if names, _ := b.choose(nil, job.Choice{Pattern: &glob}); strings.Join(names, " ") != "vms/known vms/two" {
		t.Errorf("without a configuration the pattern fits %q", names)
	}
	nothing, err := revision.ParseGlob("x*")
	b.must(err)
	var match *job.NoMatchError
	if _, err := job.Choose(b.repo, nil, nil, job.Choice{Pattern: &nothing}, b.options()); !errors.As(err, &match) {
		t.Errorf("of a pattern that nothing fits: %v", err)
	}
}

// What a pattern of the configuration finds nothing for is told with the agenda.
func TestProblemsComeWithTheAgenda(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conf := b.config("volumes:\n  a: {source: /a}\n  \"lost*\": {source: \"/none/*\"}\n")
	none := func(string) ([]string, error) { return nil, nil }
	agenda, err := job.Choose(b.repo, conf, none, job.Choice{}, b.options())
	if err != nil || len(agenda.Jobs) != 1 || len(agenda.Problems) != 1 {
		t.Errorf("got %+v, %v", agenda, err)
	}
}

// A volume of a pattern whose source is gone is tried, and fails, as long as it is not retired.
func TestChooseWhatIsGone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []revision.Name{"vms/disk", "vms/other", "else/disk"} {
		b.made(name, time.Time{}) // all are read from disk
	}
	conf := b.config("volumes:\n  other: {source: /a}\n  \"vms/*\": {source: \"%[1]s/*\"}\n  \"else/*\": {source: \"%[1]s/x/*\"}\n", b.path(""))
	chosen := func(list config.Lister, c job.Choice) map[string]bool {
		agenda, err := job.Choose(b.repo, conf, list, c, b.options())
		b.must(err)
		names := map[string]bool{}
		for _, j := range agenda.Jobs {
			names[j.Volume.String()] = j.Gone
		}
		return names
	}
	some := func(string) ([]string, error) { return []string{"there"}, nil }
	for what, c := range map[string]job.Choice{"all": {}, "those due": {Due: true, Now: time.Now().Add(72 * time.Hour)}} {
		if c.Due {
			conf = b.config("defaults: {schedule: daily}\nvolumes:\n  other: {source: /a}\n  \"vms/*\": {source: \"%[1]s/*\"}\n  \"else/*\": {source: \"%[1]s/x/*\"}\n", b.path(""))
		}
		got := chosen(some, c)
		if gone, is := got["vms/disk"]; !is || !gone || len(got) != 4 { // vms/other never was what the pattern gives it
			t.Errorf("of %s, with vms/there and else/there, %v are chosen", what, got)
		}
	}
	if got := chosen(func(string) ([]string, error) { return []string{"disk"}, nil }, job.Choice{}); got["vms/disk"] || len(got) != 3 {
		t.Errorf("when it is there, %v are chosen", got)
	}
	if got := chosen(func(string) ([]string, error) { return nil, nil }, job.Choice{}); len(got) != 1 {
		t.Errorf("when nothing is found of the pattern, %v are chosen", got)
	}
	v, err := b.repo.Volume("vms/disk")
	b.must(err)
	_, err = b.repo.Retire(t.Context(), v)
	b.must(err)
	if got := chosen(some, job.Choice{}); len(got) != 3 {
		t.Errorf("once it is retired, %v are chosen", got)
	}
}
