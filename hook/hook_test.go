package hook_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve/hook"
	"varve/internal/process"
)

const printTold = `for v in HOOK VOLUME SOURCE REPOSITORY RESULT REVISION; do eval "echo $v=\${VARVE_$v-unset}"; done`

func TestHooksAreToldWhatTheyNeed(t *testing.T) {
	t.Setenv("VARVE_RESULT", "of another run")
	t.Setenv("VARVE_REVISION", "of another run")
	t.Setenv("VARVE_KEPT", "ours")
	subject := hook.Subject{Volume: "vms/vm-17", Source: "/dev/x y", Repository: "/srv/varve"}
	common := " VOLUME=vms/vm-17 SOURCE=/dev/x y REPOSITORY=/srv/varve "
	for name, c := range map[string]struct {
		run  func(hook.Runner) error
		want string
	}{
		"before": {func(r hook.Runner) error { return r.Before(t.Context()) }, "HOOK=before" + common + "RESULT=unset REVISION=unset ours"},
		"after, well": {func(r hook.Runner) error { return r.After(t.Context(), hook.Outcome{OK: true, Revision: "2026-k3f9"}) },
			"HOOK=after" + common + "RESULT=ok REVISION=2026-k3f9 ours"},
		"after, failed": {func(r hook.Runner) error { return r.After(t.Context(), hook.Outcome{}) },
			"HOOK=after" + common + "RESULT=failed REVISION= ours"},
	} {
		file := filepath.Join(t.TempDir(), "told")
		text := "{ " + printTold + "; echo $VARVE_KEPT; } > " + file
		if err := c.run(hook.Runner{Hooks: hook.Hooks{Before: text, After: text}, Subject: subject}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Split(strings.TrimSpace(string(data)), "\n"), " "); got != c.want {
			t.Errorf("%s: told %q, want %q", name, got, c.want)
		}
	}
}

func TestAHookThatFailsSaysHow(t *testing.T) {
	t.Parallel()
	r := hook.Runner{Hooks: hook.Hooks{Before: "echo one; echo two >&2; exit 7"}}
	err := r.Before(t.Context())
	failed, exit := new(hook.Error), new(exec.ExitError)
	if !errors.As(err, &failed) || !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Fatalf("error %v", err)
	}
	if failed.Hook != "before" || failed.Command != r.Hooks.Before || failed.Output != "one\ntwo\n" {
		t.Errorf("error %+v", failed)
	}
	if want := `hook before (` + r.Hooks.Before + `): exit status 7; it said "two"`; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	log := new(bytes.Buffer)
	r := hook.Runner{Hooks: hook.Hooks{After: "seq 1 100000; echo the end"}, Log: slog.New(slog.NewJSONHandler(log, nil))}
	if err := r.After(t.Context(), hook.Outcome{}); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, `100000\nthe end\n`) || len(text) > 2*process.MaxTail {
		t.Errorf("%d bytes logged, ending %.100q", len(text), text[max(0, len(text)-100):])
	}
}

// A hook reads nothing, and there is none where none is configured.
func TestHooksReadNothing(t *testing.T) {
	t.Parallel()
	r := hook.Runner{Hooks: hook.Hooks{Before: `test -z "$(cat)"`}}
	if err := r.Before(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.After(t.Context(), hook.Outcome{}); err != nil {
		t.Error(err)
	}
}

// A hook that does not end is ended, with all that it started, whether or not that
// listens.
func TestAHookThatDoesNotEndIsEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trap    string
		limit   time.Duration
		cancel  bool
		grace   time.Duration
		wantErr func(error) bool
	}{
		"too long":                {limit: time.Millisecond, grace: time.Hour, wantErr: isTimeout},
		"too long and deaf":       {trap: "trap '' TERM; ", limit: time.Millisecond, grace: 10 * time.Millisecond, wantErr: isTimeout},
		"interrupted":             {limit: time.Hour, cancel: true, grace: time.Hour, wantErr: isCanceled},
		"interrupted, and deaf":   {trap: "trap '' TERM; ", limit: time.Hour, cancel: true, grace: 10 * time.Millisecond, wantErr: isCanceled},
		"interrupted, and before": {limit: time.Hour, cancel: true, grace: time.Hour, wantErr: isCanceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fifo := filepath.Join(t.TempDir(), "held")
			if err := unix.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			held, err := os.OpenFile(fifo, os.O_RDWR, 0) // as reader and writer: nobody blocks on opening it
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if name == "interrupted, and before" {
				cancel()
			}
			go func() {
				if _, err := held.Read(make([]byte, 1)); err == nil && c.cancel {
					cancel() // it runs
				}
			}()
			text := c.trap + "exec 3>'" + fifo + "'; echo >&3; (while :; do sleep 1000; done) & while :; do sleep 1000; done"
			r := hook.WithGrace(hook.Runner{Hooks: hook.Hooks{Before: text, Timeout: c.limit}}, c.grace)
			err = r.Before(ctx)
			failed := new(hook.Error)
			if !errors.As(err, &failed) || !c.wantErr(err) {
				t.Errorf("error %v", err)
			}
			// All that had the pipe open are gone when reading it ends.
			end, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = end.Close() }()
			if err := held.Close(); err != nil {
				t.Fatal(err)
			}
			for {
				if n, err := end.Read(make([]byte, 16)); err != nil || n == 0 {
					break
				}
			}
		})
	}
}

// What the shell started has time to end well, also when the shell is gone at once.
func TestWhatAHookStartedMayEndWell(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "begun")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if _, err := os.ReadFile(fifo); err != nil {
			t.Error(err)
		}
		cancel()
	}()
	child := `trap "sleep 0.1; echo well > ended; exit" TERM; echo > begun; while :; do sleep 0.01; done`
	r := hook.WithGrace(hook.Runner{Hooks: hook.Hooks{Before: "cd '" + dir + "' && sh -c '" + child + "'; echo not reached"}}, time.Hour)
	if err := r.Before(ctx); !isCanceled(err) {
		t.Errorf("error %v", err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "ended")); err != nil || string(data) != "well\n" {
		t.Errorf("what it left: %q, %v", data, err)
	}
}

func isTimeout(err error) bool {
	timeout := new(hook.TimeoutError)
	return errors.As(err, &timeout) && timeout.Limit == time.Millisecond
}

func isCanceled(err error) bool { return errors.Is(err, context.Canceled) }

// A hook may leave something running that still has its output open.
func TestAHookMayLeaveSomethingBehind(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "go")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r := hook.Runner{Hooks: hook.Hooks{Before: "(read _ < '" + fifo + "') & echo started"}}
	if err := r.Before(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(fifo, []byte("go\n"), 0); err != nil { // it was not killed
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hooks hook.Hooks
		ok    bool
	}{
		{hook.Hooks{}, true},
		{hook.Hooks{Before: "a", After: "b"}, true},
		{hook.Hooks{Freeze: "a", Thaw: "b"}, true},
		{hook.Hooks{Freeze: "a"}, false},
		{hook.Hooks{Thaw: "a"}, false},
	} {
		if err := c.hooks.Validate(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.hooks, err)
		}
	}
}

func TestEnvironmentDropsWhatOthersWereTold(t *testing.T) {
	t.Parallel()
	own := []string{"A=1", "VARVE_RESULT=ok", "VARVE_REPO=/r", "VARVE_HOOK=x", "VARVE_HOOKED=y"}
	got := hook.Environment(own, "before", []string{"VARVE_VOLUME=v"})
	want := []string{"A=1", "VARVE_REPO=/r", "VARVE_HOOKED=y", "VARVE_HOOK=before", "VARVE_VOLUME=v"}
	if !slices.Equal(got, want) || own[1] != "VARVE_RESULT=ok" {
		t.Errorf("%q, want %q", got, want)
	}
}
