package fusemount

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const benchSize = 512 * mib

// benchImage mounts an image that compresses to about three quarters.
func benchImage(b *testing.B, cache int64) (m *Mounted, path string) {
	b.Helper()
	p := newPlace(b, mib)
	id := p.backup("v", p.source("src", benchSize, 1, extent{0, benchSize}))
	m, dir := p.mount(Options{Cache: cache})
	return m, filepath.Join(dir, "v", string(id)+".img")
}

// forget empties the cache of decoded pieces, and has the kernel forget the file.
func forget(b *testing.B, m *Mounted, f *os.File) {
	b.Helper()
	for i := range m.cache.shards {
		s := &m.cache.shards[i]
		s.mu.Lock()
		for key, p := range s.pieces {
			s.free = append(s.free, p.data)
			delete(s.pieces, key)
		}
		s.newest = nil
		s.mu.Unlock()
	}
	forgetPages(b, f)
}

// forgetPages has the kernel forget what it has of a file.
func forgetPages(b *testing.B, f *os.File) {
	b.Helper()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		b.Fatal(err)
	}
}

func openBench(b *testing.B, path string, flag int) *os.File {
	b.Helper()
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	return f
}

// All of an image, one byte after the other: from packs, from the cache of decoded pieces,
// and from the kernel's own.
func BenchmarkSequential(b *testing.B) {
	m, path := benchImage(b, 2*benchSize)
	f := openBench(b, path, os.O_RDONLY)
	buf := make([]byte, mib)
	for _, bb := range []struct {
		name   string
		before func()
	}{
		{"cold", func() { forget(b, m, f) }},
		{"warm", func() { forgetPages(b, f) }},
		{"kernel", func() {}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				b.StopTimer()
				bb.before()
				b.StartTimer()
				n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.NewSectionReader(f, 0, benchSize)}, buf)
				if err != nil || n != benchSize {
					b.Fatalf("read %d bytes: %v", n, err)
				}
			}
		})
	}
}

// 4 KiB here and there, past the kernel's cache.
func BenchmarkRandom(b *testing.B) {
	m, path := benchImage(b, 2*benchSize)
	f := openBench(b, path, os.O_RDONLY|syscall.O_DIRECT)
	for _, readers := range []int{1, 8} {
		for _, warm := range []bool{false, true} {
			name := fmt.Sprintf("readers=%d/cold", readers)
			if warm {
				name = fmt.Sprintf("readers=%d/warm", readers)
			}
			b.Run(name, func(b *testing.B) {
				if !warm {
					forget(b, m, f)
				}
				b.SetBytes(4 * kib)
				b.SetParallelism(readers)
				b.RunParallel(func(pb *testing.PB) {
					raw, err := syscall.Mmap(-1, 0, 4*kib, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
					if err != nil {
						b.Error(err)
						return
					}
					random := rand.New(rand.NewPCG(rand.Uint64(), 1))
					for pb.Next() {
						if _, err := f.ReadAt(raw, random.Int64N(benchSize/(4*kib))*4*kib); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}
