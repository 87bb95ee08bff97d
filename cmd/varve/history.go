package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

func historyCommand(s *session) *command {
	f := historyFlags{
		since:  moment{now: s.begun.In(s.zone)},
		result: choice{of: []string{repository.ResultOK, repository.ResultFindings, repository.ResultFailed}},
	}
	return &command{
		name: "history", group: areWe, asks: true,
		summary: "list what was done to the repository, by whom, and how it ended",
		about: `Lists what the journal has: every operation of every host, whether it went well
or not, the newest last. Several filters must all hold.`,
		example: `varve history                               # the newest 20
varve history --since yesterday --result failed
varve history --volume 'vms/*' --all --json # for a program
varve history --who root --since 30d        # by a user, or from a host`,
		codes: "3  a part of the journal cannot be read; the rest is listed",
		flags: []cli.Flag{
			&cli.GenericFlag{Name: "n", Value: &f.count, DefaultText: "20, with --since all", Usage: "list the newest `N`"},
			&cli.BoolFlag{Name: "all", Destination: &f.all, Usage: "list everything"},
			&cli.GenericFlag{Name: "since", Value: &f.since,
				Usage: "list what ended since `TIME`: 7d, yesterday, tuesday, 2026-11-19 or 2026-11-19T02:00"},
			&cli.StringFlag{Name: "volume", Destination: &f.volume, Usage: "only of `VOLUME`, which may be a pattern such as 'vms/*'; what it was once called counts"},
			&cli.GenericFlag{Name: "result", Value: &f.result, Usage: "only what ended so: `RESULT` is ok, findings or failed"},
			&cli.StringFlag{Name: "who", Destination: &f.who, Usage: "only by `WHO`: a user, a host, or USER@HOST"},
		},
		run: func(_ context.Context, _ []string) (result, error) { return runHistory(s, f) },
	}
}

type historyFlags struct {
	count  count // 0: the default
	all    bool
	since  moment
	volume string
	names  revision.Glob // volume, once it was parsed
	result choice
	who    string
}

// past is the result of history.
type past struct {
	Total  int        `json:"total"` // those that are not listed too
	Events []happened `json:"events"`
}

// happened is one line of the journal. Its fields are API.
type happened struct {
	Ended    time.Time            `json:"ended"`
	Op       string               `json:"command"`
	Volume   known[revision.Name] `json:"volume"`   // null: it was about the repository
	Revision known[revision.ID]   `json:"revision"` // null: there is none
	Result   string               `json:"result"`
	Detail   string               `json:"detail"` // what exactly was done
	Seconds  float64              `json:"seconds"`
	Read     int64                `json:"read"`
	Stored   int64                `json:"stored"`
	Error    string               `json:"error"`
	Warnings []string             `json:"warnings"`
	Findings []string             `json:"findings"`
	Host     string               `json:"host"`
	User     string               `json:"user"`
	PID      int                  `json:"pid"`
	alarms   []string             // of Warnings, those that are listed
}

func newHappened(e repository.Event) happened {
	h := happened{
		Ended: e.Time.UTC(), Op: e.Op, Volume: known[revision.Name]{e.Volume}, Revision: known[revision.ID]{e.Revision},
		Result: e.Result, Detail: e.Detail, Seconds: e.Seconds, Read: e.Read, Stored: e.Stored, Error: e.Error, Warnings: e.Warnings, Findings: e.Findings,
		Host: e.Holder.Host, User: e.Holder.User, PID: e.Holder.PID, alarms: e.Alarms,
	}
	if h.Warnings == nil {
		h.Warnings = []string{}
	}
	if h.Findings == nil {
		h.Findings = []string{}
	}
	return h
}

func runHistory(s *session, f historyFlags) (result, error) {
	if f.count > 0 && f.all {
		return nil, &usageError{Text: "-n and --all exclude each other", Command: s.command}
	}
	match, err := f.filter(s)
	if err != nil {
		return nil, err
	}
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	var events []repository.Event
	var unread error // comes with what can be read
	if f.since.IsZero() {
		events, unread = repo.Events()
	} else {
		events, unread = repo.EventsSince(f.since.Time)
	}
	once := map[revision.UUID]bool{} // volumes that have, or had, a name that is wanted
	for _, e := range events {
		if e.UUID != nil && f.names.Match(e.Volume) {
			once[*e.UUID] = true
		}
	}
	events = slices.DeleteFunc(events, func(e repository.Event) bool {
		return !match(e) || f.volume != "" && !f.names.Match(e.Volume) && (e.UUID == nil || !once[*e.UUID])
	})
	out := &past{Total: len(events), Events: []happened{}}
	count := int(f.count)
	switch {
	case f.all || count == 0 && !f.since.IsZero():
		count = len(events)
	case count == 0:
		count = defaultCount
	}
	for _, e := range events[max(0, len(events)-count):] {
		out.Events = append(out.Events, newHappened(e))
	}
	return out, unread
}

// filter tells which events are wanted, whatever volume they are of.
func (f *historyFlags) filter(s *session) (func(repository.Event) bool, error) {
	var err error
	if f.names, err = revision.ParseGlob(cmp.Or(f.volume, "**")); err != nil {
		return nil, &usageError{Text: err.Error(), Command: s.command}
	}
	return func(e repository.Event) bool {
		return (f.result.value == "" || e.Result == f.result.value) &&
			(f.who == "" || slices.Contains([]string{e.Holder.User, e.Holder.Host, e.Holder.User + "@" + e.Holder.Host}, f.who))
	}, nil
}

func (h *past) print(p *page) {
	if len(h.Events) == 0 {
		p.line("nothing in the journal")
		return
	}
	rows := [][]cell{{left("ENDED"), left("WHAT"), left("VOLUME"), left("RESULT"), right("TOOK"), right("STORED"), left("BY")}}
	var more []string // of the row with that number: what exactly was done, and what was wrong
	for _, e := range h.Events {
		outcome := left(e.Result)
		if e.Result != repository.ResultOK {
			outcome.paint = p.red
		}
		what := e.Volume.is.String()
		if what != "" && e.Revision.is != "" {
			what = address(e.Volume.is, e.Revision.is)
		}
		stored, took := "", ""
		if e.Stored > 0 {
			stored = human.Size(e.Stored)
		}
		if e.Seconds > 0 {
			took = formatDuration(time.Duration(e.Seconds * float64(time.Second)))
		}
		rows = append(rows, []cell{
			left(formatTime(e.Ended, p.now)), left(e.Op), left(what), outcome, right(took), right(stored), left(e.User + "@" + e.Host),
		})
		texts := slices.Concat([]string{e.Detail, e.Error}, e.Findings, e.alarms)
		texts = slices.DeleteFunc(texts, func(text string) bool { return text == "" })
		more = append(more, strings.Join(texts, "; "))
	}
	for i, lines := range p.lay(rows, p.width) {
		for _, line := range lines {
			p.line("%s", line)
		}
		if i > 0 && strings.Trim(more[i-1], "; ") != "" {
			for _, text := range wrap(strings.Trim(more[i-1], "; "), p.prose()-4) {
				p.line("    %s", text)
			}
		}
	}
}
