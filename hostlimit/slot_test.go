package hostlimit_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"varve/hostlimit"
	"varve/internal/process"
)

func open(t *testing.T, dir string, l hostlimit.Limits) *hostlimit.Host {
	t.Helper()
	h, err := hostlimit.Open(dir, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func acquire(t *testing.T, h *hostlimit.Host, volume string) *hostlimit.Slot {
	t.Helper()
	s, err := h.Acquire(t.Context(), hostlimit.Holder{Identity: process.Own("backup"), Volume: volume}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func release(t *testing.T, s *hostlimit.Slot) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// wantBusy makes sure that no slot is to be had now.
func wantBusy(t *testing.T, h *hostlimit.Host) *hostlimit.BusyError {
	t.Helper()
	s, err := h.Acquire(t.Context(), hostlimit.Holder{}, 0, nil)
	busy := new(hostlimit.BusyError)
	if !errors.As(err, &busy) {
		t.Fatalf("Acquire = %v, %v, want a BusyError", s, err)
	}
	return busy
}

func TestNeverMoreThanJobsProcessesAtOnce(t *testing.T) {
	t.Parallel()
	for _, jobs := range []int{1, 3} {
		t.Run(strconv.Itoa(jobs), func(t *testing.T) {
			t.Parallel()
			const processes, rounds = 6, 8
			dir := t.TempDir()
			ledger := filepath.Join(dir, "ledger")
			if err := os.WriteFile(ledger, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			var all []*another
			for range processes {
				all = append(all, start(t, "__work", dir, strconv.Itoa(jobs), ledger, strconv.Itoa(rounds)))
			}
			for _, p := range all {
				if err := p.cmd.Wait(); err != nil {
					t.Fatal(err)
				}
			}
			data, err := os.ReadFile(ledger)
			if err != nil {
				t.Fatal(err)
			}
			if len(data) != 2*processes*rounds {
				t.Fatalf("%d entries, want %d", len(data), 2*processes*rounds)
			}
			held, most := 0, 0
			for _, c := range data {
				if held++; c == '-' {
					held -= 2
				}
				most = max(most, held)
			}
			if most > jobs {
				t.Errorf("%d slots of %d were held at once: %s", most, jobs, data)
			}
			assertFiles(t, dir, jobs)
		})
	}
}

// assertFiles makes sure that nothing is left but the gate and one file a slot.
func assertFiles(t *testing.T, dir string, jobs int) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "slots"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"gate"}
	for i := range jobs {
		want = append(want, "slot-"+strconv.Itoa(i+1))
	}
	if len(names) > len(want) || !slices.Equal(names, want[:len(names)]) {
		t.Errorf("files %q, want no more than %q", names, want)
	}
}

func TestTheSlotOfAKilledProcessIsFreeAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := open(t, dir, hostlimit.Limits{Jobs: 1})
	p := start(t, "__hold", dir, "1")
	p.says(t, "holds")
	busy := wantBusy(t, h)
	if len(busy.Holders) != 1 || len(busy.Ahead) != 0 {
		t.Fatalf("BusyError: %+v", busy)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	got := busy.Holders[0]
	if got.Since.IsZero() {
		t.Error("nobody says since when")
	}
	want := hostlimit.Holder{
		Identity: process.Identity{Command: "backup", PID: p.cmd.Process.Pid, Host: host, User: me.Username, Since: got.Since},
		Volume:   "vms/held",
	}
	if got != want {
		t.Errorf("holder %+v, want %+v", got, want)
	}
	for _, part := range []string{"backup", "vms/held", strconv.Itoa(want.PID), host, me.Username, "since"} {
		if !strings.Contains(busy.Error(), part) {
			t.Errorf("%q does not say %q", busy, part)
		}
	}
	p.kill()
	release(t, acquire(t, h, "next"))
}

func TestAKilledWaiterHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := open(t, dir, hostlimit.Limits{Jobs: 1})
	first := acquire(t, h, "first")
	p := start(t, "__hold", dir, "1")
	p.says(t, "waits")
	if busy := wantBusy(t, h); len(busy.Ahead) != 1 || busy.Ahead[0].PID != p.cmd.Process.Pid {
		t.Errorf("with somebody waiting: %+v", busy)
	}
	p.kill()
	release(t, first)
	release(t, acquire(t, h, "next"))
	assertFiles(t, dir, 1)
}

func TestWhoCameFirstIsServedFirst(t *testing.T) {
	t.Parallel()
	h := open(t, t.TempDir(), hostlimit.Limits{Jobs: 1})
	first := acquire(t, h, "first")
	const waiters = 5
	order := make(chan int, waiters)
	failed := make(chan error, waiters)
	for i := range waiters {
		inQueue := make(chan struct{})
		told := false
		go func() {
			s, err := h.Acquire(context.Background(), hostlimit.Holder{Volume: strconv.Itoa(i)}, patience, func(holders []hostlimit.Holder) {
				if !told {
					close(inQueue)
				}
				told = true
				if len(holders) > 1 {
					t.Errorf("waiting for %v", holders)
				}
			})
			order <- i // before Close: then only one writes at a time
			if err == nil {
				err = s.Close()
			}
			failed <- err
		}()
		<-inQueue
	}
	if busy := wantBusy(t, h); len(busy.Ahead) != waiters || busy.Ahead[waiters-1].Volume != strconv.Itoa(waiters-1) {
		t.Errorf("the queue: %+v", busy.Ahead)
	}
	release(t, first)
	for i := range waiters {
		if got := <-order; got != i {
			t.Errorf("served as number %d: waiter %d", i, got)
		}
	}
	for range waiters {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// A slot that was given back belongs to who waits, even if somebody else looks first.
func TestNobodyJumpsTheQueue(t *testing.T) {
	t.Parallel()
	h := open(t, t.TempDir(), hostlimit.Limits{Jobs: 1})
	first := acquire(t, h, "first")
	inQueue, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		s, err := h.Acquire(context.Background(), hostlimit.Holder{Volume: "second"}, patience, func([]hostlimit.Holder) {
			close(inQueue)
			<-goOn
		})
		if err == nil {
			err = s.Close()
		}
		done <- err
	}()
	<-inQueue
	release(t, first)
	if busy := wantBusy(t, h); len(busy.Holders) != 0 || len(busy.Ahead) != 1 || !strings.Contains(busy.Error(), "second") {
		t.Errorf("the slot is free, and spoken for: %+v: %v", busy, busy)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	release(t, acquire(t, h, "third"))
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := open(t, dir, hostlimit.Limits{Jobs: 1})
	defer release(t, acquire(t, h, "first"))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := h.Acquire(ctx, hostlimit.Holder{}, patience, func([]hostlimit.Holder) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Acquire: %v", err)
	}
	assertFiles(t, dir, 1)
}

// Who is told of fewer slots than are held takes none until that is true again.
func TestSlotsThatThereShouldNotBeCount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	many, one := open(t, dir, hostlimit.Limits{Jobs: 3}), open(t, dir, hostlimit.Limits{Jobs: 1})
	a, b := acquire(t, many, "a"), acquire(t, many, "b")
	release(t, a)
	if busy := wantBusy(t, one); len(busy.Holders) != 1 || busy.Holders[0].Volume != "b" {
		t.Errorf("holders: %+v", busy.Holders)
	}
	release(t, b)
	release(t, acquire(t, one, "c"))
	unlimited := open(t, dir, hostlimit.Limits{})
	for range 5 {
		defer release(t, acquire(t, unlimited, "d"))
	}
}

func TestAStateDirectoryOfOthersIsToldApart(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	inTheWay := filepath.Join(base, "file")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	state := new(hostlimit.StateError)
	if _, err := hostlimit.Open(inTheWay, hostlimit.Limits{}); !errors.As(err, &state) {
		t.Errorf("Open of a file: %v", err)
	}
	dir := filepath.Join(base, "state")
	h := open(t, dir, hostlimit.Limits{Jobs: 1})
	if err := os.RemoveAll(filepath.Join(dir, "slots")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Acquire(t.Context(), hostlimit.Holder{}, 0, nil); !errors.As(err, &state) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Acquire in a directory that is gone: %v", err)
	}
	if err := os.Chmod(base, 0o500); err != nil {
		t.Fatal(err)
	}
	asSomebody(t, func() {
		if _, err := hostlimit.Open(filepath.Join(base, "new"), hostlimit.Limits{}); !errors.As(err, &state) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Open where nothing may be made: %v", err)
		}
	})
}

// asSomebody lets a function touch files as a user without rights, if we are root:
// of one thread of a process, that can be told apart (setfsuid(2)).
func asSomebody(t *testing.T, do func()) {
	t.Helper()
	if os.Getuid() == 0 {
		const nobody = 65534
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := unix.Setfsuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Setfsuid(0); err != nil {
				t.Fatal(err)
			}
		}()
	}
	do()
}

func FuzzDecodeHolder(f *testing.F) {
	f.Add([]byte(`{"command":"backup","volume":"db1","pid":7,"host":"h","user":"u","since":"2026-11-24T01:00:00Z"}`))
	f.Add([]byte(`{"since":"9999-12-31T23:59:59Z","pid":-1}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if hostlimit.DecodeHolder(data).String() == "" {
			t.Error("a holder without a word")
		}
	})
}
