package durabletest

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
)

// Cuts says which states of a [Recording] to go through. Always among them, after
// each event: nothing that was unsynced is there, all of it, all but one, and one
// alone; with each form that data can be missing in. Only where a crowd is unsynced,
// as of directories made one after the other, a few stand for all.
type Cuts struct {
	// Subsets lets every subset of what was unsynced be tried where it is of no
	// more effects than this.
	Subsets int
	// Samples is how many random subsets to try where there are more.
	Samples int
	// Seed chooses the samples, and the sectors and bytes of what is torn.
	Seed uint64
	// Few leaves it at all and nothing of what was unsynced.
	Few bool
	// InTurn tries of each effect alone one of the forms in which data is there in part,
	// another one after every fourth event, instead of all of them after each; and beside
	// one that is there alone nothing is there in part.
	InTurn bool
	// From and To bound the events that are looked at; a To of 0 is the last one.
	From, To int
}

// State is what a disk may hold after a power cut.
type State struct {
	// Event is the number of the call after which the power went; 0 is before the first.
	Event int
	// Phase is the number of marks that had been set by then.
	Phase int
	// Disk is the caller's to use.
	Disk *Disk

	rec     *Recording
	pending []int
	forms   []form
}

// form is what became of an effect that was not synced.
type form uint8

const (
	dropped form = iota // as if it had never been
	kept
	torn   // some of the sectors
	empty  // the file's new size, with zeros
	stale  // the file's new size, with what was on the disk there before
	nForms // their number
)

var allForms = []form{dropped, kept, torn, empty, stale}

var formNames = [nForms]string{"dropped", "kept", "torn", "size without data", "stale bytes"}

const sector = 512

// More than so many effects that are pending are a crowd: then every so many events
// are looked at, and so many of the effects one by one.
const (
	crowd       = 48
	crowdEvents = 16
	crowdOnes   = 12
)

// States goes through what power cuts may leave, each outcome once for each
// phase. The states are the same for the same recording and Cuts.
func (r *Recording) States(c Cuts) iter.Seq[State] {
	return func(yield func(State) bool) {
		seen := map[[2]uint64]bool{}
		try := func(event int, pending []int, forms []form) bool {
			phase := r.phase(event)
			disk, digest := r.build(event, pending, forms, c.Seed)
			key := [2]uint64{uint64(phase), digest}
			if seen[key] {
				return true
			}
			seen[key] = true
			return yield(State{
				Event: event, Phase: phase, Disk: disk,
				rec: r, pending: pending, forms: append([]form(nil), forms...),
			})
		}
		last := r.events
		if c.To > 0 {
			last = min(last, c.To)
		}
		for event := c.From; event <= last; event++ {
			pending := r.pending(event)
			if len(pending) > crowd && event%crowdEvents != 0 && len(r.pending(event+1)) > crowd {
				continue
			}
			for forms := range c.choices(event, r.effects, pending) {
				if !try(event, pending, forms) {
					return
				}
			}
		}
	}
}

// pending lists the effects that had happened and were not durable.
func (r *Recording) pending(event int) []int {
	var pending []int
	for i, e := range r.effects {
		if e.at <= event && e.durable > event {
			pending = append(pending, i)
		}
	}
	return pending
}

// choices yields what may become of the pending effects. What it yields is reused.
func (c Cuts) choices(event int, effects []effect, pending []int) iter.Seq[[]form] {
	return func(yield func([]form) bool) {
		choice := make([]form, len(pending))
		all := func(f form) []form {
			for i := range choice {
				choice[i] = f.on(&effects[pending[i]])
			}
			return choice
		}
		for f := range nForms {
			if !yield(all(f)) {
				return
			}
		}
		if c.Few {
			return
		}
		for _, i := range c.ones(event, singles(effects, pending)) {
			forms := c.formsOfOne(event + i)
			for _, f := range forms {
				all(kept)[i] = f.on(&effects[pending[i]]) // all but one
				if !yield(choice) {
					return
				}
				if f == dropped || f == kept {
					continue
				}
				all(dropped)[i] = f.on(&effects[pending[i]]) // a part of one alone
				if !yield(choice) {
					return
				}
			}
			if c.InTurn {
				forms = forms[:1]
			}
			for _, f := range forms {
				all(f)[i] = kept // one alone
				if !yield(choice) {
					return
				}
			}
		}
		c.subsets(event, effects, pending, choice, yield)
	}
}

// formsOfOne gives the forms that are tried of one effect alone. The first one is dropped.
func (c Cuts) formsOfOne(turn int) []form {
	switch {
	case !c.InTurn:
		return allForms
	case turn%4 == 0:
		return []form{dropped, torn + form(turn/4%int(nForms-torn))}
	}
	return []form{dropped}
}

// ones chooses among the effects that are looked at one by one: all, or some of a crowd.
func (c Cuts) ones(event int, singles []int) []int {
	if len(singles) <= crowd {
		return singles
	}
	random := rand.New(rand.NewPCG(c.Seed, uint64(event)))
	some := make([]int, 0, crowdOnes+1)
	for _, i := range random.Perm(len(singles) - 1)[:crowdOnes] {
		some = append(some, singles[i])
	}
	return append(some, singles[len(singles)-1])
}

// singles gives the places among the pending effects of those that are worth a look alone. A write
// over which all was written once more is not, but for the last such: its file has one content more.
func singles(effects []effect, pending []int) []int {
	var worth []int
	known := map[int]bool{} // files of which a write over another is among them
	for i, index := range slices.Backward(pending) {
		e := &effects[index]
		if e.isCovered(effects, pending[i+1:]) {
			if known[e.inode] {
				continue
			}
			known[e.inode] = true
		}
		worth = append(worth, i)
	}
	slices.Reverse(worth)
	return worth
}

// isCovered tells whether one of the later effects writes all that this one writes.
func (e *effect) isCovered(effects []effect, later []int) bool {
	return e.data && !e.truncates && slices.ContainsFunc(later, func(index int) bool {
		l := &effects[index]
		return l.data && !l.truncates && l.inode == e.inode &&
			l.offset <= e.offset && l.offset+int64(len(l.bytes)) >= e.offset+int64(len(e.bytes))
	})
}

// subsets tries all subsets of few effects, or a sample of those of many. What is
// not kept is missing in a form that the seed chooses.
func (c Cuts) subsets(event int, effects []effect, pending []int, forms []form, yield func([]form) bool) {
	random := rand.New(rand.NewPCG(c.Seed, uint64(event)))
	n := c.Samples
	every := len(pending) <= c.Subsets
	if every {
		n = 1 << len(pending)
	}
	for subset := range n {
		bits := uint64(subset)
		share := random.IntN(8) // of what is kept, so that small and large subsets come alike
		for i := range forms {
			keep := bits>>i&1 == 1
			if !every {
				keep = random.IntN(8) <= share
			}
			if forms[i] = kept; !keep {
				forms[i] = missing[random.IntN(len(missing))].on(&effects[pending[i]])
			}
		}
		if !yield(forms) {
			return
		}
	}
}

// missing is how often data is missing in which form.
var missing = []form{dropped, dropped, dropped, torn, empty, stale}

// on gives the form in which an effect can be: an entry is there or is not.
func (f form) on(e *effect) form {
	if !e.data && f != kept || e.truncates && f != kept {
		return dropped
	}
	return f
}

// build makes the disk with all that was durable and, of what was pending, what
// the forms say. The digest tells outcomes apart.
func (r *Recording) build(event int, pending []int, forms []form, seed uint64) (*Disk, uint64) {
	disk, inodes := r.base.copyInodes()
	happened := make([]bool, len(r.effects))
	next := 0
	for i := range r.effects {
		e := &r.effects[i]
		if e.at > event {
			break
		}
		f := kept
		if next < len(pending) && pending[next] == i {
			f = forms[next]
			next++
		}
		if f == dropped || e.needs >= 0 && !happened[e.needs] {
			continue
		}
		happened[i] = true
		inodes = disk.grow(inodes, e)
		if e.data {
			inodes[e.inode].apply(e, f, i, seed)
		} else {
			disk.enter(inodes, e)
		}
	}
	disk.inodes = len(inodes)
	return disk, disk.root.digestTree()
}

// grow makes the inodes that an effect is the first to need.
func (d *Disk) grow(inodes []*inode, e *effect) []*inode {
	need := func(number int, dir bool) {
		for number >= len(inodes) {
			inodes = append(inodes, nil)
		}
		if number != gone && inodes[number] == nil {
			inodes[number] = &inode{number: number, dir: dir}
		}
	}
	if e.data {
		need(e.inode, false)
	}
	for _, entry := range e.entries {
		need(entry.dir, true)
		need(entry.inode, e.ofDir)
	}
	return inodes
}

func (d *Disk) enter(inodes []*inode, e *effect) {
	for _, entry := range e.entries {
		if entry.inode == gone {
			delete(inodes[entry.dir].names, entry.name)
		} else {
			inodes[entry.dir].add(entry.name, inodes[entry.inode])
		}
	}
}

// apply does to a file what of an effect reached the disk.
func (n *inode) apply(e *effect, f form, index int, seed uint64) {
	n.digest = mix(n.digest, uint64(index)<<8|uint64(f))
	if e.truncates {
		n.resize(e.size)
		return
	}
	before, end := int64(len(n.data)), e.offset+int64(len(e.bytes))
	if f == kept {
		n.write(e.bytes, e.offset)
		return
	}
	random := rand.New(rand.NewPCG(seed, uint64(index)))
	if end <= before || f == torn { // what was there before is overwritten in part
		n.tear(e, random)
		return
	}
	n.own(end)
	if f == stale {
		for i := max(before, e.offset); i < end; i++ {
			n.data[i] = byte(random.Uint32())
		}
	}
}

// tear writes some of the sectors of a write, of more than one not all.
func (n *inode) tear(e *effect, random *rand.Rand) {
	first, last := e.offset/sector, (e.offset+int64(len(e.bytes))-1)/sector
	without := first + random.Int64N(last-first+1)
	for s := first; s <= last; s++ {
		if s == without || random.IntN(2) == 0 {
			continue
		}
		begin, end := max(s*sector-e.offset, 0), min((s+1)*sector-e.offset, int64(len(e.bytes)))
		n.write(e.bytes[begin:end], e.offset+begin)
		n.digest = mix(n.digest, uint64(s))
	}
}

// digestTree tells two trees of one recording apart.
func (n *inode) digestTree() uint64 {
	sum := mix(n.digest, uint64(n.number))
	for name, child := range n.names {
		sum += mix(hashName(name), child.digestTree()) // in any order
	}
	return sum
}

// hashName is FNV-1a.
func hashName(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) over two numbers.
func mix(a, b uint64) uint64 {
	z := a*0x9e3779b97f4a7c15 + b + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// String says after which call the power went, and what of the unsynced was there.
func (s State) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "power cut after call %d of %d", s.Event, s.rec.events)
	for i, index := range s.pending {
		fmt.Fprintf(&b, "\n  %s: %s", formNames[s.forms[i]], s.rec.describe(index))
	}
	return b.String()
}

// describe says what an effect is.
func (r *Recording) describe(index int) string {
	e := &r.effects[index]
	switch {
	case e.truncates:
		return fmt.Sprintf("call %d, inode %d is cut to %d bytes", e.at, e.inode, e.size)
	case e.data:
		return fmt.Sprintf("call %d, %d bytes at %d of inode %d", e.at, len(e.bytes), e.offset, e.inode)
	}
	text := fmt.Sprintf("call %d,", e.at)
	for _, entry := range e.entries {
		if entry.inode == gone {
			text += fmt.Sprintf(" %s goes from directory %d", entry.name, entry.dir)
		} else {
			text += fmt.Sprintf(" %s is inode %d in directory %d", entry.name, entry.inode, entry.dir)
		}
	}
	return text
}
