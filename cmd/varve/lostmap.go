package main

import (
	"fmt"
	"strings"

	"varve/repository"
)

// beginLostMap makes the map of lost ranges before anything is restored: where it
// cannot be written, that is found out at once.
func (r *restoration) beginLostMap() error {
	return r.writeLostMap("# not complete: the restore has not ended\n")
}

// endLostMap writes the ranges that could not be restored, if any, for programs to read.
func (r *restoration) endLostMap(lost []repository.Extent) error {
	var out strings.Builder
	for _, e := range lost {
		fmt.Fprintf(&out, "%d %d\n", e.Offset, e.Length)
	}
	return r.writeLostMap(out.String())
}

func (r *restoration) writeLostMap(body string) error {
	if r.f.lostMap == "" {
		return nil
	}
	text := fmt.Sprintf("# bytes of %s@%s that are lost, and were not restored to %s\n# offset length, in bytes of the volume\n%s",
		r.rev.Volume.Name, r.rev.ID, quote(r.target.Path), body)
	if err := replaceFile(r.f.lostMap, text, false); err != nil {
		return fmt.Errorf("write the map of lost ranges: %w", err)
	}
	return nil
}
