package proof

import (
	"path"
	"slices"
	"strings"
	"testing"

	"varve/repository"
)

// The oracle sees what is wrong.
func TestTheOracleSees(t *testing.T) {
	remove := func(part string) func(*testing.T, *World) {
		return func(t *testing.T, w *World) {
			t.Helper()
			removed := 0
			for name := range w.Disk.Files() {
				if strings.Contains(name, part) {
					removed++
					if err := w.Disk.Remove(name); err != nil {
						t.Fatal(err)
					}
				}
			}
			if removed == 0 {
				t.Fatalf("there is no %s", part)
			}
		}
	}
	for name, c := range map[string]struct {
		harm func(*testing.T, *World)
		says string
	}{
		"nothing":                               {func(*testing.T, *World) {}, ""},
		"a lost repository":                     {remove("varve.json"), "does not open"},
		"a lost file, of which there is a copy": {remove("/db/20"), "its file is gone"},
		"lost revisions":                        {remove("/20"), "not there"}, // with copies and the journal
		"a lost copy":                           {remove("copies/"), "no copy that is the same"},
		"lost packs":                            {remove("packs/"), "pack"},
		"a condemned pack": {func(t *testing.T, w *World) {
			for name := range w.Disk.Files() {
				if id, ok := strings.CutSuffix(path.Base(name), ".pack"); ok {
					if err := w.Disk.SetFile("gc/7.json", []byte(`{"data":{"condemned":[{"pack":"`+id+`"}]}}`)); err != nil {
						t.Fatal(err)
					}
					return
				}
			}
		}, "condemned"},
		"other bytes": {func(_ *testing.T, w *World) {
			p := &w.Promised[0]
			p.Content = slices.Clone(p.Content)
			p.Content[5]++
		}, "not those that were backed up"},
		"fewer bytes": {func(_ *testing.T, w *World) {
			p := &w.Promised[0]
			p.Content = p.Content[:len(p.Content)-1]
		}, "not those that were backed up"},
		"bytes that nobody had": {func(_ *testing.T, w *World) {
			w.Promised, w.Tried["db"] = nil, [][]byte{Noise(9, ChunkSize)}
		}, "neither absent nor complete"},
		"a lie in the journal": {func(t *testing.T, w *World) {
			r, err := w.Open(w.Disk)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.Close() }()
			event := repository.Event{Op: repository.OpBackup, Result: repository.ResultOK, Volume: "db", Revision: "20260101T000000Z-aaaa"}
			if err := r.Record(t.Context(), event); err != nil {
				t.Fatal(err)
			}
		}, "the journal reports"},
		"something left lying": {func(t *testing.T, w *World) {
			if err := w.Disk.SetFile("locks/volumes/.tmp-x-1", nil); err != nil {
				t.Fatal(err)
			}
			if err := w.Disk.Mkdir("volumes/db/deeper"); err != nil {
				t.Fatal(err)
			}
			if err := w.Disk.SetFile("volumes/db/deeper/.tmp-x-1", nil); err != nil {
				t.Fatal(err)
			}
		}, "temporary file"},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWorld("")
			twoVolumes(t.Context(), w)
			c.harm(t, w)
			err := w.Check(t.Context())
			switch {
			case c.says == "" && err != nil:
				t.Errorf("nothing is wrong, and the oracle says: %v", err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("the oracle says %v, want %q", err, c.says)
			}
		})
	}
}
