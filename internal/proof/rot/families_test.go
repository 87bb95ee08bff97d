package rot

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"
)

// family is a row of attempts of one sort, by number.
type family struct {
	sort  string // of which figures are kept
	count int
	try   func(i int) attempt
}

// enumeration is all attempts that there are on a reference.
type enumeration struct {
	families []family
	ends     []int // of each family, in the row of all
}

func enumerate(m *model) *enumeration {
	e := &enumeration{}
	names := m.names()
	for _, name := range names {
		e.bitsOf(m, name)
	}
	for _, name := range names {
		if l := m.layout.packs[name]; l != nil {
			e.payloads(m, name, l)
		}
	}
	for _, name := range names {
		e.truncations(m, name)
	}
	e.wholeFiles(m, names)
	e.pairs(m)
	total := 0
	for _, f := range e.families {
		total += f.count
		e.ends = append(e.ends, total)
	}
	return e
}

// names are the files of the base, sorted.
func (m *model) names() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m.base.files)), func(name string) bool { return strings.HasSuffix(name, "/") })
}

func (e *enumeration) add(sort string, count int, try func(i int) attempt) {
	e.families = append(e.families, family{sort, count, try})
}

func (e *enumeration) total() int { return e.ends[len(e.ends)-1] }

func (e *enumeration) at(i int) (sorted string, a attempt) {
	n := sort.SearchInts(e.ends, i+1)
	if n > 0 {
		i -= e.ends[n-1]
	}
	return e.families[n].sort, e.families[n].try(i)
}

// bitsOf flips each bit of a structure: of a pack, all but the objects' segments;
// of everything else, all of it.
func (e *enumeration) bitsOf(m *model, name string) {
	data := m.base.files[name]
	flip := func(from, to int) {
		e.add("bits", 8*(to-from), func(i int) attempt {
			return m.general(fmt.Sprintf("bit %d of byte %d of %s", i%8, from+i/8, name), name, flipped(data, from+i/8, i%8))
		})
	}
	l := m.layout.packs[name]
	if l == nil {
		flip(0, len(data))
		return
	}
	flip(0, 72)
	for _, id := range sortedIDs(m.layout.copies) {
		for _, c := range m.layout.copies[id] {
			if c.pack != name {
				continue
			}
			e.add("bits", 8*(c.head-c.begin), func(i int) attempt {
				at := c.begin + i/8
				return attempt{
					what: fmt.Sprintf("bit %d of byte %d of %s, in a frame's head", i%8, at, name),
					hit:  &hit{name, id, at, data[at] ^ 1<<(i%8)},
				}
			})
		}
	}
	flip(l.table, len(data))
}

func flipped(data []byte, at, bit int) []byte {
	hurt := slices.Clone(data)
	hurt[at] ^= 1 << bit
	return hurt
}

func (m *model) general(what, name string, data []byte) attempt {
	return attempt{what: what, changed: files{name: data}}
}

// payloads gives each byte of the objects' segments three other values.
func (e *enumeration) payloads(m *model, name string, l *laidOut) {
	data := m.base.files[name]
	for _, id := range sortedIDs(m.layout.copies) {
		for _, c := range m.layout.copies[id] {
			if c.pack != name {
				continue
			}
			e.add("bytes", 3*(c.end-c.head), func(i int) attempt {
				at := c.head + i/3
				to := [3]byte{0x00, 0xff, data[at] ^ scatter(at)}[i%3]
				return attempt{what: fmt.Sprintf("byte %d of %s becomes %#02x", at, name, to), hit: &hit{name, id, at, to}}
			})
		}
	}
}

// scatter is a number that is not zero and looks random.
func scatter(at int) byte { return byte(uint32(at)*2654435761>>24) | 1<<(at%8) }

// truncations cuts a file at each length.
func (e *enumeration) truncations(m *model, name string) {
	data := m.base.files[name]
	e.add("truncations", len(data), func(i int) attempt {
		a := m.general(fmt.Sprintf("%s cut to %d bytes", name, i), name, data[:i:i])
		if m.layout.packs[name] != nil {
			a.cut = name
		}
		return a
	})
}

// wholeFiles deletes and zeroes each file, swaps it with each other of its kind,
// and puts it in the place of each, and under a new name.
func (e *enumeration) wholeFiles(m *model, names []string) {
	var all []attempt
	add := func(what string, changed files) { all = append(all, attempt{what: what, changed: changed}) }
	for i, name := range names {
		data := m.base.files[name]
		add(name+" deleted", files{name: nil})
		add(name+" zeroed", files{name: make([]byte, len(data))})
		if other := renamed(name); other != "" {
			add(name+" also under the name "+other, files{other: data})
			add(name+" moved to "+other, files{other: data, name: nil})
		}
		for k, other := range names {
			if k == i || kindOf(name) != kindOf(other) {
				continue
			}
			add(name+" in the place of "+other, files{other: data})
			add(name+" moved to the place of "+other, files{other: data, name: nil})
			if k > i {
				add(name+" and "+other+" swapped", files{other: data, name: m.base.files[other]})
			}
		}
	}
	e.add("whole files", len(all), func(i int) attempt { return all[i] })
}

// kindOf sorts files; those of one kind could be taken for each other.
func kindOf(name string) string {
	switch base := path.Base(name); {
	case strings.HasPrefix(base, ".tmp-"):
		return "temporary"
	case strings.HasPrefix(base, "varve.json"):
		return "descriptor"
	case base == "volume.json":
		return "volume"
	case strings.HasPrefix(name, "gc/moved/"):
		return "moved"
	case strings.HasPrefix(name, "locks/"), strings.HasPrefix(name, "runs/"), strings.HasPrefix(name, "gc/"):
		return path.Dir(name)
	}
	return path.Ext(name)
}

// renamed is another name that a file of this kind could have.
func renamed(name string) string {
	switch path.Ext(name) {
	case ".pack":
		return path.Join(path.Dir(name), strings.TrimSuffix(path.Base(name), ".pack")[:30]+"ff.pack")
	case ".rev":
		return path.Join(path.Dir(name), "20200101T000000Z-zzzz.rev")
	}
	return ""
}

// pairs hurts both copies of what has two, in the same place.
func (e *enumeration) pairs(m *model) {
	pair := func(one, two string) {
		data := m.base.files[one]
		if data == nil || m.base.files[two] == nil {
			return
		}
		e.add("pairs", len(data), func(i int) attempt {
			return attempt{
				what:    fmt.Sprintf("byte %d of both %s and %s", i, one, two),
				changed: files{one: flipped(data, i, i%8), two: flipped(m.base.files[two], i, i%8)},
			}
		})
		e.add("pairs", 1, func(int) attempt {
			return attempt{what: "both " + one + " and " + two + " deleted", changed: files{one: nil, two: nil}}
		})
	}
	pair("varve.json", "varve.json.copy")
	for i := range m.ref.Kept {
		pair(m.ref.Kept[i].file(), m.ref.Kept[i].copy())
	}
	for _, id := range sortedIDs(m.layout.copies) {
		if copies := m.layout.copies[id]; len(copies) > 1 {
			e.twins(m, copies)
		}
	}
}

// twins hurts all copies of an object, each in its first byte, in its head and at its end.
func (e *enumeration) twins(m *model, copies []stored) {
	e.add("pairs", 3, func(i int) attempt {
		a := attempt{what: fmt.Sprintf("all copies of the object at byte %d of %s", copies[0].begin, copies[0].pack), changed: files{}}
		for _, c := range copies {
			at := [3]int{c.begin, c.head - 1, c.end - 1}[i]
			a.changed[c.pack] = flipped(m.base.files[c.pack], at, 3)
		}
		return a
	})
}
