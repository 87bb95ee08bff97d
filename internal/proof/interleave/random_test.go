package interleave

import (
	"math/rand/v2"
	"time"
)

// aboutPoints is about how many points an actor passes.
const aboutPoints = 150

// tenYears is how far off clocks are.
const tenYears = 10 * 365 * 24 * time.Hour

// lockNames are the locks that somebody may lose: of his volume, and of his lease.
var lockNames = []string{"locks/volumes/", "locks/leases/"}

// schedule is the one of that number. The first are all of two operations of which one is
// interrupted at one of its points, and the other is done then; the others are random.
func (x *explorer) schedule(number uint64) *schedule {
	if number >= x.single {
		return random(number)
	}
	left := int(number)
	for a, points := range x.points {
		if n := points * len(operations); left >= n {
			left -= n
			continue
		}
		off := tenYears
		if left%2 == 0 {
			off = -tenYears
		}
		return &schedule{
			seed: number, does: []*operation{&operations[a], &operations[left/points]}, clocks: []time.Duration{off, -off}, dieAt: []int{0, 0},
			plan: newBounded([]int{0, 1}, 1+left%points, 0), night: left%points%16 == 0,
		}
	}
	panic("interleave: it was counted wrong")
}

// random draws a schedule: two to four actors, of which some are killed, under a plan;
// after some the power goes, after some the next night comes.
func random(seed uint64) *schedule {
	r := rand.New(rand.NewPCG(seed, 1))
	sch := &schedule{seed: seed, night: r.IntN(16) == 0}
	actors := 2 + max(0, r.IntN(6)-3)
	for range actors {
		sch.does = append(sch.does, &operations[r.IntN(len(operations))])
		sch.clocks = append(sch.clocks, time.Duration(r.IntN(3)-1)*tenYears)
		die := 0
		if r.IntN(6) == 0 {
			die = 1 + r.IntN(1000)
		}
		sch.dieAt = append(sch.dieAt, die)
	}
	if r.IntN(4) == 0 {
		sch.loseAt, sch.loses = make([]int, actors), make([]string, actors)
		who := r.IntN(actors)
		sch.loseAt[who], sch.loses[who] = 1+r.IntN(600), lockNames[r.IntN(len(lockNames))]
	}
	if r.IntN(16) == 0 {
		sch.cutAt = 1 + r.IntN(700*actors)
	}
	switch r.IntN(3) {
	case 0:
		sch.plan = &walk{r, 1 << r.IntN(6)}
	case 1:
		sch.plan = newPriorities(r, actors, 1+r.IntN(4), aboutPoints*actors)
	case 2:
		at := make([]int, actors)
		for i := range at {
			at[i] = 1 + r.IntN(aboutPoints)
		}
		sch.plan = newBounded(r.Perm(actors), at...)
	}
	return sch
}
