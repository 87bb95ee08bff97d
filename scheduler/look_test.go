package scheduler_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"varve/scheduler"
)

// What takes long to look at, as where a source hangs, holds up nothing for ever.
func TestSlowLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, task("a", plan(t, "every 1h", "any", "UTC", "a")))
		h.opts.Look = func(ctx context.Context) (*scheduler.World, error) {
			time.Sleep(2 * time.Minute)
			return h.look(ctx)
		}
		h.runs(func(*scheduler.Scheduler) { time.Sleep(3*time.Hour + 10*time.Minute) })
		if n := len(h.times("a")); n != 4 {
			t.Errorf("in three hours, it is begun %d times, want 4: %v", n, h.times("a"))
		}
	})
}

// What is asked for before anything is known waits for that.
func TestAskedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, task("a", plan(t, "never", "any", "UTC", "a")))
		var blind error
		h.opts.Look = func(ctx context.Context) (*scheduler.World, error) {
			time.Sleep(5 * time.Second)
			w, err := h.look(ctx)
			return w, errors.Join(err, blind)
		}
		run := scheduler.Request{Varve: 1, Do: scheduler.AskRun, Names: []string{"a"}}
		h.runs(func(s *scheduler.Scheduler) {
			if st := s.Do(t.Context(), scheduler.Request{Varve: 1, Do: scheduler.AskStatus}); st.Status == nil {
				t.Errorf("status waits: %+v", st)
			}
			if a := s.Do(t.Context(), run); a.Error != "" || names(a.Done) != "a" {
				t.Errorf("run: %+v", a)
			}
			time.Sleep(time.Hour)
		})
		if len(h.times("a")) != 1 {
			t.Errorf("begun %d times", len(h.times("a")))
		}
		blind = errors.New("the disk is gone")
		h.runs(func(s *scheduler.Scheduler) {
			if a := s.Do(t.Context(), run); !strings.Contains(a.Error, "the disk is gone") {
				t.Errorf("run, where nothing can be seen: %+v", a)
			}
		})
		h.runs(func(s *scheduler.Scheduler) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if a := s.Do(ctx, run); a.Error != scheduler.ErrSilent.Error() {
				t.Errorf("run, for who does not wait: %+v", a)
			}
			time.Sleep(time.Minute)
		})
	})
}
