package hostlimit_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"varve/hostlimit"
)

// disks are disks under a pressure that the test sets.
type disks struct {
	mu    sync.Mutex
	some  float64
	err   error
	looks int
}

func (d *disks) set(some float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.some = some
}

func (d *disks) read() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looks++
	if d.err != nil {
		return nil, d.err
	}
	return fmt.Appendf(nil, "some avg10=%.2f avg60=99.00 avg300=0.00 total=1\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=1\n", d.some), nil
}

func pressed(t *testing.T, dir string, d *disks, log *bytes.Buffer) *hostlimit.Slot {
	t.Helper()
	h, err := hostlimit.OpenWith(dir, hostlimit.Limits{Pressure: 40, Log: slog.New(slog.NewTextHandler(log, nil))}, d.read)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	s := acquire(t, h, "v")
	t.Cleanup(func() { release(t, s) })
	return s
}

func TestReadingPausesUnderPressure(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d, log := &disks{some: 40}, new(bytes.Buffer)
		s := pressed(t, dir, d, log)
		ctx, cancel := context.WithCancel(t.Context())
		reads := make(chan error)
		go func() {
			for ctx.Err() == nil {
				select {
				case reads <- s.Read(ctx, 1):
				case <-ctx.Done():
				}
			}
		}()
		// Each step: what the disks are under, and whether reading goes on then. It does
		// not go on as soon as it is allowed to begin, nor stop where it goes on.
		for i, step := range []struct {
			some  float64
			reads bool
		}{{40, true}, {41, false}, {39, false}, {31, false}, {29, true}, {39, true}, {100, false}, {0, true}} {
			d.set(step.some)
			time.Sleep(1500 * time.Millisecond)
			select {
			case err := <-reads: // perhaps let in before the step
				if err != nil {
					t.Fatal(err)
				}
			default:
			}
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			select {
			case err := <-reads:
				if err != nil || !step.reads {
					t.Errorf("step %d: at %.0f%% a read was let in (%v)", i, step.some, err)
				}
			default:
				if step.reads {
					t.Errorf("step %d: at %.0f%% no read was let in", i, step.some)
				}
			}
		}
		cancel()
		synctest.Wait()
		if d.looks > 40 {
			t.Errorf("%d looks in 24 seconds", d.looks)
		}
		if n := strings.Count(log.String(), "reading pauses"); n != 2 {
			t.Errorf("%d pauses are told of:\n%s", n, log)
		}
	})
}

func TestAPauseObeysTheContext(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log := new(bytes.Buffer)
		s := pressed(t, dir, &disks{some: 90}, log)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begun := time.Now()
		if err := s.Read(ctx, 1); err != context.DeadlineExceeded || time.Since(begun) != time.Hour {
			t.Errorf("Read after %s: %v", time.Since(begun), err)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings of a long pause:\n%s", n, log)
		}
	})
}

func TestAKernelThatDoesNotTellStopsNobody(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"absent": &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, "refused": fs.ErrPermission} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := new(bytes.Buffer)
			d := &disks{err: err}
			s := pressed(t, t.TempDir(), d, log)
			for range 100 {
				if err := s.Read(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			}
			if d.looks != 1 || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("%d looks, said:\n%s", d.looks, log)
			}
		})
	}
}

func TestParsePressure(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"some avg10=0.22 avg60=0.17 avg300=1.11 total=58761459\nfull avg10=9.00 avg60=0.13 avg300=0.96 total=50000000\n": 0.22,
		"full avg10=9.00\nsome avg60=1.00 avg10=100.00":                                                                  100,
		"":                    -1,
		"some":                -1,
		"some avg60=1.00":     -1,
		"full avg10=9.00":     -1,
		"some avg10=":         -1,
		"some avg10=NaN":      -1,
		"some avg10=-1":       -1,
		"some avg10=101":      -1,
		"some avg10=1.5x\n":   -1,
		"somewhat avg10=1.50": -1,
	} {
		got, err := hostlimit.ParsePressure([]byte(text))
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	if data, err := os.ReadFile("/proc/pressure/io"); err == nil {
		if _, err := hostlimit.ParsePressure(data); err != nil {
			t.Errorf("that of this host: %v", err)
		}
	}
}

func FuzzParsePressure(f *testing.F) {
	f.Add([]byte("some avg10=0.22 avg60=0.17 avg300=1.11 total=58761459\n"))
	f.Add([]byte("some avg10=1e400"))
	f.Fuzz(func(t *testing.T, data []byte) {
		some, err := hostlimit.ParsePressure(data)
		if err == nil && (math.IsNaN(some) || some < 0 || some > 100) {
			t.Errorf("%q: %v", data, some)
		}
	})
}
