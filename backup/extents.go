package backup

import "varve/repository"

// Total is how many bytes the extents have together.
func Total(extents []repository.Extent) (n int64) {
	for _, e := range extents {
		n += e.Length
	}
	return n
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
