package scheduler_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"varve/revision"
	"varve/schedule"
	"varve/scheduler"
)

// When it is to end, what runs has a while, and is then called off; it is due still.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, task("short", plan(t, "daily at 02:00", "any", "UTC", "a")), task("long", plan(t, "daily at 02:00", "any", "UTC", "b")))
		h.opts.Finish = time.Minute
		h.takes = func(words []string) (time.Duration, scheduler.Result) {
			if words[1] == "short" {
				return 30 * time.Second, scheduler.Result{Outcome: scheduler.OK}
			}
			return time.Hour, scheduler.Result{Outcome: scheduler.OK}
		}
		begun := time.Now()
		var late scheduler.Answer
		answered := make(chan struct{})
		h.runs(func(s *scheduler.Scheduler) {
			synctest.Wait()
			go func() {
				defer close(answered)
				time.Sleep(time.Second)
				late = s.Do(t.Context(), scheduler.Request{Varve: 1, Do: scheduler.AskRun, Names: []string{"short"}})
			}()
		})
		<-answered
		if !strings.Contains(late.Error, "the scheduler ends") {
			t.Errorf("run, of one that ends: %+v", late)
		}
		if took := time.Since(begun); took != time.Minute {
			t.Errorf("it ends after %s", took)
		}
		if h.done["short"].Newest.IsZero() || !h.done["long"].Newest.IsZero() {
			t.Errorf("done: %v", h.done)
		}
		h.runs(func(*scheduler.Scheduler) { time.Sleep(90 * time.Minute) })
		if len(h.times("short")) != 1 || len(h.times("long")) != 2 {
			t.Errorf("after the next one began: %v", h.begun)
		}
	})
}

// What was seen while a run ended does not have it run again.
func TestSeenBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, task("a", plan(t, "daily at 02:00", "any", "UTC", "a")))
		begins, seen := make(chan struct{}), make(chan struct{})
		var once sync.Once
		looks := 0
		h.opts.Look = func(ctx context.Context) (*scheduler.World, error) {
			w, err := h.look(ctx)
			if looks++; looks == 2 { // while it runs
				close(seen)
				time.Sleep(time.Second)
			}
			return w, err
		}
		h.opts.Runner = runner(func(ctx context.Context, words []string) scheduler.Result {
			once.Do(func() { close(begins) })
			<-seen
			h.takes = func([]string) (time.Duration, scheduler.Result) { return 0, scheduler.Result{Outcome: scheduler.OK} }
			return h.Run(ctx, words)
		})
		h.runs(func(s *scheduler.Scheduler) {
			<-begins
			if a := s.Do(t.Context(), scheduler.Request{Varve: 1, Do: scheduler.AskReload}); a.Error != "" {
				t.Error(a.Error)
			}
			time.Sleep(time.Hour)
		})
		if len(h.times("a")) != 1 {
			t.Errorf("begun: %v", h.times("a"))
		}
	})
}

// A repository that cannot be read has no volume backed up again.
func TestUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, task("a", plan(t, "every 100d", "any", "UTC", "a")))
		h.runs(func(*scheduler.Scheduler) { time.Sleep(time.Hour) })
		h.opts.Look = func(context.Context) (*scheduler.World, error) {
			return &scheduler.World{At: time.Now(), Tasks: h.tasks, Slots: 2, Volumes: map[revision.Name]scheduler.Known{"a": {Size: 1}}, Unread: []string{"no disk"}}, nil
		}
		h.runs(func(s *scheduler.Scheduler) {
			time.Sleep(time.Hour)
			if st := s.Do(t.Context(), scheduler.Request{Varve: 1, Do: scheduler.AskStatus}).Status; st.Blind != "no disk" {
				t.Errorf("status says it is blind for %q", st.Blind)
			}
		})
		if len(h.times("a")) != 1 {
			t.Errorf("begun: %v", h.times("a"))
		}
	})
}

type runner func(ctx context.Context, words []string) scheduler.Result

// Run implements [scheduler.Runner].
func (r runner) Run(ctx context.Context, words []string) scheduler.Result { return r(ctx, words) }

// Killed at any moment, and with its state lost or damaged, the next one forgets and
// doubles nothing, and says that the one before died.
func TestKilled(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, path string){
		"whole": func(*testing.T, string) {},
		"lost": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"cut short": func(t *testing.T, path string) {
			if err := os.Truncate(path, 100); err != nil {
				t.Fatal(err)
			}
		},
		"damaged": func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err == nil {
				data[len(data)/2] ^= 4
				err = os.WriteFile(path, data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, task("a", plan(t, "daily at 02:00", "any", "UTC", "a")), task("b", plan(t, "daily at 02:00", "any", "UTC", "b")))
				path := filepath.Join(scheduler.Dir(h.dir, revision.UUID{}), "state.json")
				var before []byte
				h.runs(func(*scheduler.Scheduler) {
					time.Sleep(50*time.Hour + 10*time.Minute)
					var err error
					if before, err = os.ReadFile(path); err != nil { // as a kill would leave it
						t.Fatal(err)
					}
				})
				if err := os.WriteFile(path, before, 0o600); err != nil {
					t.Fatal(err)
				}
				harm(t, path)
				runs := len(h.times("a")) + len(h.times("b"))
				h.events = nil
				h.runs(func(*scheduler.Scheduler) { time.Sleep(30 * time.Minute) })
				if n := len(h.times("a")) + len(h.times("b")); n != runs {
					t.Errorf("%d runs more than were due", n-runs)
				}
				if died := slices.Contains(h.kinds(), scheduler.Died); died != (name == "whole") {
					t.Errorf("told: %v", h.kinds())
				}
				h.runs(func(*scheduler.Scheduler) { time.Sleep(24 * time.Hour) })
				if n := len(h.times("a")) + len(h.times("b")); n != runs+2 {
					t.Errorf("%d runs of the next night", n-runs)
				}
			})
		})
	}
}

// A prune that was called off is due again with the next backup, and not at once.
func TestPruneIsCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prune := scheduler.Task{Key: scheduler.Key{Kind: scheduler.Prune}, Volumes: []revision.Name{"a"}, Words: []string{"prune"}, About: scheduler.About{Changed: true, Most: 100}}
		h := newHouse(t, task("a", plan(t, "daily at 02:00", "any", "UTC", "a")), prune)
		var pruned atomic.Int32
		h.takes = func(w []string) (time.Duration, scheduler.Result) {
			if w[0] == "prune" {
				pruned.Add(1)
				return time.Hour, scheduler.Result{Outcome: scheduler.OK}
			}
			return time.Minute, scheduler.Result{Outcome: scheduler.OK}
		}
		h.runs(func(s *scheduler.Scheduler) {
			time.Sleep(10 * time.Minute)
			if a := s.Do(t.Context(), scheduler.Request{Varve: 1, Do: scheduler.AskCancel, Names: []string{"prune"}}); a.Error != "" {
				t.Fatalf("%+v", a)
			}
			time.Sleep(time.Hour)
			if n := pruned.Load(); n != 1 {
				t.Errorf("an hour after it was called off, it was begun %d times", n)
			}
			time.Sleep(24 * time.Hour)
		})
		if n := pruned.Load(); n != 2 {
			t.Errorf("with the night after, it was begun %d times", n)
		}
	})
}

// Volumes that cannot be pruned keep the turn from none of the others.
func TestPruneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prune := scheduler.Task{Key: scheduler.Key{Kind: scheduler.Prune}, Volumes: []revision.Name{"a", "b", "c"}, Words: []string{"prune"}, About: scheduler.About{Changed: true, Most: 1}}
		tasks := []scheduler.Task{prune}
		for _, v := range prune.Volumes {
			tasks = append(tasks, task(string(v), plan(t, "daily at 02:00", "any", "UTC", string(v))))
		}
		h := newHouse(t, tasks...)
		h.slots = 3
		tries := map[string]int{}
		h.takes = func(w []string) (time.Duration, scheduler.Result) {
			if w[0] == "prune" {
				if tries[w[1]]++; w[1] != "c" {
					return time.Second, scheduler.Result{Outcome: scheduler.Failure, Exit: 1}
				}
			}
			return time.Second, scheduler.Result{Outcome: scheduler.OK}
		}
		h.runs(func(*scheduler.Scheduler) { time.Sleep(2 * time.Hour) })
		if tries["a"] == 0 || tries["b"] == 0 || tries["c"] != 1 {
			t.Errorf("tried: %v", tries)
		}
	})
}

// What was asked for by somebody who went before anything was known is not done: they were told so.
func TestAskedByWhoIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, task("a", plan(t, "never", "any", "UTC", "a")))
		h.opts.Look = func(ctx context.Context) (*scheduler.World, error) {
			time.Sleep(5 * time.Second)
			return h.look(ctx)
		}
		h.runs(func(s *scheduler.Scheduler) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if a := s.Do(ctx, scheduler.Request{Varve: 1, Do: scheduler.AskRun, Names: []string{"a"}}); a.Error != scheduler.ErrSilent.Error() {
				t.Errorf("run: %+v", a)
			}
			time.Sleep(time.Hour)
		})
		if n := len(h.times("a")); n != 0 {
			t.Errorf("begun %d times", n)
		}
	})
}

// A task that takes turns, and has nobody whose turn it could be, is not run: without a name, it would be about all.
func TestNobodysTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drill := scheduler.Task{Key: scheduler.Key{Kind: scheduler.Drill}, Words: []string{"drill"}, About: scheduler.About{Most: 1}, Plans: []schedule.Plan{plan(t, "every 100d", "any", "UTC", "drill")}}
		h := newHouse(t, drill)
		h.runs(func(s *scheduler.Scheduler) {
			time.Sleep(time.Hour)
			if a := s.Do(t.Context(), scheduler.Request{Varve: 1, Do: scheduler.AskRun, Names: []string{"drill"}}); a.Error != "there is nothing for drill to do" {
				t.Errorf("asked for: %+v", a)
			}
			time.Sleep(time.Hour)
			h.mu.Lock()
			h.tasks[0].Volumes = []revision.Name{"a"}
			h.mu.Unlock()
			time.Sleep(3 * time.Hour) // it looks once an hour
		})
		if len(h.times("drill")) != 0 || len(h.times("a")) != 1 {
			t.Errorf("begun: %v", h.begun)
		}
	})
}
