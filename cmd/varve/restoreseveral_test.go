package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"varve/volume"
)

// TestRoomOfSeveral has files find room one after the other: what one takes the next does not have, and what
// one replaces it has again.
func TestRoomOfSeveral(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "b")
	if err := os.WriteFile(old, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	takes := (&restoration{target: volume.Location{Scheme: volume.SchemeFile, Path: old}}).replaces()
	if takes == 0 {
		t.Skip("the file system of the temporary directory does not say what a file takes")
	}
	var files []*restoring
	for _, name := range []string{"a", "b", "c", "d"} {
		files = append(files, &restoring{restoration: restoration{target: volume.Location{Scheme: volume.SchemeFile, Path: filepath.Join(dir, name)}}})
	}
	sizes := map[*restoring]int64{files[0]: 1000, files[1]: 1000, files[2]: takes + 1, files[3]: takes}
	needs := func(r *restoring) (int64, error) { return sizes[r], nil }
	errs := fit(files, 2000, needs)
	short := new(volume.SpaceError)
	if errs[0] != nil || errs[1] != nil || !errors.As(errs[2], &short) || short.Available != takes || short.Before != 2 || errors.As(errs[3], &short) && short.Available >= takes {
		t.Errorf("got %v", errs)
	}
}
