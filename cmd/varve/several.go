package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"varve/backup"
	"varve/internal/human"
	"varve/job"
	"varve/repository"
	"varve/revision"
)

// backUpSeveral does the jobs that flags or a pattern name.
func (s *session) backUpSeveral(ctx context.Context, repo *repository.Repository, f backupFlags, pattern string, opts backup.CreateOptions) (result, error) {
	agenda, err := s.agenda(ctx, repo, f, pattern)
	if err != nil {
		return nil, err
	}
	s.doing = "backup of " + formatCount(len(agenda.Jobs), "volume")
	meters := make([]backup.Meter, len(agenda.Jobs))
	for i := range agenda.Jobs {
		j := &agenda.Jobs[i]
		j.Hooks, j.Create = f.hooks(), opts
		j.Create.Meter = &meters[i]
	}
	stop := s.watch("reading", sumOf(meters))
	results := job.DoAll(ctx, repo, agenda.Jobs, s.jobOptions(func(e job.Event) {
		if e.Kind != job.Ended {
			s.follow(e)
		} else if errors.Is(e.Result.Err, job.ErrNotDue) {
			s.say("%s is not due any more: it was backed up meanwhile", e.Volume)
		} else {
			s.tellEntry(s.nightEntry(*e.Result))
		}
	}))
	stop()
	n := &night{Volumes: []nightEntry{}, Problems: []configProblem{}}
	for _, r := range results {
		n.Volumes = append(n.Volumes, s.nightEntry(r))
	}
	for _, err := range agenda.Problems {
		problem := newConfigProblem(err)
		s.tellProblem(problem)
		n.Problems = append(n.Problems, problem)
	}
	return n, n.judge(job.Gravest(results, agenda.Problems))
}

// agenda chooses the jobs that flags or a pattern name.
func (s *session) agenda(ctx context.Context, repo *repository.Repository, f backupFlags, pattern string) (*job.Agenda, error) {
	conf, err := s.configuration()
	if err != nil {
		return nil, err
	}
	choice := job.Choice{Due: f.due, Set: f.set, Now: s.begun.In(s.zone)}
	if pattern != "" {
		glob, err := revision.ParseGlob(pattern)
		if err != nil {
			return nil, &usageError{Text: err.Error(), Command: s.command}
		}
		choice.Pattern = &glob
	} else if conf == nil {
		return nil, &usageError{Text: "no configuration says which volumes there are", Command: s.command, Usage: "varve backup VOLUME [SOURCE]"}
	}
	agenda, err := job.Choose(repo, conf, s.lister(ctx), choice, s.jobOptions(s.follow))
	if err != nil {
		return nil, s.inWords(err)
	}
	return agenda, nil
}

// night is the result of a backup of several volumes.
type night struct {
	Volumes  []nightEntry    `json:"volumes"`
	Problems []configProblem `json:"problems"` // of the configuration
	safe     int
}

// nightEntry is how one of them ended. Its fields are API.
type nightEntry struct {
	Volume revision.Name `json:"volume"`
	OK     bool          `json:"ok"`
	Exit   int           `json:"exit"`
	Error  *jsonError    `json:"error"`
	Result *backed       `json:"result"`
}

func (s *session) nightEntry(r job.Result) nightEntry {
	e := nightEntry{Volume: r.Volume, Exit: exitOf(r.Gravity())}
	err := s.inWords(r.Err)
	if r.Created != nil {
		e.Result, err = newBacked(r.Created, r.History)
	}
	if err != nil {
		e.Error = &jsonError{Message: err.Error(), Hint: hint(err, about{volume: r.Volume, repo: s.about.repo})}
	}
	e.OK = e.Exit == 0
	return e
}

// A severalError reports that of several volumes, not all went well. Its exit code
// is the gravest.
type severalError struct {
	Code int
	Text string
	Err  error // of those that advice is given on; nil: each was given its own
}

func (e *severalError) Error() string { return e.Text }

func (e *severalError) Unwrap() error { return e.Err }

// tellEntry says how one of several volumes ended, as soon as it has.
func (s *session) tellEntry(e nightEntry) {
	shown := !s.json && (!s.globals.quiet || !e.OK)
	if e.Result != nil {
		s.noteWarnings(e.Volume.String()+": ", e.Result.warnings, shown)
	}
	if !shown {
		return
	}
	p := s.page(s.stderr.w)
	p.terse = true
	switch {
	case e.Result != nil:
		e.Result.print(p)
	default:
		p.line("%s was not backed up: %s", p.red(e.Volume.String()), strings.ReplaceAll(e.Error.Message, "\n", "; "))
		if e.Error.Hint != "" {
			p.line("  next   %s", e.Error.Hint)
		}
	}
	s.tell(p)
}

// tellProblem says of an entry of the configuration what of it could not be backed up.
func (s *session) tellProblem(problem configProblem) {
	if s.json {
		return
	}
	p := s.page(s.stderr.w)
	p.line("%s was not backed up, or not all of it: %s (%s)", p.red(problem.entry()), problem.Text, problem.place())
	if problem.Hint != "" {
		p.line("  next   %s", problem.Hint)
	}
	s.tell(p)
}

// judge counts, and gives an error unless all went well.
func (n *night) judge(gravest job.Gravity) error {
	var failed, troubled, texts []string
	for i := range n.Volumes {
		e := &n.Volumes[i]
		if e.Result != nil {
			n.safe++
		}
		if e.Exit != 0 {
			failed = append(failed, e.Volume.String())
		}
	}
	for i := range n.Problems {
		troubled = append(troubled, n.Problems[i].entry())
	}
	troubled = slices.Compact(troubled) // those of one entry stand together
	if gravest == job.Well {
		return nil
	}
	if len(failed) > 0 {
		texts = append(texts, fmt.Sprintf("%d of %s did not go well: %s", len(failed), formatCount(len(n.Volumes), "volume"), strings.Join(failed, ", ")))
	}
	if len(troubled) > 0 {
		texts = append(texts, "not all that the configuration names was found: "+strings.Join(troubled, ", "))
	}
	return &severalError{Code: exitOf(gravest), Text: strings.Join(texts, "; ")}
}

func (n *night) lasting() string {
	return fmt.Sprintf("%d of %s safe", n.safe, isAre(len(n.Volumes), n.safe))
}

func (n *night) print(p *page) {
	var read, stored uint64
	for _, e := range n.Volumes {
		if e.Result != nil {
			read, stored = read+e.Result.Read, stored+e.Result.Stored
		}
	}
	if len(n.Volumes) == 0 {
		if !p.terse && len(n.Problems) == 0 { // cron would send it every quarter of an hour
			p.line("nothing is due")
		}
		return
	}
	p.line("%s", p.bold(fmt.Sprintf("%s: read %s, stored %s", n.lasting(), human.Size(int64(read)), human.Size(int64(stored)))))
}
