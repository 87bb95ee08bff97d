package job

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"varve/config"
	"varve/repository"
	"varve/revision"
	"varve/schedule"
)

// A Choice says which volumes to back up; the zero value: all that are configured. Of a
// set of which it reaches one, it reaches all.
type Choice struct {
	Pattern *revision.Glob // those that it fits, also of the repository; nil: there is none
	Set     string         // all of this set; empty: none is named
	Due     bool           // without a pattern: those that are due
	Now     time.Time      // by the clock by which windows are
}

// An Agenda is jobs that are taken up together, by priority, then as configured.
type Agenda struct {
	Jobs     []Job
	Problems []error // of the configuration, with volumes that could not be found; each a [*config.Problem]
}

// Choose lists the jobs that are to be done. The configuration may be nil if there is
// a pattern; list finds the sources of its patterns. Retired volumes are passed over. A volume
// of a pattern whose source is gone is none that is passed over: it fails.
func Choose(repo *repository.Repository, conf *config.Config, list config.Lister, c Choice, opts Options) (*Agenda, error) {
	p := picking{repo: repo, opts: opts, retired: map[revision.Name]bool{}}
	a := new(Agenda)
	var listed []config.Volume
	if conf != nil {
		listed, a.Problems = conf.Volumes(list)
	}
	var err error
	wanted := slices.Clip(listed)
	switch {
	case c.Set != "":
		wanted, err = p.ofSet(conf, c.Set)
	case c.Pattern != nil:
		wanted, err = p.matching(conf, wanted, *c.Pattern)
	case c.Due:
		wanted = p.due(p.withGone(conf, wanted, a.Problems), c.Now)
	default:
		wanted = p.withGone(conf, wanted, a.Problems)
	}
	if err != nil {
		return nil, err
	}
	wanted = slices.DeleteFunc(slices.Clone(wanted), p.isRetired)
	slices.SortStableFunc(wanted, func(a, b config.Volume) int { return cmp.Compare(b.Priority, a.Priority) })
	wanted = p.withSets(conf, wanted)
	for i := range wanted {
		j := Job{Volume: wanted[i].Name, Source: wanted[i].Source, Wanted: &wanted[i], IfDue: c.Due}
		j.Gone = wanted[i].Pattern != "" && !slices.ContainsFunc(listed, func(v config.Volume) bool { return v.Name == j.Volume })
		if set, is := conf.SetOf(j.Volume); is {
			j.Set = &set
		}
		a.Jobs = append(a.Jobs, j)
	}
	return a, nil
}

// picking is Choose under way.
type picking struct {
	repo    *repository.Repository
	opts    Options
	retired map[revision.Name]bool // of volumes that were looked up
}

func (p picking) warn(format string, args ...any) {
	p.opts.tell(Event{Kind: Trouble, Err: fmt.Errorf(format, args...)})
}

// matching picks the volumes that a pattern fits: those that are configured, and
// those that the repository has. What is configured of these holds, too, though their
// sources may not be there.
func (p picking) matching(conf *config.Config, wanted []config.Volume, pattern revision.Glob) ([]config.Volume, error) {
	known, err := p.repo.Volumes()
	if err != nil {
		p.warn("%w", err) // those that can be read are there
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
	wanted = slices.DeleteFunc(slices.Clone(wanted), func(w config.Volume) bool { return !pattern.Match(w.Name) })
	if len(wanted) == 0 {
		return nil, &NoMatchError{Pattern: pattern}
	}
	return wanted, nil
}

// isRetired tells whether a volume is passed over because it was retired.
func (p picking) isRetired(w config.Volume) bool {
	retired, known := p.retired[w.Name]
	if !known {
		retired = p.lookRetired(w)
		p.retired[w.Name] = retired
	}
	return retired
}

func (p picking) lookRetired(w config.Volume) bool {
	v, err := p.repo.Volume(w.Name)
	if err != nil {
		return false // it will tell
	}
	summary, err := p.repo.Summary(v)
	if err != nil {
		return false // likewise
	}
	if summary.Retired {
		p.opts.tell(Event{Kind: Retired, Volume: w.Name})
	}
	return summary.Retired
}

// due picks the volumes whose time has come: no revision was begun since they were
// due, nobody is about to make one, and their window is open.
func (p picking) due(wanted []config.Volume, now time.Time) (picked []config.Volume) {
	running, err := p.repo.Running()
	if err != nil {
		p.warn("what is running cannot be told: %w", err)
	}
	for _, w := range wanted {
		if w.Plan.Schedule.IsZero() || !w.Plan.Window.Contains(now) {
			continue
		}
		if i := slices.IndexFunc(running, func(r repository.Running) bool {
			return r.Volume == w.Name && r.Holder.Command == p.opts.Command
		}); i >= 0 {
			p.opts.tell(Event{Kind: Passed, Volume: w.Name, Running: running[i]})
			continue
		}
		newest, _, err := newestKnown(p.repo, w.Name)
		if err != nil {
			p.warn("volume %q: %w", w.Name, err) // it is tried, and will tell
		}
		if isDue(w.Plan, newest, now) {
			picked = append(picked, w)
		}
	}
	return picked
}

// isDue tells whether a volume of which this is the newest revision, nil if there is
// none, is due.
func isDue(plan schedule.Plan, newest *revision.Statement, now time.Time) bool {
	return newest == nil || schedule.IsDue(newest.Begun, plan.Prev(now), now)
}
