package filevolume_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

const page = 4096

// cachedPages is how many pages of a file from off are in the page cache.
func cachedPages(t testing.TB, f *os.File, off, n int64) int64 {
	t.Helper()
	var stat unix.Cachestat_t
	err := unix.Cachestat(uint(f.Fd()), &unix.CachestatRange{Off: uint64(off), Len: uint64(n)}, &stat, 0)
	if err != nil {
		t.Skipf("needs cachestat(2), Linux 6.5: %v", err)
	}
	return int64(stat.Cache)
}

// newCold makes a synced file of which nothing is in the page cache.
func newCold(t testing.TB, size int64) *os.File {
	t.Helper()
	f, err := os.Create(t.TempDir() + "/cold.img")
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, f)
	random := rand.NewChaCha8([32]byte{1})
	if _, err := io.Copy(f, io.LimitReader(random, size)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	forget(t, f)
	if n := cachedPages(t, f, 0, size); n > 0 {
		t.Skipf("needs a file system with a page cache that can be emptied; %d pages stayed", n)
	}
	// Open for writing it would be live, and reopened nobody else shares our advice.
	again, err := os.Open(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, again)
	return again
}

func forget(t testing.TB, f *os.File) {
	t.Helper()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}

// warm brings pages into the page cache, and no others.
func warm(t testing.TB, f *os.File, off, n int64) {
	t.Helper()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(make([]byte, n), off); err != nil {
		t.Fatal(err)
	}
}

// Reading leaves the page cache as it was: what was in it stays, what was not does not come.
func TestReadingLeavesThePageCacheAlone(t *testing.T) {
	const size, chunk = 16<<20 + 100, 1 << 20
	tests := map[string][]struct{ off, n int64 }{
		"nothing is cached": nil,
		"all is cached":     {{0, size}},
		"a chunk is cached": {{3 * chunk, chunk}},
		"parts are cached":  {{5 * page, 3 * page}, {chunk + 9*page, page}, {4*chunk - 2*page, 8 * page}, {15*chunk + page, 7 * page}},
		"the end is cached": {{size - 100, 100}},
	}
	for name, ranges := range tests {
		t.Run(name, func(t *testing.T) {
			// The kernel may take back any page at any time, but hardly each time.
			for try := 1; ; try++ {
				f := newCold(t, size)
				for _, r := range ranges {
					warm(t, f, r.off, r.n)
				}
				before := residency(t, f, size)
				readAll(t, freeze(t, f.Name()), 2, chunk)
				after := residency(t, f, size)
				if slices.Equal(before, after) {
					return
				}
				if try == 3 {
					t.Fatalf("pages cached before: %v\nand after: %v", indices(before), indices(after))
				}
			}
		})
	}
}

// indices lists where a flag is set.
func indices(flags []bool) []int {
	var set []int
	for i, flag := range flags {
		if flag {
			set = append(set, i)
		}
	}
	return set
}

// residency says of each page whether it is cached.
func residency(t *testing.T, f *os.File, size int64) []bool {
	t.Helper()
	var cached []bool
	for off := int64(0); off < size; off += page {
		cached = append(cached, cachedPages(t, f, off, page) > 0)
	}
	return cached
}

func readAll(t testing.TB, snapshot io.ReaderAt, workers int, chunk int64) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			buf := make([]byte, chunk)
			for {
				_, err := snapshot.ReadAt(buf, next.Add(chunk)-chunk)
				if err == io.EOF {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Reading a cached file costs what its copying costs; asking first is what is measured here.
//
// go test -run - -bench Read ./volume/filevolume
func BenchmarkReadCached(b *testing.B) { benchmarkRead(b, true) }

func BenchmarkReadCold(b *testing.B) { benchmarkRead(b, false) }

func benchmarkRead(b *testing.B, cached bool) {
	const size, chunk, workers = 1 << 30, 1 << 20, 2
	f := newCold(b, size)
	ways := map[string]func(b *testing.B) io.ReaderAt{
		"plain": func(b *testing.B) io.ReaderAt {
			f, err := os.Open(f.Name())
			if err != nil {
				b.Fatal(err)
			}
			closeAtEnd(b, f)
			return f
		},
		"snapshot": func(b *testing.B) io.ReaderAt { return freeze(b, f.Name()) },
	}
	for name, open := range ways {
		b.Run(name, func(b *testing.B) {
			reader := open(b)
			forget(b, f)
			if cached {
				readAll(b, f, workers, chunk)
			}
			b.SetBytes(size)
			for b.Loop() {
				if !cached {
					b.StopTimer()
					forget(b, f)
					b.StartTimer()
				}
				readAll(b, reader, workers, chunk)
			}
		})
	}
}

// A sparse file of which all data is cached: its holes are not, and are read all the same.
func BenchmarkReadSparse(b *testing.B) {
	const size, chunk, workers = 1 << 30, 1 << 20, 2
	f, err := os.Create(b.TempDir() + "/sparse.img")
	if err != nil {
		b.Fatal(err)
	}
	closeAtEnd(b, f)
	data := bytes.Repeat([]byte("data"), chunk/4*7/8)
	for off := int64(0); off < size; off += chunk {
		if _, err := f.WriteAt(data, off); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(f.Truncate(size), f.Sync()); err != nil {
		b.Fatal(err)
	}
	snapshot := freeze(b, f.Name())
	b.SetBytes(size)
	for b.Loop() {
		readAll(b, snapshot, workers, chunk)
	}
}
