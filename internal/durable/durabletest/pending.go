package durabletest

import (
	"maps"
	"path"
	"slices"
)

// Pending is what a power cut could undo, by name and sorted.
type Pending struct {
	// Contents are files to which something was done since their last sync, or before
	// one that failed: under each name that they have.
	Contents []string
	// Names may lead to what they led to before, or nowhere.
	Names []string
	// Gone are names that lead nowhere and may come back.
	Gone []string
}

// Pending tells what is not durable at this moment, as far as it was recorded. It is
// asked while the recording goes on.
func (r *Recording) Pending() Pending {
	d := r.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	contents, names := r.uncertain()
	paths := map[int][]string{}
	d.root.walk(".", func(name string, n *inode) { paths[n.number] = append(paths[n.number], name) })
	var p Pending
	for file := range contents {
		p.Contents = append(p.Contents, paths[file]...) // none, if it was removed
	}
	for e := range names {
		for _, dir := range paths[e.dir] {
			name := path.Join(dir, e.name)
			if _, err := d.find("lstat", name); err == nil {
				p.Names = append(p.Names, name)
			} else {
				p.Gone = append(p.Gone, name)
			}
		}
	}
	slices.Sort(p.Contents)
	slices.Sort(p.Names)
	slices.Sort(p.Gone)
	return p
}

// uncertain gives the files and the entries whose last effects may not be on the
// disk. An effect is made up for by a durable one on the same name that came later.
func (r *Recording) uncertain() (contents map[int]bool, names map[entry]bool) {
	contents, names = map[int]bool{}, map[entry]bool{}
	certain := make([]bool, len(r.effects))
	for i := range r.effects {
		e := &r.effects[i]
		certain[i] = e.durable != never && (e.needs < 0 || certain[e.needs])
		if e.data {
			contents[e.inode] = contents[e.inode] || !certain[i]
		}
		for _, entry := range e.entries {
			entry.inode = 0
			names[entry] = !certain[i]
		}
	}
	maps.DeleteFunc(contents, func(_ int, open bool) bool { return !open })
	maps.DeleteFunc(names, func(_ entry, open bool) bool { return !open })
	return contents, names
}
