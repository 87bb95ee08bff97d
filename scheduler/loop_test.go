package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"varve/revision"
	"varve/schedule"
	"varve/scheduler"
)

// house is a world that a scheduler looks at and acts upon.
type house struct {
	t    *testing.T
	dir  string
	mu   sync.Mutex
	opts scheduler.Options

	tasks  []scheduler.Task
	slots  int
	done   map[revision.Name]scheduler.Known
	others map[revision.Name]bool
	begun  map[string][]time.Time // of each run, by its words
	events []scheduler.Event

	takes func(words []string) (time.Duration, scheduler.Result) // what a run does
	at    int                                                    // runs under way
	most  int
}

func newHouse(t *testing.T, tasks ...scheduler.Task) *house {
	h := &house{
		t: t, dir: t.TempDir(), tasks: tasks, slots: 2, done: map[revision.Name]scheduler.Known{}, others: map[revision.Name]bool{},
		begun: map[string][]time.Time{},
		takes: func([]string) (time.Duration, scheduler.Result) {
			return time.Minute, scheduler.Result{Outcome: scheduler.OK}
		},
	}
	h.opts = scheduler.Options{StateDir: h.dir, Group: -1, Runner: h, Look: h.look, Tick: time.Hour, Tell: func(e scheduler.Event) {
		e.Volumes = nil
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, e)
	}}
	return h
}

func (h *house) look(context.Context) (*scheduler.World, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := &scheduler.World{At: time.Now(), Tasks: slices.Clone(h.tasks), Slots: h.slots, Volumes: map[revision.Name]scheduler.Known{}, Others: map[revision.Name]bool{}}
	for name, k := range h.done {
		w.Volumes[name] = k
	}
	for name, is := range h.others {
		w.Others[name] = is
	}
	return w, nil
}

// Run implements [scheduler.Runner].
func (h *house) Run(ctx context.Context, words []string) scheduler.Result {
	h.mu.Lock()
	begun := time.Now()
	name := words[len(words)-1]
	h.begun[name] = append(h.begun[name], begun)
	h.at++
	h.most = max(h.most, h.at)
	takes, res := h.takes(words)
	h.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		res = scheduler.Result{Outcome: scheduler.Failure, Exit: 143, Error: "interrupted by SIGTERM"}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at--
	if res.Outcome.Done() && words[0] == "backup" {
		h.done[revision.Name(name)] = scheduler.Known{Newest: begun, Good: begun, Took: takes}
	}
	return res
}

// runs runs a scheduler while something is done. Wait lets time pass.
func (h *house) runs(during func(s *scheduler.Scheduler)) {
	h.t.Helper()
	s, err := scheduler.Open(h.opts)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	during(s)
	cancel()
	if err := errors.Join(<-ended, s.Close()); err != nil {
		h.t.Error(err)
	}
}

// times are when runs were begun, while others may be.
func (h *house) times(name string) []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.begun[name])
}

func (h *house) kinds() (kinds []scheduler.EventKind) {
	for _, e := range h.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func task(name string, p schedule.Plan) scheduler.Task {
	task := backupOf(name, p)
	task.Words = []string{"backup", name}
	return task
}

// Ten years of nights: each volume has one revision for each of its due times, whatever
// clocks do, and none besides.
func TestEnumerateTenYears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zone := "Europe/Berlin"
		var tasks []scheduler.Task
		for i := range 2 {
			name := fmt.Sprint("daily", i)
			tasks = append(tasks, task(name, plan(t, "daily", "22:00-06:00", zone, name)))
		}
		for name, text := range map[string]string{
			"early": "daily at 02:30", "hours": "every 12h", "sundays": "0 3 * * sun", "leap": "0 12 29 2 *", "month": "30 2 31 * *",
		} {
			tasks = append(tasks, task(name, plan(t, text, "any", zone, name)))
		}
		tasks = append(tasks, scheduler.Task{Key: gc, Plans: []schedule.Plan{plan(t, "daily at 07:00", "any", zone, "gc")}, Words: []string{"gc"}})
		h := newHouse(t, tasks...)
		h.opts.Tick = 24 * time.Hour // it wakes by itself when something is due
		begun := time.Now()
		h.runs(func(*scheduler.Scheduler) {
			time.Sleep(3653 * 24 * time.Hour)
		})
		for _, task := range tasks {
			name := task.Words[len(task.Words)-1]
			got := h.times(name)
			var want []time.Time
			for due := task.Plans[0].Next(begun); !due.IsZero() && due.Before(time.Now().Add(-time.Hour)); due = task.Plans[0].Next(due) {
				want = append(want, due)
			}
			if len(got) > 0 && len(want) > 0 && got[0].Before(want[0]) {
				got = got[1:] // what has no revision is due at once
			}
			got = slices.DeleteFunc(got, func(at time.Time) bool { return !at.Before(time.Now().Add(-time.Hour)) })
			if len(got) != len(want) {
				t.Errorf("%s: %d runs, want %d", name, len(got), len(want))
				continue
			}
			for i := range got {
				if late := got[i].Sub(want[i]); late < 0 || late > 10*time.Minute && task.Kind.IsBackup() || late > time.Hour {
					t.Errorf("%s: the run that is due at %s is begun at %s", name, want[i], got[i])
				}
			}
		}
		if h.most > 3 {
			t.Errorf("%d runs at a time", h.most)
		}
	})
}

// A host that was down for a month makes up for it once.
func TestCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, task("a", plan(t, "daily at 02:00", "any", "UTC", "a")), task("b", plan(t, "every 1h", "22:00-06:00", "UTC", "b")))
		h.runs(func(*scheduler.Scheduler) { time.Sleep(50 * time.Hour) })
		before := len(h.times("a"))
		time.Sleep(30*24*time.Hour + 13*time.Hour) // 15:00
		begun := time.Now()
		h.runs(func(*scheduler.Scheduler) { time.Sleep(time.Hour) })
		if n := len(h.times("a")) - before; n != 1 {
			t.Errorf("it is made up for %d times", n)
		}
		if last := h.times("b")[len(h.times("b"))-1]; !last.Before(begun) {
			t.Errorf("outside of its window, it is made up for at %s", last)
		}
	})
}

// What fails is tried again, later and later, and never twice at the same distance of
// another; then it recovers, and everything is told once.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, task("a", plan(t, "daily at 02:00", "any", "UTC", "a")), task("b", plan(t, "daily at 02:00", "any", "UTC", "b")))
		fail := true
		h.takes = func([]string) (time.Duration, scheduler.Result) {
			if fail {
				return time.Second, scheduler.Result{Outcome: scheduler.Failure, Exit: 1, Error: "no such disk"}
			}
			return time.Second, scheduler.Result{Outcome: scheduler.OK}
		}
		h.runs(func(*scheduler.Scheduler) {
			time.Sleep(60 * time.Hour)
			h.mu.Lock()
			fail = false
			h.mu.Unlock()
			time.Sleep(24 * time.Hour)
		})
		tries := h.times("a")
		if len(tries) < 8 || len(tries) > 30 {
			t.Fatalf("%d tries in 60 hours: %v", len(tries), tries)
		}
		for i := 2; i < 6; i++ {
			if tries[i].Sub(tries[i-1]) <= tries[i-1].Sub(tries[i-2]) && tries[i].UTC().Hour() != 2 {
				t.Errorf("try %d comes %s after the one before, which came after %s", i, tries[i].Sub(tries[i-1]), tries[i-1].Sub(tries[i-2]))
			}
		}
		for i := 1; i < 4; i++ {
			if tries[i].Equal(h.times("b")[i]) {
				t.Errorf("what failed together is tried together again, at %s", tries[i])
			}
		}
		count := map[scheduler.EventKind]int{}
		for _, e := range h.events {
			if e.Task.Name == "a" {
				count[e.Kind]++
			}
		}
		if count[scheduler.Recovered] != 1 || count[scheduler.Overdue] != 1 || count[scheduler.Failed] != len(tries)-count[scheduler.Succeeded] {
			t.Errorf("told: %v of %d tries", count, len(tries))
		}
	})
}

// One volume of days holds up none of the others.
func TestEnumerateLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tasks []scheduler.Task
		for i := range 40 {
			name := fmt.Sprint("small", i)
			tasks = append(tasks, task(name, plan(t, "daily", "any", "UTC", name)))
		}
		for i := range 3 {
			name := fmt.Sprint("huge", i)
			huge := task(name, plan(t, "daily", "any", "UTC", name))
			huge.Priority = 9
			tasks = append(tasks, huge)
		}
		h := newHouse(t, tasks...)
		for _, task := range tasks[40:] {
			h.done[task.Volumes[0]] = scheduler.Known{Size: 20 << 40}
		}
		h.takes = func(words []string) (time.Duration, scheduler.Result) {
			if words[1][0] == 'h' {
				return 30 * time.Hour, scheduler.Result{Outcome: scheduler.OK}
			}
			return time.Minute, scheduler.Result{Outcome: scheduler.OK}
		}
		h.runs(func(*scheduler.Scheduler) { time.Sleep(60 * 24 * time.Hour) })
		for i := range 40 {
			runs := h.times(fmt.Sprint("small", i))
			for k := 2; k < len(runs); k++ { // the first comes at once
				if gap := runs[k].Sub(runs[k-1]); gap > 25*time.Hour {
					t.Errorf("small%d waits for %s", i, gap)
				}
			}
			if len(runs) < 55 {
				t.Errorf("small%d is backed up %d times in 60 days", i, len(runs))
			}
		}
		for i := range 3 { // 90 hours of work by a lane of 24
			if n := len(h.times(fmt.Sprint("huge", i))); n < 12 {
				t.Errorf("huge%d is backed up %d times in 60 days: it starves", i, n)
			}
		}
	})
}

// Runs are called off, asked for, and nothing is begun in a pause.
func TestControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, task("a", plan(t, "daily at 02:00", "any", "UTC", "a")), task("b", plan(t, "daily at 02:00", "any", "UTC", "b")))
		h.takes = func(words []string) (time.Duration, scheduler.Result) {
			return 5 * time.Hour, scheduler.Result{Outcome: scheduler.OK}
		}
		do := func(s *scheduler.Scheduler, r scheduler.Request) scheduler.Answer {
			r.Varve = 1
			return s.Do(t.Context(), r)
		}
		h.runs(func(s *scheduler.Scheduler) {
			synctest.Wait()
			if a := do(s, scheduler.Request{Do: scheduler.AskCancel, Names: []string{"a"}}); a.Error != "" || names(a.Done) != "a" {
				t.Errorf("call off: %+v", a)
			}
			time.Sleep(time.Hour)
			h.mu.Lock()
			if !slices.ContainsFunc(h.events, func(e scheduler.Event) bool { return e.Kind == scheduler.Cancelled && e.Text == "it was called off" }) {
				t.Errorf("nobody is told why it ended: %+v", h.events)
			}
			h.mu.Unlock()
			if n := len(h.times("a")); n != 1 {
				t.Errorf("what was called off is begun %d times before it is due again", n)
			}
			time.Sleep(19 * time.Hour)
			if a := do(s, scheduler.Request{Do: scheduler.AskCancel, Names: []string{"a"}}); a.Error == "" {
				t.Errorf("what does not run is called off")
			}
			if a := do(s, scheduler.Request{Do: scheduler.AskRun, Names: []string{"bb"}}); a.Error == "" {
				t.Errorf("what is not known is run")
			}
			if a := do(s, scheduler.Request{Do: scheduler.AskRun, Names: []string{"scrub"}}); !strings.Contains(a.Error, "varve scrub does it now") {
				t.Errorf("run, of what has no schedule: %+v", a)
			}
			if a := do(s, scheduler.Request{Do: scheduler.AskPause, For: 24 * time.Hour}); a.Error != "" {
				t.Errorf("pause: %s", a.Error)
			}
			if a := do(s, scheduler.Request{Do: scheduler.AskRun, Names: []string{"a"}}); a.Error != "" {
				t.Errorf("run: %s", a.Error)
			}
			time.Sleep(20 * time.Hour)
			if a, b := len(h.times("a")), len(h.times("b")); a != 3 || b != 2 {
				t.Errorf("in a pause, a is begun %d times and b %d times, want 3 and 2", a, b)
			}
			if st := do(s, scheduler.Request{Do: scheduler.AskStatus}).Status; st.Paused.IsZero() || st.Tasks != 2 || len(st.Running) != 0 {
				t.Errorf("status: %+v", st)
			}
			if a := do(s, scheduler.Request{Do: scheduler.AskResume}); a.Error != "" {
				t.Errorf("resume: %s", a.Error)
			}
			time.Sleep(time.Hour)
			if b := len(h.times("b")); b != 3 {
				t.Errorf("after the pause, b is begun %d times", b)
			}
			if a := s.Do(t.Context(), scheduler.Request{Varve: 2, Do: scheduler.AskStatus}); a.Error == "" {
				t.Errorf("another version is answered: %+v", a)
			}
		})
	})
}

// A configuration that is wrong changes nothing, and is told of once.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, task("a", plan(t, "daily at 02:00", "any", "UTC", "a")))
		var wrong error
		h.opts.Reload = func() error { return wrong }
		h.runs(func(s *scheduler.Scheduler) {
			synctest.Wait()
			reload := func() scheduler.Answer {
				return s.Do(t.Context(), scheduler.Request{Varve: 1, Do: scheduler.AskReload})
			}
			wrong = errors.New("line 3: no")
			for range 2 {
				if a := reload(); a.Error == "" {
					t.Error("what is wrong is used")
				}
			}
			if st := s.Do(t.Context(), scheduler.Request{Varve: 1, Do: scheduler.AskStatus}).Status; st.Broken != "line 3: no" {
				t.Errorf("status says %q", st.Broken)
			}
			wrong = nil
			h.mu.Lock()
			h.tasks = append(h.tasks, task("b", plan(t, "daily at 02:00", "any", "UTC", "b")))
			h.mu.Unlock()
			if a := reload(); a.Error != "" {
				t.Error(a.Error)
			}
			time.Sleep(time.Minute)
			if len(h.times("b")) != 1 {
				t.Error("what is new is not begun")
			}
		})
		want := []scheduler.EventKind{scheduler.ConfigBroken, scheduler.ConfigMended}
		got := slices.DeleteFunc(h.kinds(), func(k scheduler.EventKind) bool { return !slices.Contains(want, k) })
		if !slices.Equal(got, want) {
			t.Errorf("told: %v", got)
		}
	})
}

// Prune is about what was backed up since; a task that takes turns takes all of them.
func TestMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := []revision.Name{"a", "b", "c"}
		var tasks []scheduler.Task
		for _, v := range all {
			tasks = append(tasks, task(string(v), plan(t, "daily at 02:00", "any", "UTC", string(v))))
		}
		tasks = append(tasks,
			scheduler.Task{Key: scheduler.Key{Kind: scheduler.Prune}, Volumes: all[:2], Words: []string{"prune"}, About: scheduler.About{Changed: true, Most: 100}},
			scheduler.Task{Key: scheduler.Key{Kind: "try"}, Volumes: all, Words: []string{"try"}, About: scheduler.About{Most: 1},
				Plans: []schedule.Plan{plan(t, "daily at 09:00", "any", "UTC", "try")}})
		h := newHouse(t, tasks...)
		var words [][]string
		h.takes = func(w []string) (time.Duration, scheduler.Result) {
			if w[0] != "backup" {
				words = append(words, w)
			}
			return time.Second, scheduler.Result{Outcome: scheduler.OK}
		}
		h.runs(func(*scheduler.Scheduler) { time.Sleep(9*24*time.Hour + 12*time.Hour) })
		pruned, turns := 0, map[string]int{}
		for _, w := range words {
			switch {
			case w[0] == "prune" && (len(w) != 3 || w[1] == w[2] || slices.Contains(w, "c")):
				t.Errorf("%v", w)
			case w[0] == "prune":
				pruned++
			default:
				turns[w[1]]++
			}
		}
		if pruned != 11 { // at once, and in each of ten nights
			t.Errorf("pruned %d times", pruned)
		}
		for _, v := range all {
			if turns[string(v)] < 3 {
				t.Errorf("turns: %v", turns)
			}
		}
	})
}

// What somebody else backed up is not backed up again, and is waited for.
func TestOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, task("a", plan(t, "daily at 02:00", "any", "UTC", "a")))
		h.done["a"] = scheduler.Known{Newest: time.Now(), Good: time.Now()}
		h.runs(func(*scheduler.Scheduler) {
			time.Sleep(25 * time.Hour)
			h.mu.Lock()
			h.others["a"] = true
			h.mu.Unlock()
			time.Sleep(6 * time.Hour) // 07:00
			h.mu.Lock()
			h.others["a"] = false
			h.done["a"] = scheduler.Known{Newest: time.Now().Add(-time.Hour), Good: time.Now()}
			h.mu.Unlock()
			time.Sleep(10 * time.Hour)
		})
		if runs := h.times("a"); len(runs) != 1 || runs[0].UTC().Hour() != 2 {
			t.Errorf("begun at %v", runs)
		}
	})
}

// Only one has the directory; and who comes second learns who.
func TestOne(t *testing.T) {
	h := newHouse(t)
	h.runs(func(s *scheduler.Scheduler) {
		s.Do(t.Context(), scheduler.Request{Varve: 1, Do: scheduler.AskStatus}) // it has begun
		_, err := scheduler.Open(h.opts)
		if taken := new(scheduler.TakenError); !errors.As(err, &taken) {
			t.Errorf("a second one: %v", err)
		}
	})
	h.runs(func(*scheduler.Scheduler) {})
}
