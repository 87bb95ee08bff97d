package main

import (
	"fmt"
	"strings"

	"varve/job"
	"varve/scheduler"
)

// scheduled is the result of a scheduler: of one that ran once, what it did.
type scheduled struct {
	Runs []scheduledRun `json:"runs"`
	once bool
}

// scheduledRun is how one task ended. Its fields are API.
type scheduledRun struct {
	Kind    scheduler.Kind    `json:"kind"`
	Name    string            `json:"name"` // of the volume or the set; empty: maintenance
	Result  scheduler.Outcome `json:"result"`
	Exit    int               `json:"exit"`
	Error   string            `json:"error"`
	Seconds float64           `json:"seconds"`
}

func newScheduled(ended []scheduler.Ended, once bool) *scheduled {
	out := &scheduled{Runs: []scheduledRun{}, once: once}
	for _, e := range ended {
		out.Runs = append(out.Runs, scheduledRun{
			Kind: e.Kind, Name: e.Name, Result: e.Outcome, Exit: e.Exit, Error: e.Error, Seconds: e.Ended.Sub(e.Begun).Seconds(),
		})
	}
	return out
}

// judge gives an error unless all went well: the gravest of what each process said.
func (r *scheduled) judge() error {
	worst, failed := job.Well, []string{}
	for _, run := range r.Runs {
		if run.Result == scheduler.OK {
			continue
		}
		failed = append(failed, scheduler.Key{Kind: run.Kind, Name: run.Name}.String())
		worst = max(worst, gravityOfCode(run.Exit))
	}
	if len(failed) == 0 {
		return nil
	}
	return &severalError{Code: exitOf(worst), Text: fmt.Sprintf("%d of %s did not go well: %s", len(failed), formatCount(len(r.Runs), "task"), strings.Join(failed, ", "))}
}

func (r *scheduled) print(p *page) {
	if r.once && len(r.Runs) == 0 && !p.terse {
		p.line("nothing is due")
	}
}
