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

func TestWarningsAreQuiet(t *testing.T) {
	var stderr bytes.Buffer
	s := newSession(nil, discard{}, &stderr)
	s.globals.quiet = true
	s.log = s.newLogger()
	s.log.Warn("gone")
	if got := s.warnings.list(); len(got) != 1 || stderr.Len() > 0 {
		t.Errorf("noted %q, printed %q", got, &stderr)
	}
}
