package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"varve/volume"
)

// listSources finds the sources that are like a pattern of the configuration, and
// gives what its * stands for in each. Like in a shell, * does not begin with a dot.
func listSources(pattern string) ([]string, error) {
	at, err := volume.ParseLocation(pattern)
	if err != nil {
		return nil, err
	}
	if at.Scheme != volume.SchemeFile {
		return nil, &unsupportedError{What: describeScheme(at), Known: knownVolumes}
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

// checkSource looks whether a source can be there.
func checkSource(text string) error {
	at, err := volume.ParseLocation(text)
	if err != nil {
		return err
	}
	if at.Scheme != volume.SchemeFile {
		return &unsupportedError{What: describeScheme(at), Known: knownVolumes}
	}
	_, err = os.Stat(at.Path)
	return err
}
