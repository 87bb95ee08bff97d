package hook

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// The names of the hooks, as in the configuration and in VARVE_HOOK.
const (
	Before = "before"
	After  = "after"
	Freeze = "freeze"
	Thaw   = "thaw"
)

// Hooks are commands for /bin/sh; an empty one does nothing.
type Hooks struct {
	Before, After string
	Freeze, Thaw  string        // both or neither
	Timeout       time.Duration // of before and after; zero: DefaultTimeout
	FreezeTimeout time.Duration // of freeze, and of each try to thaw; zero: DefaultFreezeTimeout
}

// How long hooks may take, unless they say so.
const (
	DefaultTimeout       = 5 * time.Minute
	DefaultFreezeTimeout = 10 * time.Second
)

var (
	errNoThaw   = errors.New("there is a hook to freeze and none to thaw")
	errNoFreeze = errors.New("there is a hook to thaw and none to freeze")
)

// Validate tells what cannot be meant.
func (h Hooks) Validate() error {
	switch {
	case h.Freeze != "" && h.Thaw == "":
		return errNoThaw
	case h.Freeze == "" && h.Thaw != "":
		return errNoFreeze
	}
	return nil
}

// Freezes tells whether the source is to be frozen, by [Runner.Freeze].
func (h Hooks) Freezes() bool { return h.Freeze != "" }

func (h Hooks) withDefaults() Hooks {
	if h.Timeout <= 0 {
		h.Timeout = DefaultTimeout
	}
	if h.FreezeTimeout <= 0 {
		h.FreezeTimeout = DefaultFreezeTimeout
	}
	return h
}

// Subject is what a backup is a backup of, as its hooks are told.
type Subject struct {
	Volume     string // VARVE_VOLUME
	Source     string // VARVE_SOURCE
	Repository string // VARVE_REPOSITORY
}

// Outcome is how a backup ended, as the hook after it is told.
type Outcome struct {
	OK       bool   // VARVE_RESULT: ok or failed
	Revision string // VARVE_REVISION: the new one; empty if there is none
}

// grace is how long a command has to end by itself after it was asked to.
const grace = 5 * time.Second

// A Runner runs the hooks of one volume.
type Runner struct {
	Hooks    Hooks
	Subject  Subject
	Guardian Guardian
	Log      *slog.Logger // nil discards

	grace time.Duration // zero: grace
}

// Before runs the hook of that name. Its failure, an [*Error], is for the caller to
// take as a reason not to begin. A context that ends, ends the hook.
func (r Runner) Before(ctx context.Context) error {
	return r.run(ctx, Before, r.Hooks.Before)
}

// After runs the hook of that name. It is to run after failures and interruptions
// too: its context should not be one that has ended. Its failure is an [*Error].
func (r Runner) After(ctx context.Context, o Outcome) error {
	result := "failed"
	if o.OK {
		result = "ok"
	}
	return r.run(ctx, After, r.Hooks.After, "VARVE_RESULT="+result, "VARVE_REVISION="+o.Revision)
}

func (r Runner) run(ctx context.Context, name, text string, env ...string) error {
	if text == "" {
		return nil
	}
	r = r.withDefaults()
	begun := time.Now()
	c := command{hook: name, text: text, env: append(r.Subject.environ(), env...), limit: r.Hooks.Timeout, grace: r.grace}
	output, err := c.run(ctx)
	if err != nil {
		return err
	}
	r.Log.Info("hook ran", "hook", name, "volume", r.Subject.Volume, "took", time.Since(begun).Round(time.Millisecond), "output", output)
	return nil
}

func (r Runner) withDefaults() Runner {
	r.Hooks = r.Hooks.withDefaults()
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.grace == 0 {
		r.grace = grace
	}
	return r
}

func (s Subject) environ() []string {
	return []string{"VARVE_VOLUME=" + s.Volume, "VARVE_SOURCE=" + s.Source, "VARVE_REPOSITORY=" + s.Repository}
}

// told are the variables by which hooks are told things. A hook of a run that was
// itself started by a hook must not take what that was told for its own.
var told = []string{
	"VARVE_HOOK", "VARVE_VOLUME", "VARVE_SOURCE", "VARVE_REPOSITORY", "VARVE_RESULT", "VARVE_REVISION",
	"VARVE_HOST", "VARVE_VERDICT", "VARVE_SUMMARY", "VARVE_NEW", "VARVE_STILL", "VARVE_OVER",
}

// environment is that of this process, with what a hook is told.
func environment(own []string, hook string, env []string) []string {
	clean := slices.DeleteFunc(slices.Clone(own), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(told, name)
	})
	return append(append(clean, "VARVE_HOOK="+hook), env...)
}
