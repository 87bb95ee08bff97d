package volumetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"varve/volume"
)

// TargetSuite is what [TestTarget] needs of a kind of target.
type TargetSuite struct {
	// Open opens a target for a volume of size bytes. What is there before is not told, unless the target is Fresh.
	Open func(t *testing.T, size int64) volume.Target
	// Content is what the target that was opened last holds, from its beginning to the size of the volume,
	// seen from outside.
	Content func(t *testing.T) []byte
	// MaxSize bounds the volumes that Open is asked for.
	MaxSize int
}

// TestTarget tests a kind of target.
func TestTarget(t *testing.T, suite TargetSuite) {
	t.Run("anything in any order", suite.testAnything)
	t.Run("concurrent", suite.testConcurrent)
	t.Run("out of range", suite.testRange)
	t.Run("cancelled", suite.testCancelled)
}

// testAnything writes and zeroes random ranges, as a copy in memory says.
func (s TargetSuite) testAnything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(0, s.MaxSize).Draw(rt, "size")
		target := s.Open(t, int64(size))
		defer closeTarget(t, target)
		model := make([]byte, size)
		if target.Size() != int64(size) {
			rt.Fatalf("size %d, want %d", target.Size(), size)
		}
		if !target.Fresh() {
			if n, err := target.ReadAt(model, 0); n < size {
				rt.Fatalf("read what is there: %d of %d bytes, %v", n, size, err)
			}
		}
		for range rapid.IntRange(0, 12).Draw(rt, "steps") {
			off := rapid.IntRange(0, size).Draw(rt, "offset")
			n := rapid.IntRange(0, size-off).Draw(rt, "length")
			if rapid.Bool().Draw(rt, "round") {
				off, n = off/4096*4096, n/4096*4096
			}
			if rapid.Bool().Draw(rt, "zero") {
				clear(model[off : off+n])
				if err := target.Zero(int64(off), int64(n)); err != nil {
					rt.Fatal(err)
				}
				continue
			}
			data := bytes.Repeat([]byte{rapid.ByteRange(1, 255).Draw(rt, "value")}, n)
			copy(model[off:], data)
			if written, err := target.WriteAt(data, int64(off)); written != n || err != nil {
				rt.Fatalf("write %d at %d: got %d, %v", n, off, written, err)
			}
		}
		got := make([]byte, size)
		if n, err := target.ReadAt(got, 0); n != size || err != nil && err != io.EOF {
			rt.Fatalf("read back: %d of %d bytes, %v", n, size, err)
		}
		if !bytes.Equal(got, model) {
			rt.Fatal("what was written does not read back")
		}
		if err := target.Commit(t.Context()); err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(s.Content(t), model) {
			rt.Fatal("the target does not hold what was written")
		}
	})
}

// testConcurrent writes pieces that meet in the middle of blocks.
func (s TargetSuite) testConcurrent(t *testing.T) {
	content := patchy(s.MaxSize)
	target := s.Open(t, int64(len(content)))
	defer closeTarget(t, target)
	const piece = 10_001
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for off := worker * piece; off < len(content); off += 4 * piece {
				data := content[off:min(off+piece, len(content))]
				if _, err := target.WriteAt(data, int64(off)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := target.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Content(t), content) {
		t.Error("the target does not hold what was written")
	}
}

func (s TargetSuite) testRange(t *testing.T) {
	const size = 5000
	target := s.Open(t, size)
	defer closeTarget(t, target)
	for _, off := range []int64{-1, size - 1, size, size + 1} {
		var writeErr *volume.WriteError
		if _, err := target.WriteAt([]byte("ab"), off); !errors.As(err, &writeErr) {
			t.Errorf("write 2 bytes at %d of %d: got %v, want a *WriteError", off, size, err)
		}
		if err := target.Zero(off, 2); !errors.As(err, &writeErr) {
			t.Errorf("zero 2 bytes at %d of %d: got %v, want a *WriteError", off, size, err)
		}
	}
	if n, err := target.ReadAt(make([]byte, 10), size-4); n != 4 || err != io.EOF {
		t.Errorf("read across the end: got %d, %v, want 4, io.EOF", n, err)
	}
}

func (s TargetSuite) testCancelled(t *testing.T) {
	target := s.Open(t, 4096)
	defer closeTarget(t, target)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := target.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: got %v, want context.Canceled", err)
	}
}

func closeTarget(t *testing.T, target volume.Target) {
	if err := target.Close(); err != nil {
		t.Errorf("close the target: %v", err)
	}
}
