package main

import (
	"varve/config"
	"varve/hostlimit"
)

// limits are those of this host.
func (s *session) limits() (limits config.Limits) {
	if conf, err := s.configuration(); err == nil && conf != nil {
		limits = conf.Limits
	}
	return limits
}

// host opens what all runs of this host share; nil: nothing is limited.
func (s *session) host() (*hostlimit.Host, error) {
	conf, err := s.configuration()
	if err != nil || conf == nil {
		return nil, err
	}
	l := conf.Limits
	if l.Jobs == 0 && l.IOPressure == 0 && l.Rate.IsZero() {
		return nil, nil
	}
	return hostlimit.Open(stateDir(), hostlimit.Limits{Jobs: l.Jobs, Rate: l.Rate.At, Pressure: l.IOPressure, Log: s.log})
}

func (s *session) jobsAtOnce() int { return s.limits().Jobs }

// minFree is how much of the repository's file system is to stay free.
func (s *session) minFree() hostlimit.MinFree {
	return hostlimit.MinFree(s.limits().MinFree)
}
