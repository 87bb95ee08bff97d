package main

import (
	"context"
	"errors"
	"os"

	"varve/config"
	"varve/repository"
	"varve/revision"
	"varve/status"
	"varve/volume"
)

// promises is what the configuration says of volumes.
type promises struct {
	all        []status.Expectation
	sets       []status.ExpectedSet
	notFound   []error // entries of which there is nothing, or not all
	configured bool    // it names some
}

// expected is what was promised of volumes; without a configuration, nothing. What
// is wrong with some of them keeps nobody from judging the others.
//
// What a pattern promised still holds of a volume of the repository whose source is not
// found any more. It is gone; but where nothing is found of a pattern, as when its
// directory is not mounted, that is not said of each.
func (s *session) expected(ctx context.Context, known []repository.Summary) (p promises, err error) {
	conf, err := s.configuration()
	if err != nil || conf == nil || s.isElsewhere(conf) {
		return p, err
	}
	volumes, problems := s.listVolumes(ctx, conf)
	for _, err := range problems {
		if !isOutOfReach(err) {
			p.notFound = append(p.notFound, err)
		}
	}
	for _, v := range allWanted(conf, volumes, problems, known) {
		set, _ := conf.SetOf(v.Name)
		p.all = append(p.all, status.Expectation{Name: v.Name, Plan: v.Plan, Overdue: v.Overdue, Since: conf.Changed, Set: set.Name, Gone: v.gone})
	}
	for _, set := range conf.Sets() {
		p.sets = append(p.sets, status.ExpectedSet{Name: set.Name, Volumes: set.Volumes})
	}
	p.configured = len(volumes) > 0 || len(problems) > 0
	return p, nil
}

// listVolumes lists the volumes of the configuration, and what of it was not found.
func (s *session) listVolumes(ctx context.Context, conf *config.Config) ([]config.Volume, []error) {
	if s.listed != nil {
		return s.listed()
	}
	return conf.Volumes(s.lister(ctx))
}

// wantedVolume is one of the configuration, whether its source is there or not.
type wantedVolume struct {
	config.Volume
	gone string // its source, if that is not there; empty: it is, or nobody can tell
}

// allWanted adds to the volumes that were listed, with what was wrong then, those of the
// repository that a pattern promised something once.
func allWanted(conf *config.Config, volumes []config.Volume, problems []error, known []repository.Summary) (all []wantedVolume) {
	named, sources, broken := map[revision.Name]bool{}, map[string]bool{}, map[string]bool{}
	for _, err := range problems {
		if problem := new(config.Problem); errors.As(err, &problem) {
			broken[problem.Key] = true
		}
	}
	for _, v := range volumes {
		named[v.Name], sources[v.Source] = true, true
		all = append(all, wantedVolume{v, ""})
	}
	for _, summary := range known {
		name := summary.Volume.Name
		if named[name] {
			continue // which is most of them, and patterns cost time
		}
		v, fits := conf.Volume(name)
		switch {
		case !fits:
		case broken["volumes."+v.Pattern]:
			all = append(all, wantedVolume{v, ""})
		case !sources[v.Source] && summary.Newest != nil: // else it is another volume's now
			all = append(all, wantedVolume{v, v.Source})
		}
	}
	return all
}

// isElsewhere tells whether the configuration is about another repository than the
// one that was named.
func (s *session) isElsewhere(conf *config.Config) bool {
	if conf.Repository == "" || s.globals.repo == "" || s.globals.repo == conf.Repository {
		return false
	}
	configured, err := os.Stat(conf.Repository)
	named, namedErr := os.Stat(s.globals.repo)
	return err != nil || namedErr != nil || !os.SameFile(configured, named)
}

// textfile is where metrics are to be written; empty: nowhere.
func (s *session) textfile() (string, error) {
	conf, err := s.configuration()
	if err != nil || conf == nil {
		return "", err
	}
	return conf.Monitor.Textfile, nil
}

// isOutOfReach tells whether a cluster cannot be asked from here: those who look how safe it is may not be let in.
func isOutOfReach(err error) bool {
	var none *volume.NoClusterError
	var denied *volume.DeniedError
	var unsupported *volume.UnsupportedError
	return errors.As(err, &none) || errors.As(err, &denied) || errors.As(err, &unsupported)
}
