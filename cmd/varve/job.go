package main

import (
	"errors"
	"fmt"
	"os"

	"varve/backup"
	"varve/config"
	"varve/hook"
	"varve/hostlimit"
	"varve/internal/human"
	"varve/job"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// jobOptions is what the jobs of a session share.
func (s *session) jobOptions(tell func(job.Event)) job.Options {
	opts := job.Options{
		Open: s.openBackupSource, Command: s.command, Repository: s.about.repo, StateDir: stateDir(),
		Guardian: hook.Guardian{Stderr: os.Stderr}, Log: s.log, Tell: tell, Anomaly: config.DefaultAnomaly(),
	}
	if conf, err := s.configuration(); err == nil && conf != nil {
		opts.Limits, opts.Anomaly = conf.Limits, conf.Anomaly
	}
	return opts
}

// jobOf is the job of one volume that was named.
func (s *session) jobOf(volumeName, source string, opts backup.CreateOptions) (job.Job, error) {
	name, err := revision.ParseName(volumeName)
	if err != nil {
		return job.Job{}, &usageError{Text: err.Error(), Command: s.command}
	}
	j := job.Job{Volume: name, Source: source, Create: opts}
	conf, err := s.configuration()
	if err != nil {
		return job.Job{}, err
	}
	if conf != nil {
		if wanted, configured := conf.Volume(name); configured {
			j.Wanted = &wanted
		}
	}
	switch {
	case source == "-" && isTerminal(s.stdin):
		return job.Job{}, &usageError{Text: "standard input is a terminal, not an image", Command: s.command}
	case source == "-":
		j.Source, j.Stream = "", volume.NewStream(s.stdin, "standard input")
	case source == "" && j.Wanted != nil:
		j.Source = j.Wanted.Source
	}
	if j.Stream == nil && !opts.Begun.IsZero() && source == "" {
		return job.Job{}, &usageError{Text: "--time says when SOURCE was so: name it", Command: s.command}
	}
	return j, nil
}

// follow says what happens around a job.
func (s *session) follow(e job.Event) {
	switch e.Kind {
	case job.Retired:
		s.say("%s is retired and passed over", e.Volume)
	case job.Passed:
		s.say("%s is being backed up, by process %d on %s", e.Volume, e.Running.Holder.PID, e.Running.Holder.Host)
	case job.Waiting:
		s.say("%s waits for a slot of this host: %s", e.Volume, hostlimit.JoinHolders(e.Holders))
	case job.Trouble:
		s.warn("%v", e.Err)
	}
}

// inWords gives an error of a job the words of its command.
func (s *session) inWords(err error) error {
	var source *job.NoSourceError
	var hooks *job.HooksError
	var match *job.NoMatchError
	switch {
	case errors.As(err, &source):
		return &usageError{
			Text: fmt.Sprintf("%v: a first backup needs its SOURCE: varve backup %s /dev/VOLUME", source, human.ShellWord(source.Volume.String())), Command: s.command,
		}
	case errors.As(err, &hooks), errors.As(err, &match):
		return &usageError{Text: err.Error(), Command: s.command}
	}
	return err
}

// stillGood says what is good after a job, however it ended.
func stillGood(r job.Result) string {
	switch {
	case errors.As(r.Err, new(*job.NoSourceError)):
		return ""
	case r.Err == nil:
		return address(r.Volume, r.Created.Statement.ID) + " is safe: it relies on nothing that is hurt"
	case errors.Is(r.Err, repository.ErrUndecided):
		return "the revisions there were are as they were; varve log " + human.ShellWord(r.Volume.String()) + " tells whether there is a new one, which is whole then"
	case r.Gravity() == job.Busy:
		return ""
	}
	return "all revisions are as they were; packs that were finished are used by the next run"
}
