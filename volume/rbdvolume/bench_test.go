//go:build ceph

package rbdvolume_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"varve/volume"
	"varve/volume/rbdvolume"
	"varve/volume/rbdvolume/rbdtest"
)

// What is won by having several reads in flight: a chunk each, of an image of 256 MiB that has data everywhere.
func BenchmarkReads(b *testing.B) {
	const (
		size  = 256 << 20
		chunk = 1 << 20
	)
	pool := rbdtest.Pool(b)
	rbdtest.Do(b, "rbd", "create", pool+"/full", "--size", fmt.Sprint(size>>20))
	rbdtest.Do(b, "rbd", "bench", "--io-type", "write", "--io-size", "4M", "--io-total", fmt.Sprint(size), "--io-pattern", "seq", pool+"/full")
	source, err := rbdvolume.Open(b.Context(), rbdtest.Cluster(), volume.Image{Pool: pool, Name: "full"})
	if err != nil {
		b.Fatal(err)
	}
	snap, err := source.Snapshot(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := snap.Close(); err != nil {
			b.Error(err)
		}
	}()
	for _, flying := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("%d in flight", flying), func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				var next atomic.Int64
				var readers errgroup.Group
				for range flying {
					readers.Go(func() error {
						buf := make([]byte, chunk)
						for off := next.Add(chunk) - chunk; off < size; off = next.Add(chunk) - chunk {
							if _, err := snap.ReadAt(buf, off); err != nil {
								return err
							}
						}
						return nil
					})
				}
				if err := readers.Wait(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
