package scheduler

import (
	"fmt"
	"slices"
	"time"

	"varve/config"
	"varve/revision"
	"varve/schedule"
)

// Tasks is what a configuration wants done of some volumes of it: backups, alone or by
// sets, and maintenance. Kept are those that have a revision.
func Tasks(conf *config.Config, volumes []config.Volume, kept map[revision.Name]bool) (tasks []Task) {
	sets := map[string]int{} // in tasks
	for _, v := range volumes {
		set, isOfSet := conf.SetOf(v.Name)
		at, known := sets[set.Name]
		if isOfSet && known {
			tasks[at].add(v)
			continue
		}
		t := Task{Key: Key{Backup, v.Name.String()}, Words: backupWords("--", v.Name.String())}
		if isOfSet {
			sets[set.Name] = len(tasks)
			t.Key, t.Words = Key{Set, set.Name}, backupWords("--set", set.Name)
		}
		t.add(v)
		tasks = append(tasks, t)
	}
	return append(tasks, maintenance(conf, volumes, kept)...)
}

// patient is how long a run waits for a volume that is locked, or for a slot of the host,
// before it gives its turn away.
const patient = "15m"

func backupWords(words ...string) []string {
	return append([]string{"backup", "--json", "--wait", patient}, words...)
}

// add adds a volume to a task. What two of a set have in common counts once.
func (t *Task) add(v config.Volume) {
	t.Volumes = append(t.Volumes, v.Name)
	t.Priority = max(t.Priority, v.Priority)
	if t.Overdue == 0 || v.Overdue < t.Overdue {
		t.Overdue = v.Overdue
	}
	if v.Plan.Schedule.IsZero() || slices.ContainsFunc(t.Plans, func(p schedule.Plan) bool {
		return p.Schedule == v.Plan.Schedule && p.Window == v.Plan.Window
	}) {
		return
	}
	t.Plans = append(t.Plans, v.Plan)
}

// mostPruned is how many volumes are pruned in one run.
const mostPruned = 100

// maintenance lists the tasks of maintenance, in the order in which they are to be done. A
// new kind is one entry here.
func maintenance(conf *config.Config, volumes []config.Volume, kept map[revision.Name]bool) (tasks []Task) {
	m := conf.Maintenance
	plans := func(k Kind, s schedule.Schedule) []schedule.Plan {
		return []schedule.Plan{{Schedule: s, Zone: conf.Zone, Name: string(k)}}
	}
	if m.Prune.AfterBackup {
		tasks = append(tasks, Task{
			Key: Key{Prune, ""}, Volumes: withRules(volumes), About: About{Changed: true, Most: mostPruned}, Words: []string{"prune", "--json", "--wait", patient, "--"},
		})
	}
	for _, t := range []Task{
		{Key: Key{Prune, ""}, Plans: plans(Prune, m.Prune.Schedule), Words: []string{"prune", "--json", "--wait", patient}},
		{Key: Key{GC, ""}, Plans: plans(GC, m.GC), Words: []string{"gc", "--json", "--wait", patient}},
		{Key: Key{Scrub, ""}, Plans: plans(Scrub, m.Scrub.Schedule), Words: scrubWords(m.Scrub)},
		{Key: Key{Drill, ""}, Plans: plans(Drill, m.Drill.Schedule), Words: drillWords(m.Drill), Volumes: named(volumes, kept), About: About{Most: m.Drill.Volumes}},
	} {
		if !t.Plans[0].Schedule.IsZero() {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

func scrubWords(s config.Scrub) []string {
	words := []string{"scrub", "--json"}
	if s.OlderThan > 0 {
		words = append(words, "--older-than", seconds(s.OlderThan))
	}
	if s.MaxDuration > 0 {
		words = append(words, "--max-duration", seconds(s.MaxDuration))
	}
	return words
}

// seconds is a span of time as flags read it.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", d/time.Second) }

func drillWords(d config.Drill) []string {
	words := []string{"drill", "--json"}
	if d.Exec != "" {
		words = append(words, "--exec="+d.Exec)
	}
	return append(words, "--")
}

// named picks the volumes that have a revision.
func named(volumes []config.Volume, kept map[revision.Name]bool) (names []revision.Name) {
	for _, v := range volumes {
		if kept[v.Name] {
			names = append(names, v.Name)
		}
	}
	return names
}

// withRules picks the volumes of which something is to be pruned.
func withRules(volumes []config.Volume) (names []revision.Name) {
	for _, v := range volumes {
		if !v.Keep.IsZero() {
			names = append(names, v.Name)
		}
	}
	return names
}
