package interleave

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"
	"testing/synctest"
	"time"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

// scheduler lets one actor run at a time. It runs in a bubble of testing/synctest: that
// all others rest, synctest.Wait tells.
type scheduler struct {
	disk    *durabletest.Disk
	plan    plan
	actors  []*actor
	running atomic.Pointer[actor] // looked at by whoever wakes up, too
	before  *actor                // who ran last
	held    map[string]bool       // files that are locked
	naps    int
	turns   int // how often another went on
	calls   int // of all
	cutAt   int // the power goes before that call of all; 0: never
	cut     bool
	trace   func(a *actor, op, name string) // nil: nobody wants to know
	stuck   error
	broken  error // a rule that somebody did not keep
}

// plan decides who goes on.
type plan interface {
	// interrupt is asked before a call of the actor that runs, whether another is to go on.
	interrupt(s *scheduler, a *actor, c call) bool
	// next picks one of those that may go on; there is at least one.
	next(s *scheduler, ready []*actor) *actor
}

// call is one that an actor is about to make: see [durabletest.NewWatched].
type call struct {
	op, name string
	shared   bool // others could see what it does, or change what it sees
}

// state of an actor.
type state uint8

const (
	parked  state = iota // before a call
	runs                 // or sleeps until it tries again to get a lock
	isEnded              // its operation has returned
)

// actor is one process.
type actor struct {
	number int
	s      *scheduler
	state  state
	resume chan struct{}
	calls  int
	points int         // calls that others could see, or the outcome of which they could change
	wants  string      // the file of which it did not get the lock
	last   string      // the directory it last looked through, of those for packs
	dieAt  int         // it is killed before that call; 0: never
	dead   atomic.Bool // likewise
	err    error       // what its work ended with
	loseAt int         // before that call, it loses a lock; 0: never
	loses  string      // which: the beginning of the file's name
	lost   bool
	losing bool             // nobody sees the calls that this takes
	open   map[*handle]bool // with a lock
}

// run lets the actors do their work, each by its function, until all have ended.
func (s *scheduler) run(work []func(*actor)) error {
	s.held = map[string]bool{}
	for _, a := range s.actors {
		a.s, a.resume, a.open, a.state = s, make(chan struct{}), map[*handle]bool{}, parked
		go func() {
			<-a.resume
			work[a.number](a)
			a.state = isEnded
		}()
	}
	for {
		synctest.Wait()
		if s.cut {
			s.killAll()
		}
		ready, ended := s.ready(), 0
		for _, a := range s.actors {
			if a.state == isEnded {
				ended++
			}
		}
		switch {
		case ended == len(s.actors):
			return errors.Join(s.stuck, s.broken)
		case s.stuck == nil && (len(ready) == 0 || s.naps > mostNaps):
			s.stuck = fmt.Errorf("nobody gets further: %s", s.waits())
			s.killAll()
			continue
		case len(ready) == 0:
			s.nap()
			continue
		}
		a := s.plan.next(s, ready)
		if a.state != parked { // it is time that it tries again
			if s.nap(); a.state != parked {
				continue
			}
		}
		if s.before != a {
			s.turns++
		}
		s.running.Store(a)
		s.before, a.state = a, runs
		a.resume <- struct{}{}
	}
}

// longestPoll is more than anybody waits between two attempts at a lock. Backups say
// every five seconds how far they are: so long, nobody ever has to wait.
const (
	longestPoll = 101 * time.Millisecond
	mostNaps    = 45
)

// nap lets all who wait for a lock try again: they are before a call then.
func (s *scheduler) nap() {
	s.running.Store(nil)
	s.naps++
	time.Sleep(longestPoll)
	synctest.Wait()
}

func (s *scheduler) waits() string {
	var parts []string
	for _, a := range s.actors {
		if a.state != isEnded {
			parts = append(parts, fmt.Sprintf("%v waits for %q", a, a.wants))
		}
	}
	return strings.Join(parts, ", ")
}

// ready lists the actors that may go on: those before a call, and those that wait for a
// lock that nobody has.
func (s *scheduler) ready() (ready []*actor) {
	for _, a := range s.actors {
		if a.state == parked || a.state == runs && a.wants != "" && !s.held[a.wants] {
			ready = append(ready, a)
		}
	}
	return ready
}

// killAll is what a power cut is for those at work.
func (s *scheduler) killAll() {
	for _, a := range s.actors {
		a.kill()
	}
}

// kill ends a process: its locks end, and its calls do nothing any more.
func (a *actor) kill() {
	if a.dead.Swap(true) {
		return
	}
	for h := range a.open {
		_ = h.release() // in memory, nothing can go wrong
	}
}

// lose ends, behind the back of the actor, a lock of its: as on a file server that was
// started again, or that took it for dead.
func (a *actor) lose() error {
	a.losing = true
	defer func() { a.losing = false }()
	for h := range a.open {
		if !strings.HasPrefix(h.Name(), a.loses) {
			continue
		}
		f, err := a.s.disk.OpenWrite(h.Name())
		if errors.Is(err, fs.ErrNotExist) { // it is just giving it up
			continue
		}
		if err != nil {
			return err
		}
		h.File, f = f, h.File
		if err := f.Close(); err != nil {
			return err
		}
		h.locked, a.lost = false, true
		delete(a.open, h)
		delete(a.s.held, h.Name())
	}
	return nil
}

// before is asked before each call of the actor.
func (a *actor) before(op, name string) error {
	s := a.s
	if a.dead.Load() {
		return durabletest.ErrKilled
	}
	if a.losing {
		return nil
	}
	if s.running.Load() != a { // it slept
		a.park()
	}
	shared := a.isShared(op, name)
	if a.calls++; shared {
		a.points++
	}
	if s.calls++; s.cutAt > 0 && s.calls >= s.cutAt && !s.cut {
		s.cut = true
		a.park()
	}
	if s.plan.interrupt(s, a, call{op, name, shared}) {
		a.park()
	}
	if a.dieAt > 0 && a.calls >= a.dieAt {
		a.kill()
	}
	if a.loseAt > 0 && a.calls >= a.loseAt && !a.lost {
		if err := a.lose(); err != nil {
			return err
		}
	}
	if a.dead.Load() {
		return durabletest.ErrKilled
	}
	if s.trace != nil {
		s.trace(a, op, name)
	}
	if s.broken == nil && isForTheGate(op, name) && !a.isAtGate() {
		s.broken = fmt.Errorf("%v, outside the gate: %s %s", a, op, name)
	}
	return nil
}

// isForTheGate tells whether a call changes what is visible, or a lease, or what is
// condemned: which nobody does but inside the gate. Of a rename, the name is the new one.
func isForTheGate(op, name string) bool {
	dir, base := path.Split(name)
	switch {
	case durable.IsTemp(base) || op != "rename" && op != "remove" && op != "create" && op != "link":
		return false
	case strings.HasPrefix(dir, "volumes/"), strings.HasPrefix(dir, "trash/"), dir == "locks/leases/", dir == "sets/":
		return true
	}
	return dir == "gc/" && op == "rename" || strings.HasPrefix(dir, "copies/")
}

func (a *actor) isAtGate() bool {
	for h := range a.open {
		if h.Name() == "locks/gate" {
			return true
		}
	}
	return false
}

// park lets others go on until the plan has it that this one does.
func (a *actor) park() {
	a.state = parked
	<-a.resume
}

// isShared tells whether others could see what a call does, or change what it sees. What
// is done to a temporary file until it gets its name, nobody sees; what is read of a map
// or a pack that is open, nobody changes. Of a sweep through the directories of packs,
// the first call and the last stand for all.
func (a *actor) isShared(op, name string) bool {
	base := path.Base(name)
	switch {
	case op == "read" || op == "stat" || op == "fsync" || op == "close" || op == "write" || op == "truncate":
		return strings.HasPrefix(name, "locks/") && !strings.HasPrefix(name, "locks/gate")
	case durable.IsTemp(base):
		return op == "rename" || op == "create"
	case op == "statfs":
		return false
	case strings.HasPrefix(name, "packs/") && len(name) == len("packs/xx"):
		swept := a.last != "" && op != "fsync directory" && name != "packs/00"
		a.last = name
		return !swept || name == "packs/ff"
	}
	a.last = ""
	return true
}

// view is the disk as an actor sees it.
type view struct {
	*durabletest.Watched
	a *actor
}

func (s *scheduler) view(a *actor) durable.FS {
	return &view{durabletest.NewWatched(s.disk, a.before), a}
}

func (v *view) wrap(f durable.File, err error) (durable.File, error) {
	if err != nil {
		return nil, err
	}
	return &handle{File: f, a: v.a}, nil
}

// Create implements [durable.FS].
func (v *view) Create(name string) (durable.File, error) { return v.wrap(v.Watched.Create(name)) }

// Open implements [durable.FS].
func (v *view) Open(name string) (durable.File, error) { return v.wrap(v.Watched.Open(name)) }

// OpenWrite implements [durable.FS].
func (v *view) OpenWrite(name string) (durable.File, error) {
	return v.wrap(v.Watched.OpenWrite(name))
}

// handle is an open file of an actor.
type handle struct {
	durable.File
	a      *actor
	locked bool
	over   bool
}

// TryLock implements [durable.File].
func (h *handle) TryLock() (bool, error) {
	got, err := h.File.TryLock()
	if err != nil {
		return false, err
	}
	s := h.a.s
	if got && !h.locked {
		h.locked, h.a.open[h], h.a.wants = true, true, ""
		s.held[h.Name()] = true
	} else if !got {
		h.a.wants = h.Name()
	}
	return got, nil
}

// Close implements [durable.File].
func (h *handle) Close() error {
	if h.over {
		return nil
	}
	return h.release()
}

func (h *handle) release() error {
	h.over = true
	err := h.File.Close() // only then somebody else can get the lock
	if h.locked {
		delete(h.a.open, h)
		delete(h.a.s.held, h.Name())
	}
	return err
}

func (a *actor) String() string { return fmt.Sprintf("actor %d", a.number) }
