package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"varve/config"
	"varve/repository"
	"varve/revision"
	"varve/status"
)

// choosing says which volumes to back up.
type choosing struct {
	all, due bool
	pattern  string // empty: none
}

// agenda is the volumes that are to be backed up, by priority, then as configured.
type agenda struct {
	wanted   []config.Volume
	problems []error // with those that could not be found
	due      bool    // those only that are still due when it is their turn
}

// chosen lists the volumes that are to be backed up.
func (s *session) chosen(repo *repository.Repository, c choosing) (*agenda, error) {
	var wanted []config.Volume
	var problems []error
	conf, err := s.configuration()
	if err != nil {
		return nil, err
	}
	if conf != nil {
		wanted, problems = conf.Volumes(listSources)
	}
	switch {
	case c.pattern != "":
		wanted, err = s.matching(repo, conf, wanted, c.pattern)
	case conf == nil:
		err = &usageError{Text: "no configuration says which volumes there are", Command: s.command, Usage: "varve backup VOLUME [SOURCE]"}
	case c.due:
		wanted, err = s.due(repo, wanted)
	}
	if err != nil {
		return nil, err
	}
	wanted = slices.DeleteFunc(wanted, func(w config.Volume) bool { return s.isRetired(repo, w.Name) })
	slices.SortStableFunc(wanted, func(a, b config.Volume) int { return cmp.Compare(b.Priority, a.Priority) })
	return &agenda{wanted: wanted, problems: problems, due: c.due}, nil
}

// matching picks the volumes that a pattern fits: those that are configured, and
// those that the repository has. What is configured of these holds, too, though their
// sources may not be there.
func (s *session) matching(repo *repository.Repository, conf *config.Config, wanted []config.Volume, pattern string) ([]config.Volume, error) {
	glob, err := revision.ParseGlob(pattern)
	if err != nil {
		return nil, &usageError{Text: err.Error(), Command: s.command}
	}
	known, err := repo.Volumes()
	if err != nil {
		s.warn("%v", err) // those that can be read are there
	}
	for _, v := range known {
		if slices.ContainsFunc(wanted, func(w config.Volume) bool { return w.Name == v.Name }) {
			continue
		}
		one := config.Volume{Name: v.Name}
		if conf != nil {
			if configured, fits := conf.Volume(v.Name); fits {
				one = configured
			}
		}
		wanted = append(wanted, one)
	}
	wanted = slices.DeleteFunc(wanted, func(w config.Volume) bool { return !glob.Match(w.Name) })
	if len(wanted) == 0 {
		return nil, &usageError{Text: fmt.Sprintf("no volume matches %q", pattern), Command: s.command}
	}
	return wanted, nil
}

// isRetired tells whether a volume is passed over because it was retired.
func (s *session) isRetired(repo *repository.Repository, name revision.Name) bool {
	v, err := repo.Volume(name)
	if err != nil {
		return false // it will tell
	}
	summary, err := repo.Summary(v)
	if err != nil {
		return false // likewise
	}
	if summary.Retired {
		s.say("%s is retired and passed over", name)
	}
	return summary.Retired
}

// due picks the volumes whose time has come: no revision was begun since they were
// due, nobody is about to make one, and their window is open. One dated in the
// future, by a clock that was wrong, keeps nothing from being due.
func (s *session) due(repo *repository.Repository, wanted []config.Volume) ([]config.Volume, error) {
	now := s.begun.In(s.zone)
	running, err := repo.Running()
	if err != nil {
		s.warn("what is running cannot be told: %v", err)
	}
	var picked []config.Volume
	for _, w := range wanted {
		if w.Plan.Schedule.IsZero() || !w.Plan.Window.Contains(now) {
			continue
		}
		if i := slices.IndexFunc(running, func(r repository.Running) bool {
			return r.Volume == w.Name && r.Holder.Command == s.command
		}); i >= 0 {
			s.say("%s is being backed up, by process %d on %s", w.Name, running[i].Holder.PID, running[i].Holder.Host)
			continue
		}
		newest, _, err := newestKnown(repo, w.Name)
		if err != nil {
			s.warn("volume %q: %v", w.Name, err) // it is tried, and will tell
		}
		if isDue(&w, newest, now) {
			picked = append(picked, w)
		}
	}
	return picked, nil
}

// isDue tells whether a volume of which this is the newest revision is due.
func isDue(w *config.Volume, newest *revision.Statement, now time.Time) bool {
	return newest == nil || newest.Begun.Before(w.Plan.Prev(now)) || newest.Begun.After(now.Add(status.Ahead))
}
