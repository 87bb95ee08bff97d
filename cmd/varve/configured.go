package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	_ "time/tzdata" // the program is one file, also on a host without a database of time zones

	"varve/config"
	"varve/revision"
)

// configured is the configuration of a session, once it was looked for.
type configured struct {
	sought bool
	found  *config.Config // nil: there is none, or it is wrong
	err    error
}

// A configurationError reports a configuration that cannot be used.
type configurationError struct {
	Path   string
	Listed bool // what is wrong with it stands in the result
	Err    error
}

func (e *configurationError) Error() string {
	var wrong *config.Error
	if !errors.As(e.Err, &wrong) || !e.Listed && len(wrong.Problems) == 1 {
		return e.Err.Error()
	}
	text := fmt.Sprintf("%s in %s", formatCount(len(wrong.Problems), "problem"), e.Path)
	if first := wrong.Problems[0]; !e.Listed {
		text += ", the first: " + suffixed(first.Key, ": ") + first.Text
		if first.Line > 0 {
			text += fmt.Sprintf(" (line %d)", first.Line)
		}
	}
	return text
}

func (e *configurationError) Unwrap() error { return e.Err }

// settle looks for the configuration before words are parsed: the zone in which
// times are read and shown is in it. What is wrong with it, whoever needs it is told.
func (s *session) settle(words []string) {
	s.globals.config = configIn(words)
	c, err := s.configuration()
	if err == nil && c != nil {
		s.zone = c.Zone
	}
}

// configIn finds the configuration that words or the environment name.
func configIn(words []string) string {
	named := os.Getenv("VARVE_CONFIG")
	for i, word := range words {
		if word == "--" {
			break
		}
		if value, found := strings.CutPrefix(word, "--config="); found {
			named = value
		} else if word == "--config" && i+1 < len(words) {
			named = words[i+1]
		}
	}
	return named
}

// configuration is what the configuration says; nil: there is none. Every error is a
// [*configurationError].
func (s *session) configuration() (*config.Config, error) {
	known := &s.configured
	if known.sought {
		return known.found, known.err
	}
	known.sought = true
	path := config.Find(s.globals.config, configPlaces()...)
	if path == "" {
		return nil, nil
	}
	c, err := s.loadConfiguration(path)
	if err != nil {
		known.err = &configurationError{Path: path, Err: err}
		return nil, known.err
	}
	known.found = c
	return c, nil
}

// configOnInput names the configuration whose text is all that standard input has: what a
// scheduler runs goes by what is in force, whatever the file says by now.
const configOnInput = "VARVE_CONFIG_ON_INPUT"

func (s *session) loadConfiguration(path string) (*config.Config, error) {
	if os.Getenv(configOnInput) == path {
		if err := os.Unsetenv(configOnInput); err != nil { // what we start has another standard input
			return nil, err
		}
		text, err := io.ReadAll(s.stdin)
		if err != nil {
			return nil, fmt.Errorf("read configuration from the scheduler: %w", err)
		}
		return config.Parse(path, text)
	}
	if err := config.CheckExposed(path, os.Geteuid()); err != nil {
		return nil, err
	}
	return config.Load(path)
}

// wanted is what is configured of a volume, and whether it is named. If it is not, it is
// what holds of such; if the configuration cannot be used, what holds without one.
func (s *session) wanted(name revision.Name) (v config.Volume, named bool) {
	conf, err := s.configuration()
	if err == nil && conf != nil {
		if v, named = conf.Volume(name); named {
			return v, true
		}
	}
	return conf.Unlisted(), false
}

// configPlaces are where a configuration is that nobody names, the first one first.
func configPlaces() (places []string) {
	if dir, err := os.UserConfigDir(); err == nil {
		places = append(places, filepath.Join(dir, "varve", "varve.yaml"))
	}
	return append(places, "/etc/varve/varve.yaml")
}
