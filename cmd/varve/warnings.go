package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"varve/repository"
)

// warnings are what is not as it should be, each fact once. What works at the same
// time may find the same.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// add notes a warning, and tells whether it is a new one.
func (w *warnings) add(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.Contains(w.texts, text) {
		return false
	}
	w.texts = append(w.texts, text)
	return true
}

// list is what was noted so far; never nil.
func (w *warnings) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.texts...)
}

// noteWarnings notes what a backup warned of. Where its result, which has it, is not
// shown to people, it is told.
func (s *session) noteWarnings(prefix string, texts []string, shown bool) {
	for _, text := range texts {
		if shown {
			s.warnings.add(prefix + text)
		} else {
			s.warn("%s%s", prefix, text)
		}
	}
}

// warnHandler makes warnings of what packages log: one line for people, and a part
// of the JSON document for programs.
type warnHandler struct {
	s      *session
	fields []string
}

// Enabled implements [slog.Handler].
func (h warnHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

// Handle implements [slog.Handler].
func (h warnHandler) Handle(_ context.Context, r slog.Record) error {
	fields, next := slices.Clone(h.fields), ""
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields, fieldOf(a))
		if err, is := a.Value.Any().(error); is {
			next = h.s.hintOnWarning(err)
		}
		return true
	})
	text := r.Message
	if len(fields) > 0 {
		text += " (" + strings.Join(fields, ", ") + ")"
	}
	h.s.warn("%s%s", strings.ReplaceAll(text, "\n", "; "), prefixed(": ", next))
	return nil
}

// hintOnWarning says what helps against what a package warns of, where that is damage. A scrub's
// findings have their own.
func (s *session) hintOnWarning(err error) string {
	if damaged := new(repository.DamagedFileError); !errors.As(err, &damaged) || s.command == scrubName {
		return ""
	}
	return "varve scrub --repair puts it right, where there is a good copy"
}

// WithAttrs implements [slog.Handler].
func (h warnHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.fields = slices.Clone(h.fields)
	for _, a := range attrs {
		h.fields = append(h.fields, fieldOf(a))
	}
	return h
}

// WithGroup implements [slog.Handler]; people need no groups.
func (h warnHandler) WithGroup(string) slog.Handler { return h }

// fieldOf writes an attribute; an error speaks for itself.
func fieldOf(a slog.Attr) string {
	if a.Key == "error" {
		return a.Value.String()
	}
	return a.Key + " " + a.Value.String()
}
