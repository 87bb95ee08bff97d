package machine

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// The steps of a backup, as they can be seen from outside: each makes a file of
// such a name.
var steps = []struct{ name, pattern string }{
	{"before the run record", "varve.json"},
	{"while filling", "runs/*.json"},
	{"with a pack sealed", "packs/*/*.pack"},
	{"at the map's copy", "copies/*/.tmp-*"},
	{"with the copy named", "copies/*/*.rev"},
	{"once visible", "volumes/*/*.rev"},
}

const stepEnded = "after the end"

// A sight is how many files of each step there are.
type sight []int

func look(t testing.TB, repo string) sight {
	s := make(sight, len(steps))
	for step := range steps {
		s[step] = count(t, repo, step)
	}
	return s
}

func count(t testing.TB, repo string, step int) int {
	names, err := filepath.Glob(filepath.Join(repo, steps[step].pattern))
	if err != nil {
		t.Error(err)
	}
	return len(names)
}

// stepSince names the last step that was reached since before.
func (s sight) stepSince(before sight) string {
	for step := len(steps) - 1; step > 0; step-- {
		if s[step] > before[step] {
			return steps[step].name
		}
	}
	return steps[0].name
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
	for step > 0 && p.running() && count(t, repo, step) <= before[step] {
		p.await(20 * time.Microsecond)
	}
}

// aMoment is for how long a step may go on before it is cut off.
func aMoment(rng *rand.Rand) time.Duration {
	return time.Duration(rng.IntN([]int{1, 200, 2000}[rng.IntN(3)])) * time.Microsecond
}
