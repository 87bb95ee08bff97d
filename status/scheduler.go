package status

import (
	"fmt"
	"strings"
)

// restart is how a scheduler comes back.
const restart = "systemctl restart varve-scheduler"

// judgeScheduler says what is wrong with the scheduler.
func (r *Report) judgeScheduler(in Input) {
	s := in.Scheduler
	heard := s.Heard.In(in.Now.Location()).Format("Mon _2 Jan 2006 15:04")
	add := func(k Kind, do, format string, words ...any) {
		r.Cases = append(r.Cases, Case{Kind: k, Why: fmt.Sprintf(format, words...), Do: do})
	}
	switch s.Kind {
	case Dead:
		add(Dead, restart, "the scheduler (pid %d) is dead since %s or soon after: nothing is backed up by itself", s.PID, heard)
	case Silent:
		add(Silent, restart, "the scheduler (pid %d) is there and does not answer; it was last heard of at %s", s.PID, heard)
	case Stopped:
		add(Stopped, "systemctl start varve-scheduler", "the scheduler was told to end, at %s: nothing is backed up by itself", heard)
	}
	if s.Broken != "" {
		add(Broken, "varve check-config", "the scheduler goes by what the configuration said before, for it is wrong now: %s", strings.ReplaceAll(s.Broken, "\n", "; "))
	}
	if s.Blind != "" {
		add(Blind, "", "the scheduler cannot read what there is: %s", strings.ReplaceAll(s.Blind, "\n", "; "))
	}
}

// compareFirst puts a scheduler that is dead before all else.
func compareFirst(a, b Kind) int {
	rank := func(k Kind) int {
		if k == Dead || k == Silent {
			return 0
		}
		return 1
	}
	return rank(a) - rank(b)
}
