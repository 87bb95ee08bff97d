package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"varve/config"
	"varve/volume"
	"varve/volume/filevolume"
)

// place is a kind of place where volumes are, as far as this build knows it.
type place struct {
	open  func(context.Context, volume.Location) (volume.Source, error)
	match func(context.Context, volume.Location) ([]string, error) // what * stands for in a pattern
	find  func(context.Context, volume.Location) ([]found, error)  // what there is in a directory, pool or namespace, or one image
	// check looks whether a source can be there, and does not lie in the repository.
	check func(ctx context.Context, at volume.Location, repository string) error
	// Snapshots are kept on RBD images alone: nil elsewhere.
	kept func(ctx context.Context, at volume.Image) ([]volume.KeptSnapshot, error) // those that backups count from, and others of this program
	drop func(ctx context.Context, k volume.KeptSnapshot) error                    // one that was listed, and is there still
}

// placeOf gives the kind of place of a location.
func (s *session) placeOf(at volume.Location) (place, error) {
	switch at.Scheme {
	case volume.SchemeFile:
		return files, nil
	case volume.SchemeRBD:
		return s.ceph(at)
	}
	return place{}, &volume.UnsupportedError{What: describeScheme(at), Known: knownVolumes}
}

// files are raw files and block devices.
var files = place{
	open:  func(_ context.Context, at volume.Location) (volume.Source, error) { return filevolume.Open(at.Path) },
	match: func(_ context.Context, at volume.Location) ([]string, error) { return matchFiles(at) },
	find:  func(_ context.Context, at volume.Location) ([]found, error) { return findFiles(at.Path) },
	check: func(_ context.Context, at volume.Location, repository string) error { return checkFile(at, repository) },
}

// found is something that could be a source.
type found struct {
	at       volume.Location
	identity volume.Identity
	size     int64 // bytes; -1: not known
	err      error // why not all is known
}

// openSource opens what a person named as a SOURCE.
func (s *session) openSource(ctx context.Context, text string) (volume.Source, error) {
	at, err := parseLocation(text)
	if err != nil {
		return nil, err
	}
	p, err := s.placeOf(at)
	if err != nil {
		return nil, err
	}
	return p.open(ctx, at)
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
func (s *session) openBackupSource(ctx context.Context, text string) (volume.Source, error) {
	src, err := s.openSource(ctx, text)
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

// lister finds the sources that are like a pattern of the configuration, and gives what
// its * stands for in each.
func (s *session) lister(ctx context.Context) config.Lister {
	return func(pattern string) ([]string, error) {
		at, err := volume.ParseLocation(pattern)
		if err != nil {
			return nil, err
		}
		p, err := s.placeOf(at)
		if err != nil {
			return nil, err
		}
		return p.match(ctx, at)
	}
}

// matchFiles finds files and block devices. Like in a shell, * does not begin with a dot; nor does a pattern fit a target
// that is not complete.
func matchFiles(at volume.Location) ([]string, error) {
	before, after, _ := strings.Cut(at.Path, "*")
	dir, prefix := filepath.Split(before)
	suffix, below, isDir := strings.Cut(after, "/")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var parts []string
	for _, e := range entries {
		part, fits := cutPattern(e.Name(), prefix, suffix)
		if !fits || prefix == "" && part[0] == '.' || !isDir && filevolume.IsPartial(e.Name()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if isDir {
			path += "/" + below
		}
		if _, err := filevolume.Open(path); err == nil { // no pipe, and nothing else that is never a volume
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// findFiles finds the files and devices that are directly in a directory. Like for patterns, none is
// hidden; nor is a target that is not complete.
func findFiles(dir string) ([]found, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []found
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil || strings.HasPrefix(e.Name(), ".") || filevolume.IsPartial(e.Name()) {
			continue // a link that leads nowhere is nothing to back up
		}
		src, err := filevolume.Open(path)
		if errors.Is(err, volume.ErrNotVolume) {
			continue
		}
		one := found{at: volume.Location{Scheme: volume.SchemeFile, Path: path}, size: info.Size(), err: err}
		regular := info.Mode().IsRegular()
		switch {
		case err == nil && !regular:
			one.size, one.err = sizeOf(path)
		case !regular:
			one.size = -1
		}
		if err == nil {
			one.identity = src.Describe()
		}
		all = append(all, one)
	}
	return all, nil
}

// sizeOf is where a device ends.
func sizeOf(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return -1, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	return size, errors.Join(err, f.Close())
}

// cutPattern gives what * stands for in a name that is like prefix*suffix: at least a character.
func cutPattern(name, prefix, suffix string) (part string, fits bool) {
	part, hasPrefix := strings.CutPrefix(name, prefix)
	part, hasSuffix := strings.CutSuffix(part, suffix)
	return part, hasPrefix && hasSuffix && part != ""
}

// checkSource looks whether a source can be read now, and is none that never can be. The
// directory is the repository's; empty: there is none.
func (s *session) checkSource(ctx context.Context, text, repository string) error {
	at, err := volume.ParseLocation(text)
	if err != nil {
		return err
	}
	p, err := s.placeOf(at)
	if err != nil {
		return err
	}
	return p.check(ctx, at, repository)
}

// checkFile is checkSource of files and devices.
func checkFile(at volume.Location, repository string) error {
	if _, err := filevolume.Open(at.Path); err != nil {
		return err
	}
	if repository == "" {
		return nil
	}
	if err := filevolume.CheckSource(at.Path, repository); errors.Is(err, volume.ErrOwnSource) {
		return err
	}
	return nil // what else the repository lacks is not the source's
}
