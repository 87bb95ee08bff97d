package job

import (
	"errors"
	"io/fs"
	"slices"

	"varve/config"
	"varve/revision"
	"varve/volume"
)

// withGone adds the volumes of the repository that a pattern of the configuration names, that
// were read last from what it gives them, and of which that is not there any more: they are
// expected until they are retired. Problems are those of the configuration: where nothing was
// found of a pattern at all, that is told once, and not of each volume.
func (p picking) withGone(conf *config.Config, wanted []config.Volume, problems []error) []config.Volume {
	known, err := p.repo.Volumes()
	if err != nil {
		p.warn("%w", err) // those that can be read are there
	}
	broken := map[string]bool{}
	for _, err := range problems {
		if problem := new(config.Problem); errors.As(err, &problem) {
			broken[problem.Key] = true
		}
	}
	listed := wanted
	for _, v := range known {
		one, fits := conf.Volume(v.Name)
		if !fits || one.Pattern == "" || broken["volumes."+one.Pattern] || slices.ContainsFunc(listed, func(w config.Volume) bool {
			return w.Name == v.Name || w.Source == one.Source
		}) {
			continue
		}
		newest, _, err := newestKnown(p.repo, v.Name)
		if err != nil {
			p.warn("volume %q: %w", v.Name, err)
		}
		if newest != nil && isReadFrom(newest.Source, one.Source) {
			wanted = append(wanted, one)
		}
	}
	return wanted
}

// isReadFrom tells whether a source is at a location, as [volume.ParseLocation] reads it.
func isReadFrom(was revision.Source, location string) bool {
	a, err := volume.ParseLocation(locationOf(was))
	b, wantErr := volume.ParseLocation(location)
	return err == nil && wantErr == nil && a == b
}

// A GoneError reports a volume of a pattern whose source is not there any more.
type GoneError struct {
	Volume revision.Name
	Err    error
}

func (e *GoneError) Error() string { return "its source is gone: " + e.Err.Error() }

func (e *GoneError) Unwrap() error { return e.Err }

// saidGone says of a source that is not there that it is gone, if it was there once.
func (a *attempt) saidGone(err error) error {
	if a.Gone && (errors.Is(err, fs.ErrNotExist) || errors.As(err, new(*volume.NoImageError))) {
		return &GoneError{Volume: a.Volume, Err: err}
	}
	return err
}
