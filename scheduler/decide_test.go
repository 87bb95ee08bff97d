package scheduler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve/revision"
	"varve/schedule"
	"varve/scheduler"
)

func plan(t interface{ Fatal(...any) }, text, window, zone, name string) schedule.Plan {
	s, err := schedule.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	w, err := schedule.ParseWindow(window)
	if err != nil {
		t.Fatal(err)
	}
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return schedule.Plan{Schedule: s, Window: w, Zone: z, Name: name}
}

func volume(name string) scheduler.Key { return scheduler.Key{Kind: scheduler.Backup, Name: name} }

func backupOf(name string, p schedule.Plan) scheduler.Task {
	return scheduler.Task{Key: volume(name), Plans: []schedule.Plan{p}, Overdue: 1.5, Volumes: []revision.Name{revision.Name(name)}}
}

var gc = scheduler.Key{Kind: scheduler.GC}

func clock(t interface{ Fatal(...any) }, text string) time.Time {
	v, err := time.Parse("2006-01-02 15:04 -0700", text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Each situation is at 02:10 in the night, where everything is due at 02:00 unless it says otherwise.
func TestDecide(t *testing.T) {
	t.Parallel()
	now := clock(t, "2026-11-24 02:10 +0000")
	night := now.Add(-24 * time.Hour)
	fast, slow := []float64{60}, []float64{20 * 3600}
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	type records map[string]scheduler.Record
	for _, c := range []struct {
		name     string
		schedule string
		window   string
		slots    int
		tasks    string // names, with their priority behind a colon
		records  records
		running  map[string]time.Duration
		others   string
		asked    string
		pause    scheduler.Pause
		start    string
		waiting  string
	}{
		{name: "what was done since is not due", tasks: "a b", records: records{"a": {Success: ago(5 * time.Minute)}, "b": {Success: ago(15 * time.Minute)}}, start: "b"},
		{name: "what was never done is due", tasks: "a", start: "a"},
		{name: "one slot", slots: 1, tasks: "a b", records: records{"a": {Success: night, Took: fast}, "b": {Success: night, Took: fast}}, start: "a", waiting: "b"},
		{name: "priority goes first", slots: 1, tasks: "a b:1", records: records{"a": {Success: night, Took: fast}, "b": {Success: night, Took: fast}}, start: "b", waiting: "a"},
		{name: "what has waited for two nights goes before priority", slots: 1, tasks: "a b:1",
			records: records{"a": {Success: ago(49 * time.Hour), Took: fast}, "b": {Success: night, Took: fast}}, start: "a", waiting: "b"},
		{name: "but not what failed all the while", slots: 1, tasks: "a b:1",
			records: records{"a": {Success: ago(49 * time.Hour), Took: fast, Failures: 9}, "b": {Success: night, Took: fast}}, start: "b", waiting: "a"},
		{name: "a slot is kept for what is fast", slots: 2, tasks: "a b c",
			records: records{"a": {Success: night, Took: slow}, "b": {Success: night, Took: slow}, "c": {Success: now, Took: fast}}, start: "a", waiting: "b"},
		{name: "there is nothing fast", slots: 2, tasks: "a b",
			records: records{"a": {Success: night, Took: slow}, "b": {Success: night, Took: slow}}, start: "a b"},
		{name: "of those that were never done it is known how large they are", slots: 2, tasks: "a b c d",
			records: records{"a": {Size: 20 << 40}, "b": {Size: 20 << 40}, "c": {Size: 1 << 30}, "d": {Success: now, Took: fast}}, start: "a c", waiting: "b"},
		{name: "one that usually is fast, and has run for hours", slots: 2, tasks: "a b c",
			records: records{"a": {Success: night, Took: fast}, "b": {Success: night, Took: slow}, "c": {Success: night, Took: fast}},
			running: map[string]time.Duration{"a": 2 * time.Hour}, start: "c", waiting: "b"},
		{name: "no slot is free", slots: 1, tasks: "a b", records: records{"b": {Success: night, Took: fast}}, running: map[string]time.Duration{"a": time.Minute}, waiting: "b"},
		{name: "somebody else is at it", slots: 2, tasks: "a b", records: records{"a": {Success: night, Took: fast}, "b": {Success: night, Took: fast}}, others: "b", start: "a", waiting: "b"},
		{name: "the window is closed", window: "03:00-06:00", schedule: "daily at 03:00", tasks: "a", records: records{"a": {Success: ago(48 * time.Hour)}}},
		{name: "a failure waits", tasks: "a", records: records{"a": {Begun: ago(2 * time.Minute), Failures: 1, NotBefore: ago(-time.Minute)}}},
		{name: "until it is tried again", tasks: "a", records: records{"a": {Begun: ago(9 * time.Minute), Failures: 1, NotBefore: ago(time.Minute)}}, start: "a"},
		{name: "or until another due time", tasks: "a", records: records{"a": {Begun: ago(11 * time.Minute), Failures: 7, NotBefore: ago(-2 * time.Hour)}}, start: "a"},
		{name: "the clock was set back", tasks: "a", records: records{"a": {Begun: ago(-24 * time.Hour), Failures: 1, NotBefore: ago(-25 * time.Hour)}}, start: "a"},
		{name: "the clock was ten years ahead", tasks: "a", records: records{"a": {Begun: ago(-87600 * time.Hour), Success: ago(-87600 * time.Hour)}}, start: "a"},
		{name: "it was called off", tasks: "a", records: records{"a": {Success: night, Off: ago(time.Minute)}}},
		{name: "the night before", tasks: "a", records: records{"a": {Success: night, Off: ago(12 * time.Hour)}}, start: "a"},
		{name: "paused", tasks: "a", pause: scheduler.Pause{From: ago(time.Hour), Until: ago(-time.Hour)}},
		{name: "not any more", tasks: "a", pause: scheduler.Pause{From: ago(2 * time.Hour), Until: ago(time.Hour)}, start: "a"},
		{name: "paused by a clock that was ahead", tasks: "a", pause: scheduler.Pause{From: ago(-1000 * time.Hour), Until: ago(-1001 * time.Hour)}, start: "a"},
		{name: "somebody asks, in a pause", tasks: "a b", asked: "a", pause: scheduler.Pause{From: ago(time.Hour), Until: ago(-time.Hour)}, start: "a"},
		{name: "somebody asks for what is not due", tasks: "a", asked: "a", records: records{"a": {Success: now}}, start: "a"},
		{name: "who asks goes first", slots: 1, tasks: "a b:9", asked: "a", start: "a", waiting: "b"},
		{name: "maintenance comes when all is quiet", tasks: "gc a", records: records{"a": {Success: now}, "gc": {Success: night}}, start: "gc"},
		{name: "not before backups", slots: 1, tasks: "gc a", records: records{"gc": {Success: night}}, start: "a", waiting: "gc"},
		{name: "nor beside them", tasks: "gc a", running: map[string]time.Duration{"a": time.Minute}, records: records{"gc": {Success: night}}, waiting: "gc"},
		{name: "but not never", schedule: "daily at 20:00", slots: 1, tasks: "gc a b", running: map[string]time.Duration{"a": time.Minute},
			records: records{"gc": {Success: ago(26 * time.Hour)}, "b": {Success: ago(26 * time.Hour), Took: fast}}, start: "gc", waiting: "b"},
		{name: "one thing of it at a time", tasks: "gc prune a", running: map[string]time.Duration{"gc": time.Minute},
			records: records{"a": {Success: now}, "prune": {Changed: []revision.Name{"a"}, Since: now}}, waiting: "prune"},
		{name: "prune is due when something was backed up", tasks: "prune a", records: records{"a": {Success: now}, "prune": {Changed: []revision.Name{"a"}}}, start: "prune"},
		{name: "and only then", tasks: "prune a", records: records{"a": {Success: now}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := scheduler.Situation{
				Now: now, Slots: max(c.slots, 0), Records: map[scheduler.Key]*scheduler.Record{}, Others: map[revision.Name]bool{},
				Pause: c.pause, Calendar: new(scheduler.Calendar),
			}
			if c.slots == 0 {
				s.Slots = 5
			}
			key := func(name string) scheduler.Key {
				if name == "gc" || name == "prune" {
					return scheduler.Key{Kind: scheduler.Kind(name)}
				}
				return volume(name)
			}
			for word := range strings.FieldsSeq(c.tasks) {
				name, priority, _ := strings.Cut(word, ":")
				text, window := "daily at 02:00", "any"
				if c.schedule != "" {
					text = c.schedule
				}
				if c.window != "" {
					window = c.window
				}
				task := scheduler.Task{Key: key(name), Plans: []schedule.Plan{plan(t, text, window, "UTC", name)}}
				if task.Kind == scheduler.Backup {
					task.Volumes = []revision.Name{revision.Name(name)}
				}
				if task.Kind == scheduler.Prune {
					task.Plans, task.About = nil, scheduler.About{Changed: true, Most: 10}
				}
				_, _ = fmt.Sscan(priority, &task.Priority) // none: 0
				s.Tasks = append(s.Tasks, task)
			}
			for name, r := range c.records {
				s.Records[key(name)] = &r
			}
			for name, since := range c.running {
				s.Running = append(s.Running, scheduler.Run{Key: key(name), Volumes: []revision.Name{revision.Name(name)}, Begun: now.Add(-since)})
			}
			for name := range strings.FieldsSeq(c.others) {
				s.Others[revision.Name(name)] = true
			}
			for name := range strings.FieldsSeq(c.asked) {
				s.Asked = append(s.Asked, key(name))
			}
			d := scheduler.Decide(s)
			if got := names(d.Start); got != c.start {
				t.Errorf("starts %q, want %q", got, c.start)
			}
			if got := names(d.Waiting); got != c.waiting {
				t.Errorf("lets wait %q, want %q", got, c.waiting)
			}
			if !d.Wake.IsZero() && !d.Wake.After(now) {
				t.Errorf("wakes at %s, which is no time to come", d.Wake)
			}
		})
	}
}

func names(keys []scheduler.Key) string {
	var all []string
	for _, k := range keys {
		all = append(all, k.String())
	}
	return strings.Join(all, " ")
}

// Whatever the schedules, zones and jobs are: what is started was due, volumes are not
// doubled, slots are kept, and nothing that is due waits while it could go.
func TestDecideKeepsItsRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		d := scheduler.Decide(s)
		again := scheduler.Decide(s)
		if names(d.Start) != names(again.Start) || names(d.Waiting) != names(again.Waiting) {
			t.Fatalf("the same situation is decided as %v and as %v", d, again)
		}
		busy, maintaining := 0, 0
		taken := map[revision.Name]bool{}
		for _, r := range s.Running {
			if r.Kind.IsBackup() {
				busy++
			} else {
				maintaining++
			}
			for _, v := range r.Volumes {
				taken[v] = true
			}
		}
		before := busy
		for _, k := range d.Start {
			task := s.Tasks[slices.IndexFunc(s.Tasks, func(task scheduler.Task) bool { return task.Key == k })]
			if !k.Kind.IsBackup() {
				maintaining++
				continue
			}
			busy++
			for _, v := range task.Volumes {
				if taken[v] || s.Others[v] {
					t.Fatalf("%s is backed up twice at a time", v)
				}
				taken[v] = true
			}
			r := s.Records[k]
			p := task.Plans[0]
			if prev := p.Prev(s.Now); r != nil && !schedule.IsDue(r.Success, prev, s.Now) && !slices.Contains(s.Asked, k) {
				t.Fatalf("%s is begun at %s, though it was done at %s and due at %s", k, s.Now, r.Success, prev)
			}
			if !p.Window.Contains(s.Now.In(p.Zone)) && !slices.Contains(s.Asked, k) {
				t.Fatalf("%s is begun at %s, outside of its window %s", k, s.Now, p.Window)
			}
		}
		if busy > max(before, s.Slots) {
			t.Fatalf("%d backups at a time, of %d", busy, s.Slots)
		}
		if maintaining > 1 {
			t.Fatalf("%d runs of maintenance at a time", maintaining)
		}
		if len(d.Waiting) > 0 && len(d.Start) == 0 && len(s.Running) == 0 && len(s.Others) == 0 {
			t.Fatalf("%v wait, and nothing runs", d.Waiting)
		}
	})
}

func drawSituation(t *rapid.T) scheduler.Situation {
	zones := []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"}
	zone := rapid.SampledFrom(zones).Draw(t, "zone")
	base := time.Unix(rapid.Int64Range(0, 2_500_000_000).Draw(t, "now"), 0)
	if rapid.Bool().Draw(t, "change") { // near a change of clocks
		base = rapid.SampledFrom([]time.Time{
			time.Unix(1774746000, 0), time.Unix(1792890000, 0), time.Unix(1759591800, 0), time.Unix(1325239200, 0), time.Unix(1709164800, 0),
		}).Draw(t, "moment").Add(time.Duration(rapid.IntRange(-7200, 7200).Draw(t, "off")) * time.Second)
	}
	s := scheduler.Situation{
		Now: base, Slots: rapid.IntRange(1, 4).Draw(t, "slots"), Records: map[scheduler.Key]*scheduler.Record{},
		Others: map[revision.Name]bool{}, Calendar: new(scheduler.Calendar),
	}
	texts := []string{"daily", "daily at 02:30", "every 6h", "every 15m", "0 3 * * sun", "30 2 29 2 *", "59 23 31 12 *", "never"}
	windows := []string{"any", "22:00-06:00", "02:00-03:00"}
	at := func(label string) time.Time {
		if rapid.IntRange(0, 3).Draw(t, label+" none") == 0 {
			return time.Time{}
		}
		hours := rapid.SampledFrom([]int{1, 10, 100, 1000, 87600}).Draw(t, label+" scale")
		return base.Add(time.Duration(rapid.IntRange(-hours*60, hours*6).Draw(t, label)) * time.Minute)
	}
	for i := range rapid.IntRange(0, 12).Draw(t, "tasks") {
		name := fmt.Sprint("v", i)
		task := backupOf(name, plan(t, rapid.SampledFrom(texts).Draw(t, "schedule"), rapid.SampledFrom(windows).Draw(t, "window"), zone, name))
		if task.Plans[0].Validate() != nil {
			continue
		}
		task.Priority = rapid.IntRange(-1, 1).Draw(t, "priority")
		if i > 0 && rapid.IntRange(0, 5).Draw(t, "shares") == 0 {
			task.Volumes = append(task.Volumes, "v0")
		}
		s.Tasks = append(s.Tasks, task)
		r := &scheduler.Record{
			Success: at("success"), Begun: at("begun"), Failures: rapid.IntRange(0, 12).Draw(t, "failures"), NotBefore: at("not before"), Off: at("off"),
		}
		if rapid.Bool().Draw(t, "known") {
			r.Took = []float64{rapid.Float64Range(0, 100_000).Draw(t, "took")}
		}
		s.Records[task.Key] = r
		switch rapid.IntRange(0, 9).Draw(t, "is") {
		case 0:
			if len(s.Running) < s.Slots && !slices.ContainsFunc(s.Running, func(r scheduler.Run) bool { return slices.Contains(r.Volumes, "v0") }) {
				s.Running = append(s.Running, scheduler.Run{Key: task.Key, Volumes: task.Volumes, Begun: base.Add(-time.Duration(rapid.IntRange(0, 300).Draw(t, "for")) * time.Minute)})
			}
		case 1:
			s.Others[revision.Name(name)] = true
		case 2:
			s.Asked = append(s.Asked, task.Key)
		}
	}
	s.Tasks = append(s.Tasks, scheduler.Task{Key: gc, Plans: []schedule.Plan{plan(t, "daily at 07:00", "any", zone, "gc")}})
	s.Pause = scheduler.Pause{From: at("paused from"), Until: at("paused until")}
	return s
}
