package repository_test

import (
	"strings"
	"testing"

	"varve/repository"
	"varve/revision"
)

// forgeAs gives another repository a revision in the place of one of ours: whole, of the lineage, of
// a digest that is right, and of another image.
func (p *place) forgeAs(st *revision.Statement) {
	p.t.Helper()
	f := p.newForger(p.open(), st.Volume.Name)
	f.batch(func(b *repository.Backup) {
		for i := range forgedChunks {
			f.change(b, i)
		}
	})
	forged := *st
	forged.Kind, forged.Parent = revision.Full, nil
	p.random(forged.Nonce[:])
	regions := []revision.Region{{Hash: revision.RegionHash(f.chunks)}}
	forged.Digest = revision.ImageDigest(forged.ChunkSize, forged.Size, regions)
	p.forgeFile(&forged, regions, f.chunks)
}

// A second repository of the lineage, which can make maps and objects at will, gives us nothing in the
// place of what is lost but what it was, as long as anything here has its digest still.
func TestRepairBelievesNoOtherImage(t *testing.T) {
	t.Parallel()
	lose := func(n *threatened, st *revision.Statement) {
		n.remove(repository.RevisionName(st.Volume.Name, st.ID))
		n.remove(repository.CopyName(st.Volume.UUID, st.ID))
	}
	for name, c := range map[string]struct {
		which int
		hurt  func(n *threatened, st *revision.Statement)
	}{
		"a child tells": {0, lose},
		"its damaged copy tells": {1, func(n *threatened, st *revision.Statement) {
			n.remove(repository.RevisionName(st.Volume.Name, st.ID))
			file := repository.CopyName(st.Volume.UUID, st.ID)
			n.write(file, flipped(n.read(file), 100))
		}},
		"its set tells": {2, lose},
		"the journal tells": {1, func(n *threatened, st *revision.Statement) {
			lose(n, st)
			event := repository.Event{Op: repository.OpBackup, Result: repository.ResultOK, Volume: st.Volume.Name, UUID: &st.Volume.UUID, Revision: st.ID, Digest: &st.Digest}
			if err := n.open().Record(t.Context(), event); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newThreatened(t, 2)
			set, err := storeSet(t.Context(), n.open(), randomImage(3, forgedChunks), "root", "data")
			if err != nil {
				t.Fatal(err)
			}
			made := append(n.made, set[0])
			event := repository.Event{Op: repository.OpBackup, Result: repository.ResultOK, Volume: "root", UUID: &set[0].Volume.UUID, Revision: set[0].ID, Set: set[0].Set}
			if err := n.open().Record(t.Context(), event); err != nil {
				t.Fatal(err)
			}
			honest, hostile := copyOf(t, n.place), copyOf(t, n.place)
			st := made[c.which]
			hostile.forgeAs(st)
			c.hurt(n, st)
			result := n.repair(repository.RepairOptions{Others: []repository.RepairOther{{Name: "the hostile one", Repository: hostile.open()}}})
			said := false
			for _, m := range result.Mendings {
				said = said || !m.Mended() && strings.Contains(m.Why.Error(), "the hostile one") && strings.Contains(m.Why.Error(), "digest")
			}
			if result.Whole() || !said {
				t.Errorf("%+v", result)
			}
			result = n.repair(repository.RepairOptions{Others: []repository.RepairOther{
				{Name: "the hostile one", Repository: hostile.open()}, {Name: "the honest one", Repository: honest.open()},
			}})
			if !result.Whole() {
				t.Errorf("and with an honest one: %+v", result)
			}
			n.wantStates(provenWhole, provenWhole)
		})
	}
}

// A volume's own file is not made of that of another volume, which has the name in another repository.
func TestRepairTakesNoOtherVolumesName(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 1)
	other := copyOf(t, n.place)
	other.mustRename("db1", "db2")
	other.mustStore(other.open(), "db1", randomImage(4, 2))
	honest := copyOf(t, n.place)
	file, st := "volumes/db1/volume.json", n.made[0]
	whole := n.read(file)
	n.write(file, flipped(whole, 10))
	for _, name := range []string{repository.RevisionName("db1", st.ID), repository.CopyName(st.Volume.UUID, st.ID)} {
		n.write(name, []byte("nothing")) // or it would tell
	}
	repair := func(p *place) *repository.RepairResult {
		result, err := n.open().Repair(t.Context(), repository.RepairOptions{Others: []repository.RepairOther{{Name: "the other", Repository: p.open()}}})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	if result := repair(other); result.Whole() {
		t.Errorf("%+v", result)
	}
	if now := n.read(file); string(now) != string(flipped(whole, 10)) {
		t.Errorf("the volume's file was made of another's: %s", now)
	}
	if result := repair(honest); !result.Whole() || string(n.read(file)) != string(whole) {
		t.Errorf("of a copy of this repository: %+v", result)
	}
	n.wantStates(provenWhole)
}
