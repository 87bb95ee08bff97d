package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"varve/volume"
	"varve/volume/filevolume"
)

// openers lists the kinds of volume that this build reads.
func openers() map[volume.Scheme]func(volume.Location) (volume.Source, error) {
	return map[volume.Scheme]func(volume.Location) (volume.Source, error){
		volume.SchemeFile: func(l volume.Location) (volume.Source, error) { return filevolume.Open(l.Path) },
	}
}

const knownVolumes = "raw files and block devices"

// openSource opens what a person named as a SOURCE.
func openSource(text string) (volume.Source, error) {
	at, err := parseLocation(text)
	if err != nil {
		return nil, err
	}
	open, known := openers()[at.Scheme]
	if !known {
		return nil, &volume.UnsupportedError{What: describeScheme(at), Known: knownVolumes}
	}
	return open(at)
}

// parseLocation reads a location. What is recorded of a path must mean the same
// from everywhere, so it is made absolute.
func parseLocation(text string) (volume.Location, error) {
	at, err := volume.ParseLocation(text)
	if err != nil || at.Scheme != volume.SchemeFile {
		return at, err
	}
	at.Path, err = filepath.Abs(at.Path)
	return at, err
}

func describeScheme(at volume.Location) string {
	if at.Scheme == volume.SchemeStream {
		return "standard input"
	}
	return at.String()
}

// openBackupSource opens what is to be backed up, which must be something else than the repository.
func (s *session) openBackupSource(text string) (volume.Source, error) {
	src, err := openSource(text)
	if err != nil {
		return nil, err
	}
	at, err := parseLocation(text)
	if err != nil || at.Scheme != volume.SchemeFile {
		return src, err
	}
	dir, err := s.repositoryDir()
	if err != nil {
		return nil, err
	}
	return src, filevolume.CheckSource(at.Path, dir)
}

// listSources finds the sources that are like a pattern of the configuration, and
// gives what its * stands for in each. Like in a shell, * does not begin with a dot.
func listSources(pattern string) ([]string, error) {
	at, err := volume.ParseLocation(pattern)
	if err != nil {
		return nil, err
	}
	if at.Scheme != volume.SchemeFile {
		return nil, &volume.UnsupportedError{What: describeScheme(at), Known: knownVolumes}
	}
	before, after, _ := strings.Cut(at.Path, "*")
	dir, prefix := filepath.Split(before)
	suffix, below, isDir := strings.Cut(after, "/")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var parts []string
	for _, e := range entries {
		part, hasPrefix := strings.CutPrefix(e.Name(), prefix)
		part, hasSuffix := strings.CutSuffix(part, suffix)
		if !hasPrefix || !hasSuffix || part == "" || prefix == "" && part[0] == '.' {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if isDir {
			path += "/" + below
		}
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// checkSource looks whether a source can be read now, and is none that never can be. The
// directory is the repository's; empty: there is none.
func checkSource(text, repository string) error {
	at, err := volume.ParseLocation(text)
	if err != nil {
		return err
	}
	if at.Scheme != volume.SchemeFile {
		return &volume.UnsupportedError{What: describeScheme(at), Known: knownVolumes}
	}
	info, err := os.Stat(at.Path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("source %q: %w", at.Path, volume.ErrNotVolume)
	}
	if repository == "" {
		return nil
	}
	if err := filevolume.CheckSource(at.Path, repository); errors.Is(err, volume.ErrOwnSource) {
		return err
	}
	return nil // what else the repository lacks is not the source's
}
