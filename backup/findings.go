package backup

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"varve/revision"
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
// met which first.
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
	return f.list
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
