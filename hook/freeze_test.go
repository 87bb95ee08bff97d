package hook_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve/hook"
)

func TestFreezeAndThaw(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	thaw, err := s.runner(nowhere).Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if lines, _ := s.log(t); !s.frozen() || !slices.Equal(lines, []string{"freeze", "done"}) {
		t.Errorf("after the freeze: %q", lines)
	}
	for range 2 {
		if err := thaw(); err != nil {
			t.Error(err)
		}
	}
	s.assertThawed(t)
	_, parents := s.log(t)
	if parents[0] != parents[1] || parents[0] == strconv.Itoa(os.Getpid()) {
		t.Errorf("the hooks ran below %q", parents)
	}
}

func TestFreezeHooksAreToldWhatTheyNeed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	r := s.runner(nowhere)
	r.Hooks.Freeze = "cd '" + string(s) + "'; { " + printTold + "; } > told"
	r.Hooks.Thaw = "cd '" + string(s) + "'; { " + printTold + "; } >> told"
	thaw, err := r.Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := thaw(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(s.path("told"))
	if err != nil {
		t.Fatal(err)
	}
	rest := "VOLUME=v\nSOURCE=/dev/x\nREPOSITORY=/srv\nRESULT=unset\nREVISION=unset\n"
	if want := "HOOK=freeze\n" + rest + "HOOK=thaw\n" + rest; string(data) != want {
		t.Errorf("told %q, want %q", data, want)
	}
}

// killable is a parent that freezes, as a process of its own.
type killable struct {
	cmd  *exec.Cmd
	in   io.Closer
	said *bufio.Scanner
	last *os.File // ends when it and its guardian have
}

func startFreezer(t *testing.T, s scene, stage string) *killable {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	last, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "__freezer", string(s), stage)
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := stderr.Close(); err != nil {
		t.Fatal(err)
	}
	k := &killable{cmd: cmd, in: in, said: bufio.NewScanner(out), last: last}
	t.Cleanup(func() { _ = last.Close() })
	return k
}

func (k *killable) awaitFrozen(t *testing.T) {
	t.Helper()
	if !k.said.Scan() || k.said.Text() != "frozen" {
		t.Fatalf("it said %q", k.said.Text())
	}
}

func (k *killable) kill(t *testing.T) {
	t.Helper()
	if err := k.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = k.cmd.Wait() // killed
}

// awaitEnd waits until the guardian has ended too, and gives what was said last.
func (k *killable) awaitEnd(t *testing.T) string {
	t.Helper()
	data, err := io.ReadAll(k.last)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Whenever the parent is killed, nothing stays frozen.
func TestAKilledParentLeavesNothingFrozen(t *testing.T) {
	t.Parallel()
	t.Run("in the freeze", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		k := startFreezer(t, s, inFreeze)
		s.reached(t)
		k.kill(t)
		s.letGo(t)
		if said := k.awaitEnd(t); said != "" {
			t.Errorf("said last: %s", said)
		}
		s.assertThawed(t)
	})
	t.Run("while it is frozen", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		k := startFreezer(t, s, nowhere)
		k.awaitFrozen(t)
		if !s.frozen() {
			t.Error("it is not frozen")
		}
		k.kill(t)
		if said := k.awaitEnd(t); said != "" {
			t.Errorf("said last: %s", said)
		}
		s.assertThawed(t)
	})
	t.Run("in the thaw", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		k := startFreezer(t, s, inThaw)
		k.awaitFrozen(t)
		if err := k.in.Close(); err != nil {
			t.Fatal(err)
		}
		s.reached(t)
		k.kill(t)
		s.letGo(t)
		if said := k.awaitEnd(t); said != "" {
			t.Errorf("said last: %s", said)
		}
		s.assertThawed(t)
	})
	t.Run("at any time", func(t *testing.T) {
		t.Parallel()
		for range 20 {
			s := newScene(t)
			k := startFreezer(t, s, nowhere)
			time.Sleep(rand.N(30 * time.Millisecond)) // anywhere: what is checked holds whenever it dies
			k.kill(t)
			k.awaitEnd(t)
			s.assertThawed(t)
		}
	})
}

// A guardian whose parent died before it had said what to do does nothing.
func TestAnOrderThatWasNotFinishedIsNone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	var order bytes.Buffer
	hooks := s.hooks(nowhere)
	if err := hook.WriteOrder(&order, hooks.Freeze, hooks.Thaw, time.Hour); err != nil {
		t.Fatal(err)
	}
	whole := order.Len()
	for _, n := range []int{0, 1, whole / 2, whole - 1, whole} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, "__guard")
		cmd.Stdin = bytes.NewReader(order.Bytes()[:n])
		if out, err := cmd.CombinedOutput(); err != nil || n < whole && len(out) > 0 {
			t.Errorf("%d bytes of an order: %v, %s", n, err, out)
		}
		if lines, _ := s.log(t); n < whole && lines != nil {
			t.Fatalf("%d bytes of an order: the hooks did %q", n, lines)
		}
	}
	s.assertThawed(t)
}

// parentPID is the guardian, as its hooks see it.
func parentPID(t *testing.T, s scene) int {
	t.Helper()
	_, parents := s.log(t)
	pid, err := strconv.Atoi(parents[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestSignalsDoNotEndAGuardian(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	thaw, err := s.runner(inThaw).Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	guardian := parentPID(t, s)
	if sid, err := unix.Getsid(guardian); err != nil || sid != guardian {
		t.Errorf("the guardian %d is in session %d, %v", guardian, sid, err)
	}
	send := func() {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGTSTP} {
			if err := syscall.Kill(guardian, sig); err != nil {
				t.Fatal(err)
			}
		}
	}
	send()
	done := make(chan error)
	go func() { done <- thaw() }()
	s.reached(t)
	send()
	s.letGo(t)
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.assertThawed(t)
	if _, parents := s.log(t); parents[1] != strconv.Itoa(guardian) {
		t.Errorf("thawed by %s, not by the guardian %d", parents[1], guardian)
	}
}

func TestTheParentOfAKilledGuardianThaws(t *testing.T) {
	t.Parallel()
	log := new(bytes.Buffer)
	s := newScene(t)
	r := s.runner(nowhere)
	r.Log = slog.New(slog.NewTextHandler(log, nil))
	thaw, err := r.Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(parentPID(t, s), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := thaw(); err != nil {
		t.Error(err)
	}
	s.assertThawed(t)
	if !strings.Contains(log.String(), "guardian of a frozen source is gone") {
		t.Errorf("log: %s", log)
	}
}

func TestAGuardianKilledInTheFreezeIsAFailedFreeze(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	r := s.runner(nowhere)
	r.Hooks.Freeze = "cd '" + string(s) + "'; echo freeze >> log; touch frozen; kill -9 $PPID; echo done >> log"
	thaw, err := r.Freeze(t.Context())
	failed := new(hook.Error)
	if thaw != nil || !errors.As(err, &failed) || failed.Hook != "freeze" {
		t.Errorf("Freeze: %v", err)
	}
	if lines, _ := s.log(t); s.frozen() || !slices.Contains(lines, "thaw") {
		t.Errorf("the hooks did %q", lines)
	}
}

// A freeze that outlives its guardian would freeze after the thaw.
func TestAFreezeEndsWithItsGuardian(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ended := make(chan error)
	go func() {
		_, err := s.runner(inFreeze).Freeze(context.Background())
		ended <- err
	}()
	s.reached(t)
	if err := syscall.Kill(parentPID(t, s), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	failed := new(hook.Error)
	if err := <-ended; !errors.As(err, &failed) || failed.Hook != "freeze" {
		t.Errorf("Freeze: %v", err)
	}
	if f, err := os.OpenFile(s.path("go"), os.O_WRONLY|unix.O_NONBLOCK, 0); !errors.Is(err, unix.ENXIO) {
		t.Errorf("the freeze still waits to go on: %v", err)
		_ = f.Close()
	}
	if lines, _ := s.log(t); s.frozen() || !slices.Equal(lines, []string{"freeze", "thaw", "done"}) {
		t.Errorf("the hooks did %q", lines)
	}
}

func TestAFreezeThatFailsIsThawed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end     string
		timeout time.Duration
		is      func(error) bool
	}{
		"it says so": {"exit 3", time.Hour, func(err error) bool { return strings.Contains(err.Error(), `exit status 3; it said "half"`) }},
		// Long enough to have begun on any machine is not needed: begun or not, it is thawed.
		"too long": {"while :; do sleep 1000; done", 20 * time.Millisecond, func(err error) bool {
			timeout := new(hook.TimeoutError)
			return errors.As(err, &timeout)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			r := s.runner(nowhere)
			r.Hooks.Freeze = "cd '" + string(s) + "'; touch frozen; echo half; " + c.end
			r.Hooks.Thaw = "cd '" + string(s) + "'; while ! rm -f frozen; do :; done; echo thaw >> log"
			r.Hooks.FreezeTimeout = c.timeout
			thaw, err := r.Freeze(t.Context())
			failed := new(hook.Error)
			if thaw != nil || !errors.As(err, &failed) || failed.Hook != "freeze" || !c.is(err) {
				t.Errorf("Freeze: %v", err)
			}
			if c.timeout < time.Second {
				return // the thaw has as little time: whether it was in time is not for a test
			}
			if lines, _ := s.log(t); s.frozen() || !slices.Equal(lines, []string{"thaw"}) {
				t.Errorf("frozen: %v; the hooks did %q", s.frozen(), lines)
			}
		})
	}
}

func TestThawingIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	r := s.runner(nowhere)
	r.Hooks.Thaw = "cd '" + string(s) + "'; echo thaw >> log; test $(grep -c thaw log) = 3 || exit 1; rm frozen; echo done >> log"
	thaw, err := r.Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := thaw(); err != nil {
		t.Error(err)
	}
	if lines, _ := s.log(t); s.frozen() || strings.Join(lines, " ") != "freeze done thaw thaw thaw done" {
		t.Errorf("the hooks did %q", lines)
	}
}

func TestAThawThatFailsForGoodIsTold(t *testing.T) {
	t.Parallel()
	t.Run("to its parent", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		r := s.runner(nowhere)
		r.Hooks.Thaw = "echo thaw >> '" + s.path("log") + "'; echo stuck; exit 9"
		thaw, err := r.Freeze(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		failed := new(hook.Error)
		if err := thaw(); !errors.As(err, &failed) || failed.Hook != "thaw" || failed.Command != r.Hooks.Thaw || failed.Output != "stuck\n" {
			t.Errorf("thaw: %v", err)
		}
		if lines, _ := s.log(t); len(lines) < 4 {
			t.Errorf("the hooks did %q", lines)
		}
	})
	t.Run("to whoever reads what was said last", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		k := startFreezer(t, s, nowhere)
		k.awaitFrozen(t)
		if err := os.Rename(string(s), string(s)+"-away"); err != nil {
			t.Fatal(err)
		}
		k.kill(t)
		if said := k.awaitEnd(t); !strings.Contains(said, "hook thaw") {
			t.Errorf("said last: %q", said)
		}
	})
}

func TestAFreezeThatIsCalledOffIsThawed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		thaw, err := s.runner(inFreeze).Freeze(ctx)
		if thaw != nil {
			err = errors.New("there is something to thaw")
		}
		done <- err
	}()
	s.reached(t)
	cancel()
	s.letGo(t)
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Freeze: %v", err)
	}
	s.assertThawed(t)
	if _, err := s.runner(nowhere).Freeze(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Freeze with a context that has ended: %v", err)
	}
	s.assertThawed(t)
}

func TestFreezeWithoutBothHooks(t *testing.T) {
	t.Parallel()
	for _, hooks := range []hook.Hooks{{}, {Freeze: "true"}, {Thaw: "true"}} {
		if thaw, err := (hook.Runner{Hooks: hooks}).Freeze(t.Context()); err == nil || thaw != nil {
			t.Errorf("%+v: %v", hooks, err)
		}
	}
}

func TestWithoutAGuardianNothingIsFrozen(t *testing.T) {
	t.Parallel()
	for name, guardian := range map[string]hook.Guardian{
		"no such program":       {Path: "/nonexistent"},
		"one that does nothing": {Path: "/bin/true"},
	} {
		s := newScene(t)
		r := s.runner(nowhere)
		r.Guardian = guardian
		thaw, err := r.Freeze(t.Context())
		failed := new(hook.Error)
		if thaw != nil || !errors.As(err, &failed) || failed.Hook != "freeze" {
			t.Errorf("%s: %v", name, err)
		}
		if lines, _ := s.log(t); s.frozen() || slices.Contains(lines, "freeze") {
			t.Errorf("%s: the hooks did %q", name, lines)
		}
	}
}

func FuzzReadOrder(f *testing.F) {
	f.Add([]byte(`{"freeze":"a","thaw":"b","env":["A=1"],"limit":1,"grace":2}` + "\n"))
	f.Add([]byte(`{"freeze":"a"`))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		again, err := hook.ReadOrder(data)
		if err != nil {
			return
		}
		if !bytes.Contains(data, []byte("\n")) {
			t.Error("an order that was not finished was taken")
		}
		if third, err := hook.ReadOrder(again); err != nil || !bytes.Equal(third, again) {
			t.Errorf("%q became %q: %v", again, third, err)
		}
	})
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte(`{"hook":"thaw","failed":"exit status 1","output":"x"}` + "\n"))
	f.Add([]byte(`{"hook":"freeze","timed_out":true,"failed":"y"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		said, err := hook.ReadAnswer(data)
		if err == nil && said != nil && said.Error() == "" {
			t.Error("an error without a word")
		}
	})
}
