package repository_test

import (
	"bytes"
	"testing"

	"varve/chunkstore"
	"varve/repository"
)

// A pack that cannot be opened is put aside once all that is needed lies elsewhere, as it was;
// its records of damage go with it.
func TestRepairPutsPacksAside(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 2)
	pack := n.packs[0][0]
	name := repository.PackName(pack)
	broken := n.read(name)
	broken = flipped(broken, len(broken)-1)
	n.write(name, broken)
	r := n.open()
	if err := r.RecordDamage(t.Context(), &chunkstore.CorruptError{Pack: pack, ID: chunkstore.ID{1}, Kind: chunkstore.Chunk}); err != nil {
		t.Fatal(err)
	}
	result := n.repair(repository.RepairOptions{})
	if !result.Whole() || result.PutAside != 1 || n.exists(name) {
		t.Errorf("%+v", result)
	}
	evidence, err := r.Evidence()
	if err != nil || len(evidence) != 1 || evidence[0].Path != name || !bytes.Equal(n.read(evidence[0].Name), broken) {
		t.Errorf("%+v, %v", evidence, err)
	}
	if left := n.files("damage/" + pack.String()); len(left) > 0 {
		t.Errorf("records are left: %q", left)
	}
	n.wantStates(provenWhole, provenWhole)
	n.costs(1, 0)
	n.collect()
	n.wantStates(provenWhole, provenWhole)
}

// What was put aside is looked into once more, when something is lost that it may have.
func TestRepairLooksIntoEvidence(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 1)
	name := repository.PackName(n.packs[0][0])
	whole := n.read(name)
	n.write(name, flipped(whole, len(whole)-1))
	if result := n.repair(repository.RepairOptions{}); !result.Whole() {
		t.Fatalf("%+v", result)
	}
	for _, pack := range n.packsOf() {
		n.remove(repository.PackName(pack))
	}
	if result := n.repair(repository.RepairOptions{}); !result.Whole() {
		t.Errorf("%+v", result)
	}
	n.wantStates(provenWhole)
}

// A map may need what only a damaged pack has: while one cannot be read, the pack stays.
func TestRepairLeavesPacksThatMayBeNeeded(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 2)
	for _, file := range []string{repository.RevisionName("db1", n.made[1].ID), repository.CopyName(n.made[1].Volume.UUID, n.made[1].ID)} {
		n.write(file, flipped(n.read(file), 100))
	}
	name := repository.PackName(n.packs[1][0])
	n.write(name, n.read(name)[:200])
	result := n.repair(repository.RepairOptions{})
	if result.Whole() || !n.exists(name) || result.PutAside != 0 {
		t.Errorf("%+v", result)
	}
}

// What is lost may still come out of a pack that cannot be opened, by better means than these:
// it stays where it is.
func TestRepairLeavesPacksOfWhatIsLost(t *testing.T) {
	t.Parallel()
	n := newThreatened(t, 1)
	name := repository.PackName(n.packs[0][0])
	content := n.read(name)
	n.write(name, flipped(flipped(content, len(content)-1), 500))
	result := n.repair(repository.RepairOptions{})
	if result.Whole() || !n.exists(name) || result.PutAside != 0 || result.Stored == 0 {
		t.Errorf("%+v", result)
	}
	if again := n.repair(repository.RepairOptions{Sources: n.source(0)}); !again.Whole() || n.exists(name) || again.PutAside != 1 {
		t.Errorf("and with the source: %+v", again)
	}
	n.wantStates(provenWhole)
}
