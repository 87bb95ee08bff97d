package backup_test

import (
	"math/rand/v2"
	"os"
	"testing"

	"varve/backup"
	"varve/internal/durable"
	"varve/repository"
)

// BenchmarkRandomReads reads 4 KiB at random places of the newest revision of the
// first volume, where it holds data: on one goroutine, each through the whole way
// of an Image. With VARVE_BENCH_REPO it is that repository's, otherwise a small one.
func BenchmarkRandomReads(b *testing.B) {
	p := &place{dir: os.Getenv("VARVE_BENCH_REPO")}
	if p.dir == "" {
		p = newPlace(b, b.TempDir())
		data := make([]byte, 64<<20)
		fillRandom(data, 1)
		p.mustCreate(b, &memSource{data: data}, backup.CreateOptions{})
	} else {
		tree, err := durable.OpenTree(p.dir)
		if err == nil {
			p.repo, err = repository.Open(tree, repository.Options{})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	defer p.close(b)
	volumes, err := p.repo.Volumes()
	if err != nil || len(volumes) == 0 {
		b.Fatal("no volume", err)
	}
	revisions := p.revisions(b, volumes[0].Name)
	p.image(b, volumes[0].Name, revisions[len(revisions)-1].ID, func(im *repository.Image) {
		var places []int64
		for e, err := range im.Extents(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			for off := int64(0); off+block <= e.Length; off += block {
				places = append(places, e.Offset+off)
			}
		}
		r := rand.New(rand.NewPCG(1, 1))
		buf := make([]byte, block)
		b.SetBytes(block)
		for b.Loop() {
			if _, err := im.ReadAt(buf, places[r.IntN(len(places))]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
