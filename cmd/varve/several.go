package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"varve/backup"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

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
	meters := make([]backup.Meter, len(wanted))
	n := &night{Volumes: make([]nightEntry, len(wanted)), Problems: []string{}}
	stop := s.watch("reading", sumOf(meters))
	var workers sync.WaitGroup
	var next int
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
				j := job{volume: wanted[i].Name, source: wanted[i].Source, wanted: &wanted[i], ifDue: c.due, opts: opts}
				j.opts.Volume, j.opts.Meter = j.volume, &meters[i]
				entry := s.backUpOne(ctx, repo, j)
				mu.Lock()
				n.Volumes[i] = entry
				if !entry.passed {
					s.tellEntry(&entry)
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
func (s *session) backUpOne(ctx context.Context, repo *repository.Repository, j job) nightEntry {
	entry := nightEntry{Volume: j.volume}
	if err := context.Cause(ctx); err != nil {
		entry.Exit, entry.Error = exitFailed, &jsonError{Message: "not begun: the run was interrupted"}
		return entry
	}
	done := s.perform(ctx, repo, j, nil)
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

// tellEntry says how one of several volumes ended, as soon as it has.
func (s *session) tellEntry(e *nightEntry) {
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
