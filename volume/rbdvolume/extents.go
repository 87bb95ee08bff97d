//go:build ceph

package rbdvolume

import (
	"cmp"
	"slices"

	"varve/volume"
)

// appendExtent adds an extent, rounded to grain and cut to part. Most come in order, and join the one before.
func appendExtent(all []volume.Extent, part volume.Extent, grain, off, length int64) []volume.Extent {
	first := max(off/grain*grain, part.Offset)
	end := min((off+length+grain-1)/grain*grain, part.End())
	if first >= end {
		return all
	}
	if n := len(all); n > 0 && all[n-1].Offset <= first && first <= all[n-1].End() {
		all[n-1].Length = max(all[n-1].End(), end) - all[n-1].Offset
		return all
	}
	return append(all, volume.Extent{Offset: first, Length: end - first})
}

// sortedExtents puts extents in order; those that touch stay for the caller to join.
func sortedExtents(all []volume.Extent) []volume.Extent {
	slices.SortFunc(all, func(a, b volume.Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	return all
}
