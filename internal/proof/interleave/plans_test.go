package interleave

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// walk interrupts at random: one in so many calls that others could see, and now and
// then another one.
type walk struct {
	random *rand.Rand
	every  int
}

func (w *walk) interrupt(_ *scheduler, _ *actor, c call) bool {
	if c.shared {
		return w.random.IntN(w.every) == 0
	}
	return w.random.IntN(64*w.every) == 0
}

func (w *walk) next(_ *scheduler, ready []*actor) *actor { return ready[w.random.IntN(len(ready))] }

func (w *walk) String() string { return fmt.Sprintf("a walk that turns at one call in %d", w.every) }

// priorities lets always the one go on that has the highest; at a few points of all, who
// runs gets a lower one than all others.
type priorities struct {
	of      []int // by the number of the actor
	changes []int // at so many points that all have passed together, ascending
	points  int
	lowest  int
}

// newPriorities draws them for so many actors. Points is about how many there will be.
func newPriorities(random *rand.Rand, actors, changes, points int) *priorities {
	p := &priorities{of: random.Perm(actors)}
	for range changes {
		p.changes = append(p.changes, 1+random.IntN(points))
	}
	slices.Sort(p.changes)
	return p
}

func (p *priorities) interrupt(s *scheduler, a *actor, c call) bool {
	if !c.shared {
		return false
	}
	p.points++
	for len(p.changes) > 0 && p.points >= p.changes[0] {
		p.changes = p.changes[1:]
		p.lowest--
		p.of[a.number] = p.lowest
	}
	for _, other := range s.ready() {
		if p.of[other.number] > p.of[a.number] {
			return true
		}
	}
	return false
}

func (p *priorities) next(_ *scheduler, ready []*actor) *actor {
	return slices.MaxFunc(ready, func(a, b *actor) int { return p.of[a.number] - p.of[b.number] })
}

func (p *priorities) String() string {
	return fmt.Sprintf("priorities %d at the end", p.of)
}

// bounded interrupts one actor at a point of its own, and another at one of its own; else
// the first that can goes on. A point of 0 is never.
type bounded struct {
	order []int // the actors, by number: who of those that may goes on first
	at    []int // by number
	hit   []bool
}

func newBounded(order []int, at ...int) *bounded {
	return &bounded{order: order, at: at, hit: make([]bool, len(at))}
}

func (b *bounded) interrupt(_ *scheduler, a *actor, c call) bool {
	if !c.shared || b.hit[a.number] || a.points != b.at[a.number] {
		return false
	}
	b.hit[a.number] = true
	return true
}

// next passes over who was just interrupted, if anybody else can go on.
func (b *bounded) next(s *scheduler, ready []*actor) *actor {
	for _, number := range b.order {
		for _, a := range ready {
			if a.number == number && (a != s.before || a.state != parked) {
				return a
			}
		}
	}
	return ready[0]
}

func (b *bounded) String() string {
	return fmt.Sprintf("in the order %d, interrupted at the points %d", b.order, b.at)
}

// script says step by step who goes on, and until when.
type script struct {
	steps []step
	at    int
	seen  int // calls of the step that were as it says
	err   error
}

// step is a part of what one actor does.
type step struct {
	actor int
	// Until is before which call another goes on: the operation and the beginning of the
	// name. Empty: its last.
	until string
	nth   int    // which of the calls that are so; 0: the first
	loses string // then, it loses its lock of a file whose name begins so
}

func (p *script) interrupt(_ *scheduler, a *actor, c call) bool {
	if p.at == len(p.steps) || p.steps[p.at].actor != a.number || p.steps[p.at].until == "" {
		return false
	}
	now := p.steps[p.at]
	if !strings.HasPrefix(c.op+" "+c.name, now.until) {
		return false
	}
	if p.seen++; p.seen <= now.nth {
		return false
	}
	if a.loses = now.loses; a.loses != "" {
		if p.err = a.lose(); p.err == nil && !a.lost {
			p.err = fmt.Errorf("%v has no lock on %s", a, now.loses)
		}
	}
	p.at, p.seen = p.at+1, 0
	return true
}

// next gives who is in turn, or whoever can go on if that one cannot.
func (p *script) next(s *scheduler, ready []*actor) *actor {
	for p.at < len(p.steps) && p.steps[p.at].until == "" && s.actors[p.steps[p.at].actor].state == isEnded {
		p.at++
	}
	for _, a := range ready {
		if p.at < len(p.steps) && a.number == p.steps[p.at].actor {
			return a
		}
	}
	return ready[0]
}

// missed tells whether a call never came before which somebody else was to go on.
func (p *script) missed() bool {
	for _, left := range p.steps[min(p.at, len(p.steps)):] {
		if left.until != "" {
			return true
		}
	}
	return false
}

func (p *script) String() string { return fmt.Sprintf("step %d of %+v", p.at, p.steps) }
