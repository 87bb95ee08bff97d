package main

import (
	"errors"
	"os"

	"varve/config"
	"varve/repository"
	"varve/revision"
	"varve/status"
)

// expected is what was promised of volumes; without a configuration, nothing. What
// is wrong with some of them keeps nobody from judging the others.
//
// Where a pattern cannot be told what it stands for, as when its directory is not
// mounted, what it promised still holds of the volumes that there are.
func (s *session) expected(known []repository.Summary) (all []status.Expectation, configured bool, err error) {
	conf, err := s.configuration()
	if err != nil || conf == nil || s.isElsewhere(conf) {
		return nil, false, err
	}
	volumes, problems := conf.Volumes(listSources)
	named, broken := map[revision.Name]bool{}, map[string]bool{}
	for _, problem := range problems {
		s.warn("%v", problem)
		if p := new(config.Problem); errors.As(problem, &p) {
			broken[p.Key] = true
		}
	}
	for _, v := range volumes {
		named[v.Name] = true
	}
	for _, summary := range known {
		name := summary.Volume.Name
		if v, fits := conf.Volume(name); fits && !named[name] && broken["volumes."+v.Pattern] {
			volumes = append(volumes, v)
		}
	}
	for _, v := range volumes {
		all = append(all, status.Expectation{Name: v.Name, Plan: v.Plan, Overdue: v.Overdue})
	}
	return all, len(volumes) > 0 || len(problems) > 0, nil
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
