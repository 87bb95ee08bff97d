package hostlimit_test

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"varve/hostlimit"
)

const mib = 1 << 20

// reading is somebody who reads through a slot, and what he got.
type reading struct {
	piece int           // bytes at once
	pause time.Duration // after each: a slow source
	got   atomic.Int64
}

// run lets all of them read for a while, each with a slot of its own Host, and
// makes sure at each read that together they had no more than the rate allows.
func run(t *testing.T, dir string, rate func(time.Time) int64, lasts time.Duration, readings ...*reading) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	begun := time.Now()
	var total atomic.Int64
	burst := max(int64(float64(rate(begun))*0.040), 1) // helping and lag
	for _, r := range readings {
		go func() {
			h, err := hostlimit.Open(dir, hostlimit.Limits{Jobs: len(readings), Rate: rate})
			if err != nil {
				t.Error(err)
				return
			}
			s, err := h.Acquire(ctx, hostlimit.Holder{}, 0, nil)
			if err != nil {
				t.Error(err)
				return
			}
			for s.Read(ctx, r.piece) == nil {
				r.got.Add(int64(r.piece))
				now := total.Add(int64(r.piece))
				// A read of many bytes was waited for before the first of them came.
				if allowed := int64(float64(rate(begun))*time.Since(begun).Seconds()) + burst + 1; now > allowed {
					t.Errorf("%d bytes after %s, want at most %d", now, time.Since(begun), allowed)
					cancel()
				}
				time.Sleep(r.pause)
			}
			release(t, s)
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	synctest.Wait()
	time.Sleep(lasts + time.Second)
}

func within(t *testing.T, what string, got, want int64) {
	t.Helper()
	if float64(got) < 0.95*float64(want) || float64(got) > 1.05*float64(want) {
		t.Errorf("%s: %d bytes, want about %d", what, got, want)
	}
}

func steady(rate int64) func(time.Time) int64 { return func(time.Time) int64 { return rate } }

// Bubbles have a clock of their own, so nothing here depends on how fast the machine is.
// They are not parallel to tests that start processes: until a new process has called
// exec, it holds the locks of this one, and the clock of a bubble does not wait for that.
func TestTheRateIsSharedFairly(t *testing.T) {
	for name, rate := range map[string]int64{"400 MiB": 400 * mib, "3 KiB": 3 << 10, "10 GiB": 10 << 30} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				all := []*reading{{piece: 1024}, {piece: 64}, {piece: 1024}}
				if rate > mib {
					all = []*reading{{piece: mib}, {piece: 64 << 10}, {piece: 4 * mib}}
				}
				run(t, dir, steady(rate), 20*time.Second, all...)
				for _, r := range all {
					within(t, "reader", r.got.Load(), rate*20/3)
				}
			})
		})
	}
}

func TestASlowReaderLeavesTheRestToOthers(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		slow := &reading{piece: mib, pause: time.Second}
		fast := &reading{piece: mib}
		run(t, dir, steady(100*mib), 20*time.Second, slow, fast)
		within(t, "together", slow.got.Load()+fast.got.Load(), 20*100*mib)
		if slow.got.Load() < 15*mib {
			t.Errorf("the slow reader got %d bytes", slow.got.Load())
		}
	})
}

func TestManyGoroutinesOfASlotAreOneReader(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, dir, hostlimit.Limits{Jobs: 2, Rate: steady(100 * mib)})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var got [2]atomic.Int64
		for i, workers := range []int{1, 16} {
			s := acquire(t, h, "v")
			defer release(t, s)
			for range workers {
				go func() {
					for s.Read(ctx, mib) == nil {
						got[i].Add(mib)
					}
				}()
			}
		}
		time.Sleep(11 * time.Second)
		within(t, "one worker", got[0].Load(), 500*mib)
		within(t, "many workers", got[1].Load(), 500*mib)
	})
}

// Turns that lie far ahead were given before the clock was set back, and what is in
// the file may be anything.
func TestWhatTheRateFileSaysIsBounded(t *testing.T) {
	for name, next := range map[string]func(now time.Time) []byte{
		"far ahead": func(now time.Time) []byte {
			return binary.LittleEndian.AppendUint64(nil, uint64(now.Add(time.Hour).UnixNano()))
		},
		"the end of time": func(time.Time) []byte { return []byte{255, 255, 255, 255, 255, 255, 255, 127} },
		"its beginning":   func(time.Time) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, 128} },
		"torn":            func(time.Time) []byte { return []byte{1, 2, 3} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				h := open(t, dir, hostlimit.Limits{Rate: steady(mib)})
				if err := os.WriteFile(filepath.Join(dir, hostlimit.RateFile), next(time.Now()), 0o600); err != nil {
					t.Fatal(err)
				}
				s := acquire(t, h, "v")
				defer release(t, s)
				begun := time.Now()
				if err := s.Read(t.Context(), 3*mib); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took < 2900*time.Millisecond || took > 3100*time.Millisecond {
					t.Errorf("3 MiB at 1 MiB a second took %s", took)
				}
			})
		})
	}
}

func TestTheRateOfTheHourCounts(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		h := open(t, dir, hostlimit.Limits{Rate: func(now time.Time) int64 {
			switch {
			case now.Sub(begun) < 10*time.Second:
				return mib
			case now.Sub(begun) < 20*time.Second:
				return 10 * mib
			}
			return 0
		}})
		s := acquire(t, h, "v")
		defer release(t, s)
		for range 10 + 100 + 10_000 { // the last ones without any limit
			if err := s.Read(t.Context(), mib); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took < 19*time.Second || took > 21*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// Without the file, everybody keeps to his part: never too fast, never a failure.
func TestWithoutTheFileEverybodyKeepsToHisPart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, dir, hostlimit.Limits{Jobs: 4, Rate: steady(8 * mib)})
		s := acquire(t, h, "v")
		defer release(t, s)
		if err := os.RemoveAll(filepath.Join(dir, "slots")); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := s.Read(t.Context(), 20*mib); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 9500*time.Millisecond || took > 10500*time.Millisecond {
			t.Errorf("20 MiB at a quarter of 8 MiB a second took %s", took)
		}
	})
}

func TestAReadThatIsCalledOffEnds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, dir, hostlimit.Limits{Rate: steady(1)})
		s := acquire(t, h, "v")
		defer release(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		for range 2 { // the second waits for the first
			go func() { ended <- s.Read(ctx, mib) }()
		}
		synctest.Wait()
		cancel()
		for range 2 {
			if err := <-ended; err != context.Canceled {
				t.Errorf("Read: %v", err)
			}
		}
	})
}
