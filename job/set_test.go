package job_test

import (
	"strings"
	"testing"
	"time"

	"varve/job"
	"varve/revision"
)

// Whatever reaches one of a set reaches all of it, and they stand together.
func TestChooseWholeSets(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []revision.Name{"gone", "mail"} {
		b.made(name, time.Date(2026, 3, 10, 12, 30, 0, 0, time.UTC))
	}
	v, err := b.repo.Volume("gone")
	b.must(err)
	_, err = b.repo.Retire(t.Context(), v)
	b.must(err)
	conf := b.config(`timezone: UTC
defaults: {schedule: "daily at 12:00"}
volumes:
  root: {source: /a, schedule: never}
  db: {source: /b, priority: 2}
  data: {source: /c, priority: 1}
  gone: {source: /d}
  mail: {source: /e}
sets:
  shop: {volumes: [root, data, gone], consistent: no}
`)
	glob, err := revision.ParseGlob("r*")
	b.must(err)
	noon := time.Date(2026, 3, 10, 13, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		job.Choice
		want string
	}{
		{job.Choice{}, "db root data mail"},
		{job.Choice{Pattern: &glob}, "root data"},
		{job.Choice{Set: "shop"}, "root data"},
		{job.Choice{Due: true, Now: noon}, "db root data"},
	} {
		c, want := test.Choice, test.want
		names, told := b.choose(conf, c)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
		if len(told) > 1 {
			t.Errorf("%+v: told %q", c, told)
		}
	}
	if _, err := job.Choose(b.repo, conf, nil, job.Choice{Set: "none"}, b.options()); err == nil {
		t.Error("a set that there is not was chosen")
	}
	if _, err := job.Choose(b.repo, nil, nil, job.Choice{Set: "shop"}, b.options()); err == nil {
		t.Error("a set was chosen without a configuration")
	}
}
