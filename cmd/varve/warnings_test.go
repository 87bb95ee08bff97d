package main

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestLogLinesBecomeWarnings(t *testing.T) {
	var stderr bytes.Buffer
	s := newSession(nil, discard{}, &stderr)
	s.log = s.newLogger()
	for range 3 {
		s.log.Warn("a map is damaged; its copy is used", "file", "a.rev", "error", errors.New("bad\nsum"))
	}
	s.log.With("volume", "db1").Warn("gone")
	s.log.Info("not a warning")
	want := []string{"a map is damaged; its copy is used (file a.rev, bad; sum)", "gone (volume db1)"}
	if got := s.warnings.list(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	lines := "WARNING  " + want[0] + "\nWARNING  " + want[1] + "\n"
	if got := stderr.String(); got != lines {
		t.Errorf("printed\n%swant\n%s", got, lines)
	}
}

// Who asked for quiet hears of what is not well, and of nothing else; a program finds it
// in the document.
func TestWarningsThroughQuiet(t *testing.T) {
	for _, json := range []bool{false, true} {
		var stderr bytes.Buffer
		s := newSession(nil, discard{}, &stderr)
		s.globals.quiet, s.json = true, json
		s.log = s.newLogger()
		s.log.Info("here")
		s.say("here")
		s.log.Warn("gone")
		want := "WARNING  gone\n"
		if json {
			want = ""
		}
		if got := s.warnings.list(); !slices.Equal(got, []string{"gone"}) || stderr.String() != want {
			t.Errorf("noted %q, printed %q, want %q", got, &stderr, want)
		}
	}
}
