package repository

import (
	"math/bits"
	"runtime"
	"slices"
)

// liveSet holds the objects that maps name, each by the beginning of its id. Two that
// begin alike count as one: then both are kept. It is an open table, eight bytes a place,
// of which at most four in five are taken: ten to fifteen bytes for each object.
//
// Ids are keyed hashes: their beginnings are spread evenly, and nobody can choose them.
type liveSet struct {
	table []objectKey
	count int
	zero  bool // it has key 0, which the table cannot hold: there it stands for a free place
}

// Places of the smallest table, and of one that is worth being collected at once.
const (
	smallestLiveSet = 1 << 10
	bigLiveSet      = 1 << 20
)

// add takes an object in, and tells whether it is new.
func (s *liveSet) add(key objectKey) bool {
	if key == 0 {
		added := !s.zero
		s.zero = true
		return added
	}
	if s.count >= len(s.table)/5*4 {
		s.grow()
	}
	at, found := s.place(key)
	if !found {
		s.table[at] = key
		s.count++
	}
	return !found
}

// place finds where a key is, or would be put.
func (s *liveSet) place(key objectKey) (at int, found bool) {
	home, _ := bits.Mul64(uint64(key), uint64(len(s.table)))
	for at = int(home); s.table[at] != 0; {
		if s.table[at] == key {
			return at, true
		}
		if at++; at == len(s.table) {
			at = 0
		}
	}
	return at, false
}

func (s *liveSet) grow() {
	before := s.table
	s.table = make([]objectKey, max(len(before)+len(before)/2, smallestLiveSet))
	for _, key := range before {
		if key != 0 {
			at, _ := s.place(key)
			s.table[at] = key
		}
	}
	if len(before) >= bigLiveSet {
		runtime.GC() // or all tables there ever were would be around together
	}
}

// find tells whether an object is in the set, and its place: below places, and good
// until the next add.
func (s *liveSet) find(key objectKey) (at int, found bool) {
	if key == 0 {
		return len(s.table), s.zero
	}
	if len(s.table) == 0 {
		return 0, false
	}
	return s.place(key)
}

func (s *liveSet) has(key objectKey) bool {
	_, found := s.find(key)
	return found
}

// places bounds what find tells.
func (s *liveSet) places() int { return len(s.table) + 1 }

// len is how many objects there are.
func (s *liveSet) len() int {
	if s.zero {
		return s.count + 1
	}
	return s.count
}

// without lists what is in the set and not among those flagged by their places.
func (s *liveSet) without(flagged flags) (keys []objectKey) {
	for at, key := range s.table {
		if key != 0 && !flagged.has(at) {
			keys = append(keys, key)
		}
	}
	if s.zero && !flagged.has(len(s.table)) {
		keys = append(keys, 0)
	}
	slices.Sort(keys)
	return keys
}

// flags is one bit for each place of a set.
type flags []uint64

func newFlags(n int) flags { return make(flags, (n+63)/64) }

func (f flags) has(at int) bool { return f[at/64]>>(at%64)&1 != 0 }

// set sets a bit, and tells whether it was not.
func (f flags) set(at int) bool {
	was := f.has(at)
	f[at/64] |= 1 << (at % 64)
	return !was
}
