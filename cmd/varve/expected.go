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
	volumes, problems := conf.Volumes(s.lister(ctx))
	named, sources, broken := map[revision.Name]bool{}, map[string]bool{}, map[string]bool{}
	for _, err := range problems {
		if !isOutOfReach(err) {
			p.notFound = append(p.notFound, err)
		}
		if problem := new(config.Problem); errors.As(err, &problem) {
			broken[problem.Key] = true
		}
	}
	add := func(v config.Volume, gone string) {
		set, _ := conf.SetOf(v.Name)
		p.all = append(p.all, status.Expectation{Name: v.Name, Plan: v.Plan, Overdue: v.Overdue, Since: conf.Changed, Set: set.Name, Gone: gone})
	}
	for _, v := range volumes {
		named[v.Name], sources[v.Source] = true, true
		add(v, "")
	}
	for _, summary := range known {
		name := summary.Volume.Name
		v, fits := conf.Volume(name)
		switch {
		case !fits || named[name]:
		case broken["volumes."+v.Pattern]:
			add(v, "")
		case !sources[v.Source] && summary.Newest != nil: // else it is another volume's now
			add(v, v.Source)
		}
	}
	for _, set := range conf.Sets() {
		p.sets = append(p.sets, status.ExpectedSet{Name: set.Name, Volumes: set.Volumes})
	}
	p.configured = len(volumes) > 0 || len(problems) > 0
	return p, nil
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
