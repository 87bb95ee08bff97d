// Package volumetest holds the suites that every implementation of a source or target passes:
// [TestSource] and [TestTarget].
package volumetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"varve/volume"
)

// TestSource tests a kind of source. Open makes one that holds the content; block is the number of which sizes
// are a multiple, 1 where any will do.
func TestSource(t *testing.T, block int, open func(t *testing.T, content []byte) volume.Source) {
	for _, size := range []int{0, 1, 511, 4095, 4097, 1 << 20, 3<<20 + 12345} {
		size = size / block * block
		if size == 0 && block > 1 {
			continue
		}
		content := patchy(size)
		source := open(t, content)
		t.Run("reads", func(t *testing.T) { testReads(t, source, content) })
		t.Run("holes", func(t *testing.T) { testHoles(t, source, content) })
		t.Run("describes", func(t *testing.T) { testDescribe(t, source) })
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := open(t, patchy(block)).Snapshot(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
}

func testReads(t *testing.T, source volume.Source, content []byte) {
	snapshot := freeze(t, source)
	if got, want := snapshot.Size(), int64(len(content)); got != want {
		t.Fatalf("size %d, want %d", got, want)
	}
	if _, err := snapshot.ReadAt(make([]byte, 1), -1); err == nil || err == io.EOF {
		t.Errorf("read at -1: got %v, want an error", err)
	}
	testConcurrent(t, snapshot, content)
	rapid.Check(t, func(t *rapid.T) {
		off := rapid.Int64Range(0, int64(len(content))+5000).Draw(t, "offset")
		n := rapid.IntRange(0, 700_000).Draw(t, "length")
		skew := rapid.IntRange(0, 9).Draw(t, "skew") // memory that is not aligned
		got, want := make([]byte, skew+n)[skew:], make([]byte, n)
		gotN, gotErr := snapshot.ReadAt(got, off)
		wantN, wantErr := bytes.NewReader(content).ReadAt(want, off)
		if gotN != wantN || n > 0 && gotErr != wantErr {
			t.Fatalf("read %d at %d: got %d, %v, want %d, %v", n, off, gotN, gotErr, wantN, wantErr)
		}
		if !bytes.Equal(got[:gotN], want[:wantN]) {
			t.Fatalf("read %d at %d: wrong bytes", n, off)
		}
	})
	consistency, reason, err := snapshot.Consistency()
	if consistency == volume.Live || err != nil {
		t.Errorf("consistency %q (%s), %v, of a source that nobody touched", consistency, reason, err)
	}
}

// testConcurrent reads everything with several goroutines.
func testConcurrent(t *testing.T, snapshot volume.Snapshot, content []byte) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			const piece = 100_000
			buf := make([]byte, piece)
			for off := 0; off < len(content); off += piece {
				want := content[off:min(off+piece, len(content))]
				if _, err := snapshot.ReadAt(buf[:len(want)], int64(off)); err != nil && err != io.EOF {
					t.Errorf("read at %d: %v", off, err)
				}
				if !bytes.Equal(buf[:len(want)], want) {
					t.Errorf("read at %d: wrong bytes", off)
				}
			}
		})
	}
	wg.Wait()
}

func testHoles(t *testing.T, source volume.Source, content []byte) {
	snapshot := freeze(t, source)
	finder, ok := snapshot.(volume.HoleFinder)
	if !ok {
		return
	}
	var end int64
	for data, err := range finder.Data(t.Context(), volume.Extent{Length: snapshot.Size()}) {
		if err != nil {
			t.Fatal(err)
		}
		if data.Length <= 0 || data.Offset < end || data.End() > snapshot.Size() {
			t.Fatalf("extent %+v after %d in %d bytes", data, end, snapshot.Size())
		}
		if !isZero(content[end:data.Offset]) {
			t.Errorf("the hole from %d to %d holds data", end, data.Offset)
		}
		end = data.End()
	}
	if !isZero(content[end:]) {
		t.Errorf("the hole from %d to the end holds data", end)
	}
	if len(content) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range finder.Data(ctx, volume.Extent{Length: snapshot.Size()}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		break
	}
}

func testDescribe(t *testing.T, source volume.Source) {
	first, second := source.Describe(), source.Describe()
	if first != second {
		t.Errorf("described as %+v, then as %+v", first, second)
	}
	if first.Kind == "" || first.Path == "" {
		t.Errorf("described as %+v: kind and path must be known", first)
	}
}

func freeze(t *testing.T, source volume.Source) volume.Snapshot {
	t.Helper()
	snapshot, err := source.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := snapshot.Close(); err != nil {
			t.Errorf("close the snapshot: %v", err)
		}
	})
	return snapshot
}

// patchy is content of which parts are zeros: long and short, aligned and not.
func patchy(size int) []byte {
	content := make([]byte, size)
	random := rand.New(rand.NewPCG(uint64(size), 1))
	for off := 0; off < size; {
		length := random.IntN(300_000)
		if random.IntN(2) == 0 {
			length = 4096 * random.IntN(100)
		}
		part := content[off:min(off+length, size)]
		if random.IntN(3) > 0 {
			for i := range part {
				part[i] = byte(random.Uint32())
			}
		}
		off += len(part)
	}
	return content
}

func isZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }
