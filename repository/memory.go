package repository

import (
	"sync"
	"time"

	"varve/revision"
)

// A Memory is for a process that asks one repository the same again and again: for
// [Repository.Summaries], [Repository.Unproven] and [Repository.EventsSince]. What did not
// change is not read anew. It is given in [Options], and safe for concurrent use; the zero value
// is ready. What it remembers is shared by all who ask, and not to be changed.
//
// Files below volumes and proofs are made, replaced and removed, and never written in
// place, so that each change changes the times of a directory. Two changes that share a tick of
// the file system's clock would look like one; so what is read is kept only if the times had been
// seen to be the same for a while, which goes by the clock of this process alone. The journal only
// grows. What rots in place is noticed when what is kept is too old. See decision 32.
type Memory struct {
	summaries memos[string, Summary] // by the names of directories
	unproven  memos[revision.UUID, Unproven]

	mu     sync.Mutex           // guards what follows; taken before those of summaries and unproven
	of     revision.UUID        // the repository
	months map[string]monthMemo // by the names of files
}

// How long the times of directories have to be the same before what is read is kept, and how
// long anything is kept.
const (
	memorySettles = settling + 500*time.Millisecond // between two looks, by our clock
	memoryAges    = time.Hour
)

// ofSummaries are those that are remembered; nil: none are.
func (m *Memory) ofSummaries() *memos[string, Summary] {
	if m == nil {
		return nil
	}
	return &m.summaries
}

// ofProofs likewise.
func (m *Memory) ofProofs() *memos[revision.UUID, Unproven] {
	if m == nil {
		return nil
	}
	return &m.unproven
}

// begin forgets what is of another repository.
func (m *Memory) begin(of revision.UUID) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of != of {
		m.of, m.months = of, nil
		m.summaries.keep(func(string) bool { return false })
		m.unproven.keep(func(revision.UUID) bool { return false })
	}
}

// keepOnly forgets what is of other volumes.
func (m *Memory) keepOnly(summaries []Summary) {
	if m == nil {
		return
	}
	bases, uuids := map[string]bool{}, map[revision.UUID]bool{}
	for i := range summaries {
		v := &summaries[i].Volume
		bases[v.Name.Encode()], uuids[v.UUID] = true, true
	}
	m.summaries.keep(func(base string) bool { return bases[base] })
	m.unproven.keep(func(uuid revision.UUID) bool { return uuids[uuid] })
}

// stamps tell one or two directories as they are from what they were.
type stamps [2]dirStamp

// memo is what was read of directories.
type memo[V any] struct {
	stamps stamps
	since  time.Time // when they were seen to be so first
	read   time.Time // when value was; zero: it is not to be used
	value  V
}

// memos are several, by what they are about. The zero value is empty.
type memos[K comparable, V any] struct {
	mu  sync.Mutex
	all map[K]memo[V]
}

// keep forgets the others.
func (ms *memos[K, V]) keep(wanted func(K) bool) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for k := range ms.all {
		if !wanted(k) {
			delete(ms.all, k)
		}
	}
}

// A look is one look at what is remembered of something, and whether that still holds.
type look[K comparable, V any] struct {
	in     *memos[K, V] // nil: nothing is remembered
	key    K
	begun  time.Time
	stamps stamps // as of then; zero: not known
	value  V
	holds  bool // value is what would be read
}

// look looks. What is remembered tells which directories it was read from. Of nil, nothing is.
func (ms *memos[K, V]) look(key K, now time.Time, dirs func(V) (stamps, error)) look[K, V] {
	l := look[K, V]{in: ms, key: key, begun: now}
	if ms == nil {
		return l
	}
	ms.mu.Lock()
	was, seen := ms.all[key]
	ms.mu.Unlock()
	if !seen {
		return l
	}
	var err error
	if l.stamps, err = dirs(was.value); err != nil {
		l.stamps = stamps{}
		return l
	}
	l.value, l.holds = was.value, l.stamps == was.stamps && !was.read.IsZero() && now.Sub(was.read) < memoryAges
	return l
}

// note remembers what was read since the look.
func (l *look[K, V]) note(value V, now time.Time, dirs func(V) (stamps, error)) {
	if l.in == nil {
		return
	}
	fresh := memo[V]{stamps: l.stamps, since: now, value: value}
	if l.stamps == (stamps{}) { // for the next look to compare with
		var err error
		if fresh.stamps, err = dirs(value); err != nil {
			return
		}
	}
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	if was, seen := l.in.all[l.key]; seen && was.stamps == l.stamps {
		fresh.since = was.since
		if l.begun.Sub(was.since) >= memorySettles {
			fresh.read = l.begun
		}
	}
	if l.in.all == nil {
		l.in.all = map[K]memo[V]{}
	}
	l.in.all[l.key] = fresh
}
