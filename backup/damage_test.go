package backup_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"varve/backup"
	"varve/repository"
	"varve/revision"
)

// glob lists the repository's files whose path matches.
func (p *place) glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(p.dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(names), err)
	}
	return names
}

// verify reads a revision back, and tells what of it is lost.
func (p *place) verify(t *testing.T, id revision.ID) (lost []repository.Extent) {
	t.Helper()
	p.image(t, "v", id, func(im *repository.Image) {
		result, err := backup.Verify(t.Context(), im, backup.VerifyOptions{})
		if damage := new(backup.DamageError); err != nil && !errors.As(err, &damage) {
			t.Fatal(err)
		}
		lost = result.Lost
	})
	return lost
}

// What a verify found lost is stored anew by the next backup, though nothing of
// the source changed, and whichever copies are to blame.
func TestWhatWasFoundLostIsStoredAnew(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(10*chunkSize, 1)}
	first := p.mustCreate(t, src, backup.CreateOptions{Workers: 1}) // so that a place in the pack is one in the volume
	scratchPacks(t, p.dir, 3*chunkSize)
	scratchPacks(t, p.dir, 6*chunkSize)
	p.close(t)
	p.open(t)
	lost := p.verify(t, first.Statement.ID)
	if len(lost) != 2 {
		t.Fatalf("lost: %v", lost)
	}
	slices.Reverse(lost) // whoever noted it may not have sorted it
	err := p.repo.Mark(t.Context(), p.revisions(t, "v")[0], func(info *repository.Info) {
		info.State, info.Lost = repository.Damaged, lost
	})
	if err != nil {
		t.Fatal(err)
	}
	second := p.mustCreate(t, src, backup.CreateOptions{})
	if s := second.Statement.Statistics; len(second.Findings) != 2 || s.NewChunks != 2 {
		t.Errorf("findings %+v, statistics %+v", second.Findings, s)
	}
	if lost := p.verify(t, second.Statement.ID); len(lost) > 0 {
		t.Errorf("lost after the next backup: %v", lost)
	}
}

// A pack that is gone takes with it what the next backups would leave to their parent.
func TestWhatLayInAPackThatIsGoneIsStoredAnew(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(10*chunkSize, 1)}
	p.mustCreate(t, src, backup.CreateOptions{})
	copy(src.data[8*chunkSize:], randomBytes(2*chunkSize, 2))
	packs := p.glob(t, "packs/*/*.pack")
	p.mustCreate(t, src, backup.CreateOptions{})
	if err := os.Remove(packs[0]); err != nil {
		t.Fatal(err)
	}
	result := p.mustCreate(t, src, backup.CreateOptions{})
	if len(result.Findings) != 1 || result.Findings[0].Kind != backup.FoundDamage || result.Statement.Statistics.NewChunks != 8 {
		t.Errorf("findings %+v, statistics %+v", result.Findings, result.Statement.Statistics)
	}
	if lost := p.verify(t, result.Statement.ID); len(lost) > 0 {
		t.Errorf("lost after the next backup: %v", lost)
	}
	again := p.mustCreate(t, src, backup.CreateOptions{})
	if len(again.Findings) > 0 || again.Statement.Statistics.Stored > 0 {
		t.Errorf("the backup after that: findings %+v, statistics %+v", again.Findings, again.Statement.Statistics)
	}
}

// A revision of which one region cannot be read any more is nobody's parent.
func TestAParentWithADamagedPageIsPassedOver(t *testing.T) {
	t.Parallel()
	for _, before := range []int{0, 1} {
		p := testPlace(t)
		src := &memSource{data: randomBytes(10*chunkSize, 1)}
		var older revision.ID
		for range before {
			older = p.mustCreate(t, src, backup.CreateOptions{}).Statement.ID
		}
		src.data[0] ^= 1
		bad := p.mustCreate(t, src, backup.CreateOptions{}).Statement.ID
		for _, name := range p.glob(t, "*/*/"+string(bad)+".rev") { // the copy too
			damage(t, name, 100)
		}
		src.data[5*chunkSize] ^= 1
		result := p.mustCreate(t, src, backup.CreateOptions{})
		if len(result.Findings) != 1 || result.Findings[0].Kind != backup.FoundDamage {
			t.Errorf("findings: %+v", result.Findings)
		}
		if result.Statement.Kind == revision.Delta && result.Statement.Parent.ID != older || result.Statement.Kind == revision.Full && before > 0 {
			t.Errorf("after %d good revisions the next is a %s on %+v", before, result.Statement.Kind, result.Statement.Parent)
		}
		if !bytes.Equal(p.restored(t, "v", result.Statement.ID), src.data) {
			t.Error("restored bytes differ")
		}
	}
}

// damage flips a bit of a file.
func damage(t *testing.T, name string, off int) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[off] ^= 0x10
	if err := os.WriteFile(name, data, 0o640); err != nil {
		t.Fatal(err)
	}
}
