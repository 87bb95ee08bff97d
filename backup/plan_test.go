package backup_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"varve/backup"
	"varve/volume"
)

// TestSlicesGoRound makes a full and then deltas for as long as two rounds take,
// for volumes that slices divide evenly and for others.
func TestSlicesGoRound(t *testing.T) {
	t.Parallel()
	const every = 5
	for _, chunks := range []int{1, 4, 5, 6, 9, 11} {
		p := testPlace(t)
		src := &memSource{data: make([]byte, chunks*chunkSize-5)}
		p.mustCreate(t, src, backup.CreateOptions{CompareAll: every})
		compared := make([]int, chunks)
		for range 2 * every {
			slice := p.mustCreate(t, src, backup.CreateOptions{CompareAll: every}).Statement.Plan.Slice
			for i := slice.First; i < slice.First+slice.Count; i++ {
				compared[i]++
			}
		}
		for i, n := range compared {
			if n < 2 {
				t.Errorf("of %d chunks, chunk %d was compared %d times in %d backups", chunks, i, n, 2*every)
			}
		}
	}
}

// TestASliceFollowsASize shrinks and grows a volume under the slices.
func TestASliceFollowsASize(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	data := make([]byte, 40*chunkSize)
	for i, chunks := range []int{40, 40, 40, 7, 7, 1, 0, 0, 3, 40, 39, 39, 11} {
		src := &memSource{data: data[:chunks*chunkSize]}
		result := p.mustCreate(t, src, backup.CreateOptions{CompareAll: 3})
		slice := result.Statement.Plan.Slice
		if i > 0 && chunks > 0 && (slice == nil || slice.Count == 0) {
			t.Errorf("backup %d, of %d chunks, has slice %+v", i, chunks, slice)
		}
	}
}

// TestDataWrittenIntoAHoleIsNoLie lets somebody write into a hole after the source
// was asked for its holes and before the slice is compared.
func TestDataWrittenIntoAHoleIsNoLie(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: make([]byte, 10*chunkSize), live: "mounted on /srv"}
	copy(src.data, randomBytes(chunkSize, 1))
	p.mustCreate(t, src, backup.CreateOptions{})
	written := false
	src.fail = func(off int64) error {
		if off == 3*chunkSize && !written {
			written = true
			copy(src.data[off:], randomBytes(100, 2))
		}
		return nil
	}
	result := p.mustCreate(t, src, backup.CreateOptions{CompareAll: 1})
	if !written || len(result.Findings) > 0 {
		t.Errorf("written: %t; findings: %+v", written, result.Findings)
	}
	if !bytes.Equal(p.restored(t, "v", result.Statement.ID), src.data) {
		t.Error("what was written is not in the revision")
	}
}

// TestALieWithALostFile catches a lie that a revision believed whose own file is gone.
func TestALieWithALostFile(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: make([]byte, 10*chunkSize)}
	copy(src.data, randomBytes(chunkSize, 1))
	first := p.mustCreate(t, src, backup.CreateOptions{})
	p.mustCreate(t, src, backup.CreateOptions{})
	if err := os.Remove(filepath.Join(p.dir, "volumes", "v", string(first.Statement.ID)+".rev")); err != nil {
		t.Fatal(err)
	}
	const at = 5 * chunkSize
	copy(src.data[at:], randomBytes(100, 2))
	src.lies = []volume.Extent{{Offset: at, Length: chunkSize}}
	result := p.mustCreate(t, src, backup.CreateOptions{CompareAll: 1})
	if len(result.Findings) != 1 || result.Findings[0].Kind != backup.FoundLie {
		t.Errorf("findings: %+v", result.Findings)
	}
	if !bytes.Equal(p.restored(t, "v", result.Statement.ID), src.data) {
		t.Error("restored bytes differ")
	}
}
