package main

import (
	"fmt"
	"strings"

	"varve/internal/human"
	"varve/job"
	"varve/repository"
)

// checkAlone refuses to back up one volume of a set, unless that is said to be meant.
func (s *session) checkAlone(j job.Job, alone bool) error {
	conf, err := s.configuration()
	if err != nil {
		return err
	}
	set, is := conf.SetOf(j.Volume)
	switch {
	case is && !alone:
		return &usageError{
			Text: fmt.Sprintf("volume %s is of the set %s, which is backed up together: --alone backs it up without the others", j.Volume, set.Name),
			Near: "varve backup --set " + human.ShellWord(set.Name), Command: s.command,
		}
	case !is && alone:
		return &usageError{Text: fmt.Sprintf("volume %s is of no set: there is nothing that --alone leaves out", j.Volume), Command: s.command}
	}
	return nil
}

// inSet says of which set a revision is, and of what else that is made.
func inSet(repo *repository.Repository, rev repository.Revision) string {
	if rev.Statement == nil || rev.Statement.Set == "" {
		return ""
	}
	set, err := repo.Set(rev.Statement.Set)
	if err != nil {
		return rev.Statement.Set + ", whose file cannot be read"
	}
	var others []string
	for _, m := range set.Members {
		if m.Volume != rev.Volume.UUID {
			others = append(others, address(m.Name, m.Revision))
		}
	}
	return set.Name + " (" + set.ID + ")" + prefixed(", with ", strings.Join(others, ", "))
}
