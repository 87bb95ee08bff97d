package machine

import (
	"path/filepath"
	"testing"
	"time"
)

// sight is what can be seen of a repository from outside.
type sight struct{ runs, packs, drafts, copies, visible int }

func look(t testing.TB, repo string) (s sight) {
	count := func(n *int, pattern string) {
		names, err := filepath.Glob(filepath.Join(repo, pattern))
		if err != nil {
			t.Error(err)
		}
		*n = len(names)
	}
	count(&s.runs, "runs/*.json")
	count(&s.packs, "packs/*/*.pack")
	count(&s.drafts, "copies/*/.tmp-*")
	count(&s.copies, "copies/*/*.rev")
	count(&s.visible, "volumes/*/*.rev")
	return s
}

// The steps of a backup, as they can be seen.
var steps = []string{"before the run record", "while filling", "with a pack sealed", "at the map's copy", "with the copy named", "once visible"}

const stepEnded = "after the end"

func (s sight) reached(before sight, step int) bool {
	return []bool{
		true, s.runs > before.runs, s.packs > before.packs, s.drafts > before.drafts, s.copies > before.copies, s.visible > before.visible,
	}[step]
}

func (s sight) stepSince(before sight) string {
	for step := len(steps) - 1; step > 0; step-- {
		if s.reached(before, step) {
			return steps[step]
		}
	}
	return steps[0]
}

// await lets the process run for a while: when something is cut or killed is a
// moment in time.
func (p *process) await(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
	}
}

// awaitStep lets the process run until a step is reached that was not before: the
// last ones are done within a millisecond or two, and rarely hit by chance.
func (p *process) awaitStep(t testing.TB, repo string, before sight, step int) {
	for p.running() && !look(t, repo).reached(before, step) {
		p.await(50 * time.Microsecond)
	}
}
