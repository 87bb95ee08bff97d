package backup_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/backup"
	"varve/volume"
)

// newPrecise is a keeper that tells objects of four chunks, and their blocks if it is asked.
func newPrecise(data []byte) *keeper {
	k := newKeeper(data)
	k.object = 4 * chunkSize
	return k
}

// Of what is told by objects, the blocks are asked for, and read alone: those that are near each other as one, and a chunk
// as a whole of which there are many.
func TestANightReadsBlocks(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	data := randomBytes(28*chunkSize-100, 1)
	clear(data[20*chunkSize : 21*chunkSize])
	k := newPrecise(data)
	p.mustCreate(t, k, backup.CreateOptions{})
	for _, off := range []int64{5 * chunkSize, 5*chunkSize + 3*block, 9*chunkSize + 10*block, 20*chunkSize + 7*block, 28*chunkSize - 101} {
		k.data[off] ^= 1
	}
	for off := 13 * chunkSize; off < 14*chunkSize; off += 5 * block {
		k.data[off] ^= 1
	}
	night := p.mustCreate(t, k, backup.CreateOptions{})
	p.mustHold(t, night, k.data)
	st := night.Statement.Statistics
	const slice = 2 * chunkSize
	if want := uint64(4*block + block + block + (block - 100) + chunkSize + slice); st.Read != want {
		t.Errorf("read %d bytes, want %d", st.Read, want)
	}
	if st.ChangedChunks != 5 || st.Patches != 4 || st.NewChunks != 1 {
		t.Errorf("statistics: %+v", st)
	}
	want := []volume.Extent{{Offset: 4 * chunkSize, Length: 12 * chunkSize}, {Offset: 20 * chunkSize, Length: 8*chunkSize - 100}}
	if len(k.asked) != 1 || k.asked[0] != (volume.Extent{Offset: want[0].Offset, Length: want[1].End() - want[0].Offset}) {
		t.Errorf("asked about %v", k.asked)
	}
}

// Blocks that are told wrongly are found by the slice, as are chunks; in one that changed, too.
func TestATrackerThatLiesAboutBlocks(t *testing.T) {
	t.Parallel()
	const nights = 7
	lies := map[string]func(honest []volume.Extent) []volume.Extent{
		"none":       func([]volume.Extent) []volume.Extent { return nil },
		"one misses": func(honest []volume.Extent) []volume.Extent { return honest[:max(len(honest)-1, 0)] },
		"another of the chunk": func(honest []volume.Extent) []volume.Extent {
			for i := range honest {
				honest[i].Offset ^= 8 * block
			}
			return honest
		},
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testPlace(t)
			k := newPrecise(randomBytes(20*chunkSize, 1))
			options := backup.CreateOptions{CompareAll: nights}
			p.mustCreate(t, k, options)
			k.alter = func(honest []volume.Extent) ([]volume.Extent, error) { return lie(honest), nil }
			for night := 1; ; night++ {
				if night > nights {
					t.Fatalf("not caught in %d nights", nights)
				}
				k.data[11*chunkSize+100] ^= 1 // each night, so that the chunk is never one that did not change
				k.data[11*chunkSize+13*block] ^= byte(night)
				result := p.mustCreate(t, k, options)
				if len(result.Findings) == 0 {
					continue
				}
				p.mustHold(t, result, k.data)
				f := result.Findings[0]
				if f.Kind != backup.FoundLie || f.Extent == nil || f.Extent.Offset < 11*chunkSize || f.Extent.End() > 12*chunkSize || !strings.Contains(f.Text, "unchanged") {
					t.Errorf("finding: %+v", f)
				}
				if result.Statement.Plan.Kind != "all" {
					t.Errorf("plan: %+v", result.Statement.Plan)
				}
				return
			}
		})
	}
}

// Where the parent cannot be read, the chunk is read whole, and the damage is told once.
func TestBlocksOverDamage(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	k := newPrecise(randomBytes(8*chunkSize, 1))
	p.mustCreate(t, k, backup.CreateOptions{CompareAll: 1 << 20})
	p.mustCreate(t, k, backup.CreateOptions{CompareAll: 1 << 20}) // the slice has passed chunk 0
	damage(t, p.glob(t, "packs/*/*.pack")[0], 3*chunkSize+100)
	for i := range 8 {
		k.data[i*chunkSize] ^= 1
	}
	night := p.mustCreate(t, k, backup.CreateOptions{CompareAll: 1 << 20})
	p.mustHold(t, night, k.data)
	if len(night.Findings) != 1 || night.Findings[0].Kind != backup.FoundDamage || night.Findings[0].Extent.Length != chunkSize {
		t.Errorf("findings: %+v", night.Findings)
	}
	if st := night.Statement.Statistics; st.NewChunks != 1 || st.Patches != 7 {
		t.Errorf("statistics: %+v", st)
	}
}

// What cannot be read of the parent is stored anew, as the finding says, also where what was written is what was there.
func TestBlocksThatDidNotChangeOverDamage(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	k := newPrecise(randomBytes(8*chunkSize, 1))
	p.mustCreate(t, k, backup.CreateOptions{CompareAll: 1 << 20})
	p.mustCreate(t, k, backup.CreateOptions{CompareAll: 1 << 20}) // the slice has passed chunk 0
	damage(t, p.glob(t, "packs/*/*.pack")[0], 3*chunkSize+100)
	k.alter = func([]volume.Extent) (told []volume.Extent, err error) {
		for i := range int64(8) {
			told = append(told, volume.Extent{Offset: i * chunkSize, Length: block})
		}
		return told, nil
	}
	k.data[0], k.data[4*chunkSize] = k.data[0]^1, k.data[4*chunkSize]^1 // one of each object
	night := p.mustCreate(t, k, backup.CreateOptions{CompareAll: 1 << 20})
	if len(night.Findings) != 1 || night.Findings[0].Kind != backup.FoundDamage || !strings.Contains(night.Findings[0].Text, "stored anew") {
		t.Errorf("findings: %+v", night.Findings)
	}
	if lost := p.verify(t, night.Statement.ID); len(lost) > 0 {
		t.Errorf("lost: %v", lost)
	}
	p.mustHold(t, night, k.data)
}

// Whatever changes, and however it is resized, a night that reads blocks has what the source has.
func TestNightsOfBlocks(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		p := newPlace(t, dir)
		defer p.close(t)
		k := newPrecise(randomBytes(rapid.IntRange(1, 12*chunkSize).Draw(t, "size"), 1))
		for range rapid.IntRange(2, 5).Draw(t, "nights") {
			for range rapid.IntRange(0, 8).Draw(t, "writes") {
				off := rapid.IntRange(0, len(k.data)-1).Draw(t, "at")
				p := k.data[off:min(len(k.data), off+rapid.SampledFrom([]int{1, block, 3 * block, chunkSize, 5 * chunkSize}).Draw(t, "length"))]
				if rapid.Bool().Draw(t, "zeros") {
					clear(p)
				} else {
					copy(p, randomBytes(len(p), rapid.Uint64().Draw(t, "seed")))
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "resize") == 0 {
				size := rapid.IntRange(1, 12*chunkSize).Draw(t, "size")
				k.data = append(slices.Clip(k.data[:min(size, len(k.data))]), make([]byte, max(0, size-len(k.data)))...)
			}
			night := p.mustCreate(t, k, backup.CreateOptions{})
			if len(night.Findings) > 0 {
				t.Fatalf("findings: %+v", night.Findings)
			}
			if got := p.restored(t, "v", night.Statement.ID); !bytes.Equal(got, k.data) {
				t.Fatal("the revision does not hold what its source held")
			}
		}
	})
}
