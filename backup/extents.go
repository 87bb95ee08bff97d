package backup

import (
	"cmp"
	"slices"

	"varve/repository"
)

// Total is how many bytes the extents have together.
func Total(extents []repository.Extent) (n int64) {
	for _, e := range extents {
		n += e.Length
	}
	return n
}

// joined sorts extents and joins those that touch.
func joined(extents []repository.Extent) []repository.Extent {
	slices.SortFunc(extents, func(a, b repository.Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	var out []repository.Extent
	for _, e := range extents {
		if n := len(out); n > 0 && e.Offset <= out[n-1].End() {
			out[n-1].Length = max(out[n-1].Length, e.End()-out[n-1].Offset)
			continue
		}
		out = append(out, e)
	}
	return out
}

// cut limits an extent to a span; nothing of it may be left. The extent may end
// beyond every offset that there is, as the last region of the largest image does.
func cut(e, span repository.Extent) (repository.Extent, bool) {
	first, end := max(e.Offset, span.Offset), span.End()
	if end-e.Offset > e.Length {
		end = e.End()
	}
	return repository.Extent{Offset: first, Length: end - first}, end > first
}
