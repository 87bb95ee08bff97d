package main

import (
	"fmt"
	"slices"

	"varve/repository"
	"varve/revision"
)

// volumeArgs are names and patterns of volumes, as they were typed; without any, all are meant.
type volumeArgs []volumeArg

type volumeArg struct {
	text string
	fits func(revision.Name) bool
}

// parseVolumes reads names and patterns of volumes.
func (s *session) parseVolumes(texts []string) (parsed volumeArgs, err error) {
	for _, text := range texts {
		each := volumeArg{text: text}
		if revision.IsGlob(text) {
			var glob revision.Glob
			glob, err = revision.ParseGlob(text)
			each.fits = glob.Match
		} else {
			var name revision.Name
			name, err = revision.ParseName(text)
			each.fits = func(other revision.Name) bool { return other == name }
		}
		if err != nil {
			return nil, &usageError{Text: err.Error(), Command: s.command}
		}
		parsed = append(parsed, each)
	}
	return parsed, nil
}

// has tells whether a volume is meant.
func (v volumeArgs) has(name revision.Name) bool {
	return len(v) == 0 || slices.ContainsFunc(v, func(s volumeArg) bool { return s.fits(name) })
}

// count counts the volumes that are meant. Each name, and each pattern, has to stand for one at least.
func (v volumeArgs) count(repo *repository.Repository) (n int, err error) {
	all, err := repo.Volumes() // with those that can be read; of the others the mount tells
	if err != nil && len(all) == 0 {
		return 0, err
	}
	for _, s := range v {
		if !slices.ContainsFunc(all, func(each repository.Volume) bool { return s.fits(each.Name) }) {
			return 0, fmt.Errorf("%w: %q", repository.ErrNoVolume, s.text)
		}
	}
	for _, each := range all {
		if v.has(each.Name) {
			n++
		}
	}
	return n, nil
}
