package repository

import (
	"cmp"
	"slices"
)

// Extent is a range of bytes of an image.
type Extent struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// End is the offset just after the range.
func (e Extent) End() int64 { return e.Offset + e.Length }

// JoinExtents sorts extents, in place, and gives them joined: ascending, and none touches
// the next.
func JoinExtents(extents []Extent) (joined []Extent) {
	slices.SortFunc(extents, func(a, b Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, e := range extents {
		joined = appendExtent(joined, e)
	}
	return joined
}

// appendExtent adds an extent that begins no earlier than the last one does.
func appendExtent(to []Extent, e Extent) []Extent {
	if n := len(to); n > 0 && to[n-1].End() >= e.Offset {
		to[n-1].Length = max(to[n-1].Length, e.End()-to[n-1].Offset)
		return to
	}
	return append(to, e)
}
