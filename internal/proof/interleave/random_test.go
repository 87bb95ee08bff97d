package interleave

import (
	"math/rand/v2"
	"time"
)

// tenYears is how far off clocks are.
const tenYears = 10 * 365 * 24 * time.Hour

// lockNames are the locks that somebody may lose: of his volume, and of his lease.
var lockNames = []string{"locks/volumes/", "locks/leases/"}

// schedule is the one of that number, from 1. The first are all of two operations of which one is
// interrupted at one of its points, and the other is done then; the others are random.
func (x *explorer) schedule(number uint64) *schedule {
	if number > x.single {
		return x.random(number)
	}
	left := int(number - 1)
	for a, alone := range x.alone {
		points := alone.points
		if n := points * len(operations); left >= n {
			left -= n
			continue
		}
		off := tenYears
		if left%2 == 0 {
			off = -tenYears
		}
		return &schedule{
			seed: number, does: []*operation{&operations[a], &operations[left/points]}, clocks: []time.Duration{off, -off},
			plan: newBounded([]int{0, 1}, 1+left%points, 0), night: left%points%16 == 0,
		}
	}
	panic("interleave: it was counted wrong")
}

// random draws a schedule: two to four actors, of which some are killed, under a plan;
// after some the power goes, after some the next night comes.
func (x *explorer) random(seed uint64) *schedule {
	r := rand.New(rand.NewPCG(seed, 1))
	sch := &schedule{seed: seed, night: r.IntN(16) == 0}
	actors := 2 + max(0, r.IntN(6)-3)
	sch.dieAt, sch.loseAt, sch.loses = make([]int, actors), make([]int, actors), make([]string, actors)
	var at []int
	var all solo
	for i := range actors {
		does := r.IntN(len(operations))
		alone := x.alone[does]
		sch.does, sch.clocks = append(sch.does, &operations[does]), append(sch.clocks, time.Duration(r.IntN(3)-1)*tenYears)
		at = append(at, 1+r.IntN(alone.points))
		all.calls, all.points = all.calls+alone.calls, all.points+alone.points
		switch r.IntN(12) {
		case 0, 1:
			sch.dieAt[i] = 1 + r.IntN(alone.calls)
		case 2:
			sch.loseAt[i], sch.loses[i] = 1+r.IntN(alone.calls), lockNames[r.IntN(len(lockNames))]
		}
	}
	if r.IntN(16) == 0 {
		sch.cutAt = 1 + r.IntN(all.calls)
	}
	switch r.IntN(3) {
	case 0:
		sch.plan = &walk{r, 1 << r.IntN(6)}
	case 1:
		sch.plan = newPriorities(r, actors, 1+r.IntN(4), all.points)
	case 2:
		sch.plan = newBounded(r.Perm(actors), at...)
	}
	return sch
}
