package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"varve/backup"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// pieces reads a few bytes at a time, as pipes do.
type pieces struct {
	r      io.Reader
	random *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	return p.r.Read(b[:1+p.random.IntN(len(b))])
}

// A stream of any length, over any past, makes the revision that a source of known
// size makes.
func TestAStreamIsAVolumeOfUnknownSize(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	sizes := []int{1, chunkSize - 1, chunkSize, chunkSize + 1, 7*chunkSize + 5, 12 * chunkSize}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		stream, whole := revision.Name("stream"), revision.Name("whole")
		data := randomBytes(sizes[random.IntN(len(sizes))], 1+random.Uint64N(3))
		if len(data) > 2*chunkSize && random.IntN(2) == 0 {
			clear(data[chunkSize : 2*chunkSize])
		}
		from := &pieces{bytes.NewReader(data), random}
		got := p.mustCreate(t, volume.NewStream(from, "standard input"), backup.CreateOptions{Volume: stream, SourceChanged: true}).Statement
		want := p.mustCreate(t, &memSource{data: data}, backup.CreateOptions{Volume: whole, ReadAll: true, SourceChanged: true}).Statement
		if got.Digest != want.Digest || got.Size != uint64(len(data)) || got.Kind != want.Kind {
			t.Errorf("a stream of %d bytes: size %d, %s; want as %d, %s", len(data), got.Size, got.Kind, want.Size, want.Kind)
		}
		a, b := got.Statistics, want.Statistics
		if a.Read != uint64(len(data)) || a.Changed != b.Changed || a.ChangedChunks != b.ChangedChunks || a.Patches != b.Patches {
			t.Errorf("statistics %+v, want %+v", a, b)
		}
		if restored := p.restored(t, stream, got.ID); !bytes.Equal(restored, data) {
			t.Error("other bytes came back")
		}
	}
}

// The end of a stream may lie on the end of a region, before it or behind it.
func TestAStreamOfRegions(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	const region = revision.RegionChunks * chunkSize
	tail := randomBytes(3*chunkSize, 9)
	for _, size := range []int64{region + 5, region, region - chunkSize, 2 * region, region + 3*chunkSize, 1} {
		zeros := io.LimitReader(zeroReader{}, max(0, size-int64(len(tail))))
		from := io.MultiReader(zeros, bytes.NewReader(tail[:min(size, int64(len(tail)))]))
		st := p.mustCreate(t, volume.NewStream(from, "standard input"), backup.CreateOptions{SourceChanged: true}).Statement
		if st.Size != uint64(size) {
			t.Errorf("a stream of %d bytes makes a revision of %d", size, st.Size)
		}
		p.image(t, "v", st.ID, func(im *repository.Image) {
			end := make([]byte, min(size, int64(len(tail))))
			if _, err := im.ReadAt(end, size-int64(len(end))); err != nil || !bytes.Equal(end, tail[:len(end)]) {
				t.Errorf("the end of a stream of %d bytes came back otherwise: %v", size, err)
			}
		})
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A stream that fails makes no revision, wherever it does.
func TestAStreamThatFails(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	for _, good := range []int{0, 1, chunkSize, 5*chunkSize + 7} {
		from := io.MultiReader(bytes.NewReader(randomBytes(good, 3)), iotest.ErrReader(errors.New("the pipe broke")))
		_, err := backup.Create(t.Context(), p.repo, volume.NewStream(from, "standard input"), backup.CreateOptions{Volume: "v"})
		var read *volume.ReadError
		if !errors.As(err, &read) || read.Offset != int64(good) {
			t.Errorf("a stream that fails after %d bytes: %v", good, err)
		}
	}
	_, err := backup.Create(t.Context(), p.repo, volume.NewStream(strings.NewReader(""), "standard input"), backup.CreateOptions{Volume: "v"})
	if !errors.Is(err, backup.ErrEmptyStream) {
		t.Errorf("a stream of nothing: %v", err)
	}
	for _, want := range []int64{4, 6} {
		var size *backup.StreamSizeError
		src := volume.NewStream(strings.NewReader("bytes"), "standard input")
		if _, err := backup.Create(t.Context(), p.repo, src, backup.CreateOptions{Volume: "v", StreamSize: want}); !errors.As(err, &size) {
			t.Errorf("a stream of 5 bytes, of which %d were to come: %v", want, err)
		}
	}
	if all := p.revisions(t, "v"); len(all) > 0 {
		t.Errorf("there are %d revisions", len(all))
	}
}

// Interrupting a backup ends the wait for what does not come.
func TestAStreamThatHangs(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = w.Write(randomBytes(2*chunkSize+5, 3)) // and no more; the reader closes it
		cancel()
	}()
	_, err := backup.Create(ctx, p.repo, volume.NewStream(r, "standard input"), backup.CreateOptions{Volume: "v"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// So it does where the reader cannot be interrupted, like a pipe that a shell made.
func TestAStreamThatHangsAndCannotBeClosed(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	r, w := io.Pipe()
	defer mustClose(t, w) // what still reads ends
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = w.Write(randomBytes(2*chunkSize+5, 3))
		cancel()
	}()
	_, err := backup.Create(ctx, p.repo, volume.NewStream(struct{ io.Reader }{r}, "standard input"), backup.CreateOptions{Volume: "v"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// A disk in a format is warned of, and history keeps its times.
func TestAStreamFromElsewhere(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	old := time.Date(2025, 3, 1, 2, 0, 0, 0, time.UTC)
	qcow2 := append([]byte("QFI\xfb\x00\x00\x00\x03"), randomBytes(chunkSize, 4)...)
	result := p.mustCreate(t, volume.NewStream(bytes.NewReader(qcow2), "standard input"), backup.CreateOptions{Begun: old})
	if len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "qcow2") {
		t.Errorf("warnings are %q", result.Warnings)
	}
	if st := result.Statement; !st.Begun.Equal(old) || !st.ID.Begun().Equal(old) {
		t.Errorf("begun %s, id %s", st.Begun, st.ID)
	}
	var order *repository.OrderError
	_, err := backup.Create(t.Context(), p.repo, volume.NewStream(bytes.NewReader(nil), ""), backup.CreateOptions{Volume: "v", Begun: old.Add(-time.Hour)})
	if !errors.As(err, &order) {
		t.Errorf("a revision before that: %v", err)
	}
	events, err := p.repo.Events()
	if err != nil || events[len(events)-1].Result != repository.ResultOK {
		t.Errorf("the journal has %+v (%v): what is passed over has not failed", events, err)
	}
}
