package backup_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"varve/backup"
	"varve/repository"
	"varve/revision"
)

// diff compares two revisions, of any volumes.
func (p *place) diff(t *testing.T, a, b *revision.Statement) (found []repository.Extent, err error) {
	t.Helper()
	p.image(t, a.Volume.Name, a.ID, func(ia *repository.Image) {
		p.image(t, b.Volume.Name, b.ID, func(ib *repository.Image) {
			err = backup.Diff(t.Context(), ia, ib, func(e repository.Extent) error {
				found = append(found, e)
				return nil
			}, backup.DiffOptions{Workers: 3})
		})
	})
	return found, err
}

// differing finds the blocks in which two contents differ, one by one.
func differing(a, b []byte) (found []repository.Extent) {
	shorter := min(len(a), len(b))
	add := func(from, end int) {
		if n := len(found); n > 0 && found[n-1].End() == int64(from) {
			found[n-1].Length += int64(end - from)
		} else if end > from {
			found = append(found, repository.Extent{Offset: int64(from), Length: int64(end - from)})
		}
	}
	for at := 0; at < shorter; at += block {
		if end := min(at+block, shorter); !bytes.Equal(a[at:end], b[at:end]) {
			add(at, end)
		}
	}
	add(shorter, max(len(a), len(b)))
	return found
}

func TestDiff(t *testing.T) {
	t.Parallel()
	base := randomBytes(9*chunkSize+1000, 1)
	change := func(change func(p []byte) []byte) []byte { return change(bytes.Clone(base)) }
	contents := map[string][]byte{
		"itself": base,
		"a byte": change(func(p []byte) []byte { p[3*chunkSize+5000] ^= 1; return p }),
		"neighbours": change(func(p []byte) []byte { // across the edge of two chunks
			p[2*chunkSize-1] ^= 1
			p[2*chunkSize] ^= 1
			return p
		}),
		"zeros":            change(func(p []byte) []byte { clear(p[chunkSize : 4*chunkSize]); return p }),
		"a chunk, in part": change(func(p []byte) []byte { clear(p[chunkSize+block : 2*chunkSize]); return p }),
		"longer by zeros":  append(bytes.Clone(base), make([]byte, 500)...),
		"longer":           append(bytes.Clone(base), randomBytes(3*chunkSize, 2)...),
		"shorter":          base[:5*chunkSize+77],
		"the end":          change(func(p []byte) []byte { p[len(p)-1] ^= 1; return p }),
		"nothing":          {},
		"another":          randomBytes(4*chunkSize, 3),
		"only zeros":       make([]byte, 7*chunkSize),
	}
	p := testPlace(t)
	made := map[string]*revision.Statement{}
	for name, content := range contents {
		made[name] = p.mustCreate(t, &memSource{data: content}, backup.CreateOptions{Volume: revision.Name(name)}).Statement
	}
	for one, a := range contents {
		for other, b := range contents {
			got, err := p.diff(t, made[one], made[other])
			if want := differing(a, b); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s and %s: %v, %v, want %v", one, other, got, err, want)
			}
		}
	}
}

// Along a chain of patches, and only what differs is read.
func TestDiffOfAChain(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	random := rand.New(rand.NewPCG(4, 4))
	content := randomBytes(20*chunkSize, 4)
	var contents [][]byte
	var made []*revision.Statement
	for range 6 {
		contents = append(contents, content)
		made = append(made, p.mustCreate(t, &memSource{data: content}, backup.CreateOptions{}).Statement)
		content = bytes.Clone(content)
		for range 5 {
			copy(content[random.IntN(len(content)-10):], randomBytes(10, random.Uint64()))
		}
	}
	for i := range made {
		for j := range made {
			got, err := p.diff(t, made[i], made[j])
			if want := differing(contents[i], contents[j]); err != nil || !slices.Equal(got, want) {
				t.Errorf("%d and %d: %v, %v, want %v", i, j, got, err, want)
			}
		}
	}
	var meter backup.Meter
	p.image(t, "v", made[0].ID, func(a *repository.Image) {
		p.image(t, "v", made[1].ID, func(b *repository.Image) {
			err := backup.Diff(t.Context(), a, b, func(repository.Extent) error { return nil }, backup.DiffOptions{Meter: &meter})
			if err != nil {
				t.Error(err)
			}
		})
	})
	if read := meter.Read.Load(); read == 0 || read > 2*5*2*chunkSize {
		t.Errorf("%d bytes were read to compare what differs in 5 places", read)
	}
}

// What cannot be read is not called the same, nor different; the rest is compared.
func TestDiffAroundDamage(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	content := randomBytes(10*chunkSize, 1)
	a := p.mustCreate(t, &memSource{data: content}, backup.CreateOptions{Workers: 1}).Statement
	scratchPacks(t, p.dir, 3*chunkSize)
	scratchPacks(t, p.dir, 5*chunkSize+chunkSize/2)
	other := randomBytes(10*chunkSize, 9)
	copy(other[5*chunkSize:6*chunkSize], content[5*chunkSize:]) // the same in both: need not be read
	b := p.mustCreate(t, &memSource{data: other}, backup.CreateOptions{Volume: "w"}).Statement
	p.close(t)
	p.open(t)
	got, err := p.diff(t, a, b)
	damage := new(backup.DamageError)
	if !errors.As(err, &damage) || len(damage.Hurt) == 0 {
		t.Fatalf("around damage: %v", err)
	}
	unknown := backup.Total(damage.Lost)
	if unknown == 0 || unknown%chunkSize != 0 || backup.Total(got)+unknown != 9*chunkSize {
		t.Errorf("differing are %v, not known %v", got, damage.Lost)
	}
	for _, e := range damage.Lost {
		if slices.ContainsFunc(got, func(g repository.Extent) bool { return g.Offset < e.End() && e.Offset < g.End() }) {
			t.Errorf("%v could not be compared, and differs: %v", e, got)
		}
	}
	stop := errors.New("enough")
	p.image(t, "v", a.ID, func(ia *repository.Image) {
		p.image(t, "w", b.ID, func(ib *repository.Image) {
			err = backup.Diff(t.Context(), ia, ib, func(repository.Extent) error { return stop }, backup.DiffOptions{})
		})
	})
	if !errors.Is(err, stop) {
		t.Errorf("a caller who had enough got %v", err)
	}
}
