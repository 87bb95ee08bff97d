package rot

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"varve/internal/proof/tally"
)

// strides say how many attempts of a sort make test passes over for one that it
// makes, on the small reference. The first one is by the seed, so that each run
// makes others.
var strides = map[string]int{"bits": 53, "bytes": 83, "truncations": 149, "whole files": 1, "pairs": 13}

// deepEvery is how many attempts are looked at as deeply as they need for one that
// is looked at in full.
const deepEvery = 67

// maxComplaints ends a test that has said enough.
const maxComplaints = 20

func TestEnumerateRot(t *testing.T) {
	seed, given := tally.Only(t)
	if !given {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (VARVE_SEED repeats the same attempts, on another repository)", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	m := newModel(t, buildReference(t, false))
	e := enumerate(m)
	b := newBench(m)
	defer b.end()
	if err := b.settle(); err != nil {
		t.Fatalf("before any damage: %v", err)
	}
	tried, complaints := map[string]int{}, 0
	begin := 0
	for n, f := range e.families {
		step := strides[f.sort]
		for i := rng.IntN(step); i < f.count; i += step {
			tried[f.sort]++
			if err := b.try(f.try(i), rng.IntN(deepEvery) == 0); err != nil {
				t.Errorf("attempt %d: %v", begin+i, err)
				if complaints++; complaints == maxComplaints {
					t.Fatal("and so on")
				}
			}
		}
		begin = e.ends[n]
	}
	for _, sort := range slices.Sorted(maps.Keys(tried)) {
		t.Logf("%d attempts: %s", tried[sort], sort)
	}
}
