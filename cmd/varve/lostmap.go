package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"varve/internal/durable"
	"varve/repository"
)

// writeLostMap writes the ranges that could not be restored for programs to read.
func (r *restoration) writeLostMap(lost []repository.Extent) error {
	if r.f.lostMap == "" {
		return nil
	}
	var out strings.Builder
	fmt.Fprintf(&out, "# bytes of %s@%s that are lost, and were not restored to %s\n",
		r.rev.Volume.Name, r.rev.ID, quote(r.target.Path))
	fmt.Fprintf(&out, "# offset length, in bytes of the volume\n")
	for _, e := range lost {
		fmt.Fprintf(&out, "%d %d\n", e.Offset, e.Length)
	}
	dir, base := filepath.Split(r.f.lostMap)
	tree, err := durable.OpenTree(filepath.Clean(dir + "."))
	if err != nil {
		return fmt.Errorf("write the map of lost ranges: %w", err)
	}
	temps := durable.NewTemps("lost-" + rand.Text())
	if err := errors.Join(durable.Replace(tree, temps, base, []byte(out.String())), tree.Close()); err != nil {
		return fmt.Errorf("write the map of lost ranges: %w", err)
	}
	return nil
}
