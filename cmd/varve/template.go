package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"varve/revision"
	"varve/volume"
)

// template is a TARGET of several volumes: its * stands for what their pattern leaves open.
type template struct {
	at   volume.Location
	star bool   // there is a *
	of   string // the command that it is for
}

// templateOf reads a TARGET of several volumes, to which what the flags say can be done.
func (s *session) templateOf(f restoreFlags, text string) (template, error) {
	to, err := s.parseTemplate(text)
	if err != nil {
		return template{}, err
	}
	if _, err := s.placeOf(to.at); err != nil {
		return template{}, err
	}
	return to, f.check(s, to.at)
}

// parseTemplate reads one.
func (s *session) parseTemplate(text string) (template, error) {
	bad := func(format string, args ...any) (template, error) {
		return template{}, &usageError{Text: fmt.Sprintf(format, args...), Command: s.command}
	}
	at, err := volume.ParseLocation(text)
	if err != nil {
		return template{}, err
	}
	if at.Scheme == volume.SchemeStream {
		return bad("a pattern of volumes needs a TARGET for each, and standard output is one")
	}
	if strings.Count(text, "*") > 1 {
		return bad("TARGET %q has more than one *", text)
	}
	return template{at: at, star: strings.Contains(text, "*"), of: s.command}, nil
}

// target is the target of one volume, of whose name the pattern leaves part open.
func (t template) target(name revision.Name, part string) (volume.Location, error) {
	if !t.star {
		return t.at, nil
	}
	if t.at.Scheme == volume.SchemeRBD {
		return volume.ParseLocation(string(volume.SchemeRBD) + ":" + strings.Replace(t.at.Image.String(), "*", part, 1))
	}
	at := t.at
	at.Path = strings.Replace(at.Path, "*", part, 1)
	if !staysBelow(t.at.Path, at.Path) {
		return at, &usageError{Text: fmt.Sprintf("the name of volume %q does not make a file of its own of %s", name, t.at.Path), Command: t.of}
	}
	return at, nil
}

// staysBelow tells whether what took the place of the * leads nowhere else: the elements that it is in are names.
func staysBelow(template, path string) bool {
	before, after, _ := strings.Cut(template, "*")
	first, behind := strings.Count(before, "/"), strings.Count(after, "/")
	elements := strings.Split(path, "/")
	return !slices.ContainsFunc(elements[first:len(elements)-behind], func(e string) bool { return e == "" || e == "." || e == ".." })
}

// sameTarget is equal for two targets that are the same, whatever they are called.
func sameTarget(at volume.Location) string {
	if at.Scheme == volume.SchemeRBD {
		return at.String()
	}
	if info, err := os.Stat(at.Path); err == nil {
		if st, known := info.Sys().(*syscall.Stat_t); known && info.Mode()&os.ModeDevice != 0 {
			return fmt.Sprintf("device %d", st.Rdev)
		} else if known {
			return fmt.Sprintf("file %d of %d", st.Ino, st.Dev)
		}
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(at.Path))
	if err != nil {
		return filepath.Clean(at.Path) // that its directory is not there will be told
	}
	if full, err := filepath.Abs(dir); err == nil {
		dir = full
	}
	return filepath.Join(dir, filepath.Base(at.Path))
}
