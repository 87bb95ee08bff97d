package scheduler_test

import (
	"fmt"
	"strings"
	"testing"

	"varve/config"
	"varve/revision"
	"varve/scheduler"
)

// What a configuration says becomes command lines.
func TestTasks(t *testing.T) {
	conf, err := config.Parse("varve.yaml", []byte(`
timezone: Europe/Berlin
defaults: {schedule: daily, window: "22:00-06:00", keep: {last: 3}}
groups: {gold: {priority: 2, overdue: 3}}
volumes:
  a: {source: /a, group: gold}
  -b: {source: /b, keep: {last: 0}}
  s/1: {source: /s1}
  s/2: {source: /s2, group: gold}
  s/3: {source: /s3, schedule: "daily at 23:00"}
  by hand: {source: /h, schedule: never}
sets: {shop: {volumes: [s/1, s/2, s/3], consistent: no}}
maintenance:
  prune: after-backup
  gc: daily at 07:00
  scrub: {schedule: daily, older_than: 14d, max_duration: 90m}
  drill: {schedule: daily, volumes: 2, exec: "-x"}
`))
	if err != nil {
		t.Fatal(err)
	}
	volumes, _ := conf.Volumes(nil)
	var got []string
	for _, task := range scheduler.Tasks(conf, volumes, map[revision.Name]bool{"a": true, "s/1": true}) {
		var plans []string
		for _, p := range task.Plans {
			plans = append(plans, fmt.Sprintf("%s/%s/%s/%s", p.Schedule, p.Window, p.Zone, p.Name))
		}
		got = append(got, fmt.Sprintf("%s | %s | %q %d | %d %v | %v", task.Key, strings.Join(plans, " and "), task.Volumes, task.About.Most, task.Priority, task.Overdue, task.Words))
	}
	want := []string{
		`a | daily/22:00-06:00/Europe/Berlin/a | ["a"] 0 | 2 3 | [backup --json --wait 15m -- a]`,
		`-b | daily/22:00-06:00/Europe/Berlin/-b | ["-b"] 0 | 0 1.5 | [backup --json --wait 15m -- -b]`,
		`set shop | daily/22:00-06:00/Europe/Berlin/s/1 and daily at 23:00/22:00-06:00/Europe/Berlin/s/3 | ["s/1" "s/2" "s/3"] 0 | 2 1.5 | [backup --json --wait 15m --set shop]`,
		`by hand |  | ["by hand"] 0 | 0 1.5 | [backup --json --wait 15m -- by hand]`,
		`prune |  | ["a" "s/1" "s/2" "s/3" "by hand"] 100 | 0 0 | [prune --json --wait 15m --]`,
		`gc | daily at 07:00/any/Europe/Berlin/gc | [] 0 | 0 0 | [gc --json --wait 15m]`,
		`scrub | daily/any/Europe/Berlin/scrub | [] 0 | 0 0 | [scrub --json --older-than 1209600s --max-duration 5400s]`,
		`drill | daily/any/Europe/Berlin/drill | ["a" "s/1"] 2 | 0 0 | [drill --json --exec=-x --]`,
	}
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("got  %s\nwant %s", g, w)
		}
	}
}
