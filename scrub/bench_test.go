package scrub_test

import (
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"varve/backup"
	"varve/repository"
	"varve/scrub"
	"varve/volume/filevolume"
)

// BenchmarkDeep tells how many bytes of images are proven in a second: of a disk of which a
// third is text, a third is dense and a third is holes, and of nights of patches on it.
func BenchmarkDeep(b *testing.B) {
	const size, nights = 192 << 20, 3
	p := newPlace(b, 1)
	p.dir += "-large"
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		b.Fatal(err)
	}
	tree := p.tree()
	if _, err := repository.Init(b.Context(), tree, repository.InitOptions{ChunkSize: 1 << 20}); err != nil {
		b.Fatal(err)
	}
	r, err := repository.Open(tree, repository.Options{Command: "scrub"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	p.image = make([]byte, size)
	rng := rand.New(rand.NewPCG(1, 2))
	words := make([]byte, 4096)
	for i := range words {
		words[i] = byte('a' + rng.IntN(26))
	}
	for at := 0; at < size/3; {
		n := 4 + rng.IntN(12)
		at += copy(p.image[at:min(at+n, size/3)], words[rng.IntN(4000):])
	}
	for at := size / 3; at < 2*size/3; at += 8 {
		v := rng.Uint64()
		for i := range 8 {
			p.image[at+i] = byte(v >> (8 * i))
		}
	}
	for night := range nights + 1 {
		if night > 0 {
			for range 100 {
				p.image[rng.IntN(2*size/3)] ^= 1
			}
		}
		if err := os.WriteFile(p.disk, p.image, 0o600); err != nil {
			b.Fatal(err)
		}
		src, err := filevolume.Open(p.disk)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := backup.Create(b.Context(), r, src, backup.CreateOptions{Volume: "db"}); err != nil {
			b.Fatal(err)
		}
	}
	p.image = nil
	b.SetBytes(size)
	begun, runs := cpuTime(b), 0
	for b.Loop() {
		runs++
		report, err := scrub.Run(b.Context(), r, scrub.Options{})
		if err != nil || !report.Finished || len(report.Findings) > 0 {
			b.Fatalf("%+v, %v", report, err)
		}
	}
	// On a machine that others use too, this tells more than the wall: bytes for each second of
	// one processor.
	b.ReportMetric(size*float64(runs)/(cpuTime(b)-begun).Seconds()/1e6, "MB/cpu-s")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
