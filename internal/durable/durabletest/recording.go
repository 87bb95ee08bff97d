package durabletest

import (
	"math"
	"slices"
)

// Recording is what was done to a [Disk], in order. [Recording.States] says what a
// power cut may leave of it.
//
// The model is POSIX at its worst, as far as journaling file systems may show it.
// What was written reaches the disk for certain only with a sync of that very
// file; an entry of a directory only with a sync of that directory. What was not
// synced may be there or not, each piece on its own and in any order. See Pillai
// et al., All File Systems Are Not Created Equal (OSDI 2014), for what real ones
// do. Two things are taken for granted: a rename within a directory happens or
// does not, and one from a directory to another leaves at least one of the names.
//
// A sync that fails loses what it was to write for good: no later sync brings it
// to the disk for certain, though programs go on seeing it (Rebello et al., Can
// Applications Recover from fsync Failures?, ATC 2020).
type Recording struct {
	disk    *Disk
	base    *Disk // what was on it before
	events  int
	effects []effect
	marks   []int // events at each call of Mark
}

// effect is one thing that reaches the disk or does not.
type effect struct {
	at      int // the event that it came with
	durable int // the event from which on it is on the disk
	lost    bool
	needs   int // the effect that this one cannot be without; -1: none

	// Of a directory's entries; those of one rename change together.
	entries []entry
	ofDir   bool // they lead to a directory

	// Or of a file's data.
	data      bool
	inode     int
	truncates bool
	size      int64  // of truncates
	bytes     []byte // of a write
	offset    int64
}

// entry is a name in a directory that leads to an inode from now on.
type entry struct {
	dir   int
	name  string
	inode int
}

// gone is the inode of a name that leads nowhere.
const gone = -1

const never = math.MaxInt

// Record begins to write down what is done. What is on the disk now counts as durable.
func (d *Disk) Record() *Recording {
	base := d.Copy()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rec = &Recording{disk: d, base: base}
	return d.rec
}

// Stop ends the recording.
func (d *Disk) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rec = nil
}

// Mark parts what was done so far from what comes: States tells them apart. A test
// sets one when a command has returned.
func (d *Disk) Mark() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rec != nil {
		d.rec.marks = append(d.rec.marks, d.rec.events)
	}
}

// Events is the number of calls that changed or synced something.
func (r *Recording) Events() int { return r.events }

// Phases is the number of marks so far.
func (r *Recording) Phases() int { return len(r.marks) }

// phase is the number of marks that were set once so many events had happened.
func (r *Recording) phase(events int) int {
	n := 0
	for n < len(r.marks) && r.marks[n] <= events {
		n++
	}
	return n
}

// note writes down one effect, as an event of its own. d.mu is held.
func (d *Disk) note(e effect) {
	if d.rec == nil {
		return
	}
	d.rec.events++
	d.rec.add(e)
}

func (r *Recording) add(e effect) {
	e.at, e.durable, e.needs = r.events, never, max(e.needs, 0)-1
	r.effects = append(r.effects, e)
}

// noteWrite writes down a write. One that writes what the file holds already, as what keeps
// a lease alive does, is an event and has no effect of its own: whether it reaches the disk
// makes no difference, unless what was written before never does.
func (d *Disk) noteWrite(n *inode, p []byte, off int64) {
	if d.rec == nil {
		return
	}
	if n.holds(p, off) && !d.rec.lost(n.number) {
		d.rec.events++
		return
	}
	d.note(effect{data: true, inode: n.number, bytes: slices.Clone(p), offset: off})
}

// noteRename writes down a rename: within a directory one effect, between two a
// new name, and then the end of the old one.
func (d *Disk) noteRename(from, to int, oldBase, newBase string, n *inode) {
	if d.rec == nil {
		return
	}
	appears, vanishes := entry{to, newBase, n.number}, entry{from, oldBase, gone}
	if from == to {
		d.note(effect{entries: []entry{vanishes, appears}, ofDir: n.dir})
		return
	}
	d.note(effect{entries: []entry{appears}, ofDir: n.dir})
	d.rec.add(effect{entries: []entry{vanishes}, needs: len(d.rec.effects)})
}

// noteSync makes durable what was done to a file or directory. d.mu is held.
func (d *Disk) noteSync(inode int) {
	if d.rec == nil {
		return
	}
	d.rec.events++
	for i := range d.rec.effects {
		if e := &d.rec.effects[i]; e.durable == never && !e.lost && e.of(inode) {
			e.durable = d.rec.events
		}
	}
}

// noteLostSync is a sync that fails: what it was to write will not be written. d.mu is held.
func (d *Disk) noteLostSync(inode int) {
	if d.rec == nil {
		return
	}
	for i := range d.rec.effects {
		if e := &d.rec.effects[i]; e.durable == never && e.of(inode) {
			e.lost = true
		}
	}
}

// lost tells whether something that was done to the inode will never be written.
func (r *Recording) lost(inode int) bool {
	return slices.ContainsFunc(r.effects, func(e effect) bool { return e.lost && e.of(inode) })
}

// loseSyncOf lets the sync of a directory fail.
func (d *Disk) loseSyncOf(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dir, err := d.directory("fsync directory", name); err == nil {
		d.noteLostSync(dir.number)
	}
}

// loseSync lets the sync of a file fail.
func (f *diskFile) loseSync() {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.noteLostSync(f.inode.number)
}

// of tells whether a sync of the inode concerns the effect.
func (e *effect) of(inode int) bool {
	if e.data {
		return e.inode == inode
	}
	return e.entries[0].dir == inode
}
