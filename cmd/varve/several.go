package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"varve/backup"
	"varve/config"
	"varve/internal/human"
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
// due, and their window is open. One dated in the future, by a clock that was wrong,
// keeps nothing from being due.
func (s *session) due(repo *repository.Repository, wanted []config.Volume) ([]config.Volume, error) {
	now := s.begun.In(s.zone)
	var picked []config.Volume
	for _, w := range wanted {
		if w.Plan.Schedule.IsZero() || !w.Plan.Window.Contains(now) {
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

// night is the result of a backup of several volumes.
type night struct {
	Volumes  []nightEntry `json:"volumes"`
	Problems []string     `json:"problems"` // of the configuration, with file and line
	safe     int
}

// nightEntry is how one of them ended. Its fields are API.
type nightEntry struct {
	Volume revision.Name `json:"volume"`
	OK     bool          `json:"ok"`
	Exit   int           `json:"exit"`
	Error  *jsonError    `json:"error"`
	Result *backed       `json:"result"`
	passed bool          // over, for it is not due any more
}

// A severalError reports that of several volumes, not all went well. Its exit code
// is the gravest.
type severalError struct {
	Failed, Of int
	Code       int
	Text       string
}

func (e *severalError) Error() string { return e.Text }

// gravest orders exit codes by how grave they are, the gravest first.
var gravest = []int{exitDamage, exitFailed, exitUsage, exitBusy, 0}

// backUpAll does several jobs, as many at a time as the host's limits say.
func (s *session) backUpAll(ctx context.Context, repo *repository.Repository, c *agenda, opts backup.CreateOptions) (result, error) {
	wanted := c.wanted
	total := new(backup.Meter)
	n := &night{Volumes: make([]nightEntry, len(wanted)), Problems: []string{}}
	stop := s.watch("reading", meterOf(total))
	var workers sync.WaitGroup
	var next, finished int
	var mu sync.Mutex
	for range min(max(1, s.jobsAtOnce()), len(wanted)) {
		workers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(wanted) {
					return
				}
				entry := s.backUpOne(ctx, repo, job{volume: wanted[i].Name, source: wanted[i].Source, wanted: &wanted[i], ifDue: c.due, opts: opts}, total)
				mu.Lock()
				n.Volumes[i] = entry
				finished++
				if !entry.passed {
					s.tellEntry(&entry, finished, len(wanted))
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	stop()
	n.Volumes = slices.DeleteFunc(n.Volumes, func(e nightEntry) bool { return e.passed })
	for _, problem := range c.problems {
		s.warn("%v", problem)
		n.Problems = append(n.Problems, problem.Error())
	}
	return n, n.judge()
}

// backUpOne does one of several jobs. After an interruption, nothing is begun any more.
func (s *session) backUpOne(ctx context.Context, repo *repository.Repository, j job, total *backup.Meter) nightEntry {
	entry := nightEntry{Volume: j.volume}
	if err := context.Cause(ctx); err != nil {
		entry.Exit, entry.Error = exitFailed, &jsonError{Message: "not begun: the run was interrupted"}
		return entry
	}
	j.opts.Volume, j.opts.Meter = j.volume, new(backup.Meter)
	follow := follow(j.opts.Meter, total)
	done := s.perform(ctx, repo, j, nil)
	follow()
	err := done.err
	if errors.Is(err, errNotDue) {
		s.say("%s is not due any more: it was backed up meanwhile", j.volume)
		entry.OK, entry.passed = true, true
		return entry
	}
	if done.created != nil {
		entry.Result, err = newBacked(done.created, done.history)
	}
	if entry.Exit = exitCode(err); err != nil {
		entry.Error = &jsonError{Message: err.Error(), Hint: hint(err, about{volume: j.volume, repo: s.about.repo})}
	}
	entry.OK = entry.Exit == 0
	return entry
}

// follow adds what one meter counts to another, until the function that it returns is called.
func follow(one, all *backup.Meter) (stop func()) {
	var last [5]int64
	counters := func(m *backup.Meter) []interface {
		Load() int64
		Add(int64) int64
	} {
		return []interface {
			Load() int64
			Add(int64) int64
		}{&m.Total, &m.Done, &m.Read, &m.Changed, &m.Stored}
	}
	add := func() {
		to := counters(all)
		for i, from := range counters(one) {
			now := from.Load()
			to[i].Add(now - last[i])
			last[i] = now
		}
	}
	ticker, ended := time.NewTicker(100*time.Millisecond), make(chan struct{})
	var follower sync.WaitGroup
	follower.Go(func() {
		for {
			select {
			case <-ticker.C:
				add()
			case <-ended:
				add()
				return
			}
		}
	})
	return func() {
		ticker.Stop()
		close(ended)
		follower.Wait()
	}
}

// tellEntry says how one of several volumes ended, as soon as it has.
func (s *session) tellEntry(e *nightEntry, finished, of int) {
	if s.json || s.globals.quiet && e.OK {
		return
	}
	p := s.page(s.stderr.w)
	p.terse = true
	switch {
	case e.Result != nil:
		e.Result.print(p)
	default:
		p.line("%s %s", p.red(e.Volume.String()), strings.ReplaceAll(e.Error.Message, "\n", "; "))
		if e.Error.Hint != "" {
			p.line("  next   %s", e.Error.Hint)
		}
	}
	s.tell(p)
}

// judge counts, and gives the gravest error.
func (n *night) judge() error {
	code := 0
	var failed []string
	for i := range n.Volumes {
		e := &n.Volumes[i]
		if slices.Index(gravest, e.Exit) < slices.Index(gravest, code) {
			code = e.Exit
		}
		if e.Result != nil {
			n.safe++
		}
		if e.Exit != 0 {
			failed = append(failed, e.Volume.String())
		}
	}
	if len(n.Problems) > 0 && slices.Index(gravest, exitUsage) < slices.Index(gravest, code) {
		code = exitUsage
	}
	switch {
	case code == 0:
		return nil
	case len(failed) == 0:
		return &severalError{Of: len(n.Volumes), Code: code, Text: strings.Join(n.Problems, "; ")}
	}
	return &severalError{
		Failed: len(failed), Of: len(n.Volumes), Code: code,
		Text: fmt.Sprintf("%d of %s did not go well: %s", len(failed), formatCount(len(n.Volumes), "volume"), strings.Join(failed, ", ")),
	}
}

func (n *night) print(p *page) {
	var read, stored uint64
	for _, e := range n.Volumes {
		if e.Result != nil {
			read, stored = read+e.Result.Read, stored+e.Result.Stored
		}
	}
	if len(n.Volumes) == 0 {
		if !p.terse { // cron would send it every quarter of an hour
			p.line("nothing is due")
		}
		return
	}
	p.line("%s", p.bold(fmt.Sprintf("%d of %s safe: read %s, stored %s", n.safe, isAre(len(n.Volumes), n.safe), human.Size(int64(read)), human.Size(int64(stored)))))
}
