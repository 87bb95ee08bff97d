package backup

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// Finding is damage, or a lie, that a backup came across, or a source that it left frozen.
type Finding struct {
	Kind   FindingKind        `json:"kind"`
	Text   string             `json:"text"`
	Extent *repository.Extent `json:"extent"` // of the volume; null: it is about no one place

	unread string // why the parent could not be read there; Text is made of it at the end
}

// FindingKind sorts findings.
type FindingKind string

// What can be found.
const (
	FoundDamage  FindingKind = "damage"  // stored bytes are not what was written
	FoundTrouble FindingKind = "trouble" // stored bytes could not be read this time
	FoundLie     FindingKind = "tracker" // a change tracker called changed data unchanged
	FoundFrozen  FindingKind = "frozen"  // the source could not be thawed, and may hang
)

// findings is what the workers of one backup come across, counted together.
type findings struct {
	holes        atomic.Int64
	changedBytes atomic.Int64
	changedCount atomic.Int64
	newChunks    atomic.Int64
	patches      atomic.Int64
	zeroChunks   atomic.Int64
	foundBytes   atomic.Int64

	mu   sync.Mutex
	list []Finding
}

func (f *findings) add(finding Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, finding)
}

// sorted gives the findings in the order of the volume's bytes, whichever worker
// met which first. Neighbours with one cause are one finding: a pack that is lost
// is not as many.
func (f *findings) sorted() []Finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	offset := func(x Finding) int64 {
		if x.Extent == nil {
			return -1
		}
		return x.Extent.Offset
	}
	slices.SortStableFunc(f.list, func(a, b Finding) int { return cmp.Compare(offset(a), offset(b)) })
	var joined []Finding
	for _, next := range f.list {
		if n := len(joined); n > 0 && joined[n-1].reaches(next) {
			joined[n-1].Extent.Length += next.Extent.Length
			continue
		}
		joined = append(joined, next)
	}
	for i := range joined {
		joined[i].describe()
	}
	return joined
}

// reaches tells whether another finding goes on where this one ends, for the same cause.
func (f Finding) reaches(next Finding) bool {
	return f.unread != "" && f.unread == next.unread && f.Kind == next.Kind && f.Extent.End() == next.Extent.Offset
}

// describe says of a place of the parent that could not be read what it came to.
func (f *Finding) describe() {
	if f.unread != "" {
		f.Text = fmt.Sprintf("%s of the parent from byte %d on: %s; stored anew", human.Size(f.Extent.Length), f.Extent.Offset, f.unread)
	}
}

func (f *findings) changed(bytes, chunks int64) {
	f.changedBytes.Add(bytes)
	f.changedCount.Add(chunks)
}

func (f *findings) statistics() revision.Statistics {
	return revision.Statistics{
		Holes:         uint64(f.holes.Load()),
		Changed:       uint64(f.changedBytes.Load()),
		ChangedChunks: uint64(f.changedCount.Load()),
		NewChunks:     uint64(f.newChunks.Load()),
		Patches:       uint64(f.patches.Load()),
		ZeroChunks:    uint64(f.zeroChunks.Load()),
		Found:         uint64(f.foundBytes.Load()),
	}
}
