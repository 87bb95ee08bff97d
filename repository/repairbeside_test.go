package repository_test

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
)

// opening calls something once, before a file is opened for the first time.
type opening struct {
	durable.FS
	name string
	once sync.Once
	do   func()
}

func (o *opening) Open(name string) (durable.File, error) {
	if name == o.name {
		o.once.Do(o.do)
	}
	return o.FS.Open(name)
}

// A revision that is removed while the files of others are looked at has lost nothing, and does
// not come back.
func TestRepairLeavesWhatWasRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 3)
	r := n.open()
	v, err := r.Volume("db1")
	if err != nil {
		t.Fatal(err)
	}
	fsys := &opening{FS: n.tree(), name: repository.CopyName(v.UUID, n.made[0].ID), do: func() {
		gone := []revision.ID{n.made[1].ID, n.made[2].ID}
		if _, err := r.Remove(t.Context(), v, gone, repository.RemoveOptions{Op: repository.OpRemove, Undelete: time.Hour}); err != nil {
			t.Error(err)
		}
	}}
	result, err := n.openOn(fsys).Repair(t.Context(), repository.RepairOptions{})
	if err != nil || !result.Whole() || len(result.Mendings) > 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if left := n.revisions(n.open(), "db1"); len(left) != 1 {
		t.Errorf("%d revisions are listed; two were removed, and one is left", len(left))
	}
	trashed, err := r.TrashOf(v)
	if err != nil || len(trashed) != 2 {
		t.Errorf("in the trash: %+v, %v", trashed, err)
	}
}

// What comes back out of the trash meanwhile is not put there again.
func TestRepairLeavesWhatCameBackMeanwhile(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 2)
	r := n.open()
	v, err := r.Volume("db1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Remove(t.Context(), v, []revision.ID{n.made[0].ID, n.made[1].ID}, repository.RemoveOptions{Op: repository.OpRemove, Undelete: time.Hour}); err != nil {
		t.Fatal(err)
	}
	trashed, err := r.TrashOf(v)
	if err != nil || len(trashed) != 2 {
		t.Fatalf("%+v, %v", trashed, err)
	}
	slices.SortFunc(trashed, func(a, b repository.Trashed) int { return cmp.Compare(a.ID, b.ID) }) // as they are looked at
	fsys := &opening{FS: n.tree(), name: repository.CopyName(v.UUID, trashed[0].ID), do: func() {
		if _, err := r.Undelete(t.Context(), trashed[1], 0); err != nil {
			t.Error(err)
		}
	}}
	result, err := n.openOn(fsys).Repair(t.Context(), repository.RepairOptions{})
	if err != nil || !result.Whole() || len(result.Mendings) > 0 {
		t.Errorf("%+v, %v", result, err)
	}
	for _, name := range n.files("trash/") {
		if strings.Contains(name, string(trashed[1].ID)) {
			t.Errorf("it is in the trash again: %s", name)
		}
	}
}

// Of a revision of which the file is gone and the copy damaged, the damaged copy is put aside
// when both are had from elsewhere.
func TestRepairKeepsADamagedCopy(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 2)
	other := copyOf(t, n.place)
	st := n.made[0]
	broken := flipped(n.read(repository.CopyName(st.Volume.UUID, st.ID)), 100)
	n.write(repository.CopyName(st.Volume.UUID, st.ID), broken)
	n.remove(repository.RevisionName("db1", st.ID))
	result := n.repair(repository.RepairOptions{Others: []repository.RepairOther{{Name: "the other", Repository: other.open()}}})
	if !result.Whole() {
		t.Errorf("%+v", result)
	}
	evidence, err := n.open().Evidence()
	if err != nil || len(evidence) != 1 || !bytes.Equal(n.read(evidence[0].Name), broken) {
		t.Errorf("put aside: %+v, %v", evidence, err)
	}
}

// What somebody noted of a revision meanwhile is not written over by what another repository knows.
func TestRepairLeavesWhatWasNotedMeanwhile(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 1)
	r := n.open()
	if err := r.Mark(t.Context(), n.revisions(r, "db1")[0], func(i *repository.Info) { i.Note = "before" }); err != nil {
		t.Fatal(err)
	}
	other := copyOf(t, n.place)
	file := strings.TrimSuffix(repository.RevisionName("db1", n.made[0].ID), ".rev") + ".json"
	n.write(file, flipped(n.read(file), 10))
	_, err := r.Repair(t.Context(), repository.RepairOptions{
		Others: []repository.RepairOther{{Name: "the other", Repository: other.open()}},
		Step: func(what string) {
			if what == "repairing "+file {
				if err := r.Mark(t.Context(), n.revisions(r, "db1")[0], func(i *repository.Info) { i.Note = "meanwhile" }); err != nil {
					t.Error(err)
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if note := n.revisions(r, "db1")[0].Info.Note; note != "meanwhile" {
		t.Errorf("what is noted is %q", note)
	}
}

// A volume that is renamed while its own file is to be repaired has one name.
func TestRepairLeavesAVolumeThatWasRenamedMeanwhile(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 1)
	file := "volumes/db1/volume.json"
	n.write(file, flipped(n.read(file), 10))
	r := n.open()
	_, err := r.Repair(t.Context(), repository.RepairOptions{Step: func(what string) {
		if what == "repairing "+file {
			n.mustRename("db1", "db9")
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if n.exists("volumes/db1") {
		t.Errorf("the old name is there again: %q", n.files("volumes/"))
	}
}

// A revision of which nothing is left but what the journal says comes back from a copy of the repository,
// unless it was taken away meanwhile; without such a copy, it is told that it is lost.
func TestRepairOfWhatOnlyTheJournalKnows(t *testing.T) {
	t.Parallel()
	for name, removed := range map[string]bool{"lost": false, "removed meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newThreatened(t, 2)
			st := n.made[1]
			event := repository.Event{Op: repository.OpBackup, Result: repository.ResultOK, Volume: "db1", UUID: &st.Volume.UUID, Revision: st.ID}
			other, file := copyOf(t, n.place), repository.RevisionName("db1", st.ID)
			n.remove(file)
			n.remove(repository.CopyName(st.Volume.UUID, st.ID))
			result := n.repair(repository.RepairOptions{})
			if result.Whole() || len(result.Mendings) != 1 || result.Mendings[0].Path != file || result.Mendings[0].Mended() {
				t.Errorf("of nothing: %+v", result)
			}
			result = n.repair(repository.RepairOptions{
				Others: []repository.RepairOther{{Name: "the other", Repository: other.open()}},
				Step: func(what string) {
					if removed && what == "repairing "+file {
						event.Op = repository.OpRemove
						if err := n.open().Record(t.Context(), event); err != nil {
							t.Error(err)
						}
					}
				},
			})
			if !result.Whole() || n.exists(file) == removed {
				t.Errorf("it is there: %t, %+v", n.exists(file), result)
			}
			if !removed {
				n.wantStates(provenWhole, provenWhole)
			}
		})
	}
}
