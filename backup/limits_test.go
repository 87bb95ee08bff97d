package backup_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"varve/backup"
	"varve/repository"
	"varve/volume"
)

// countedSource counts what is read of it, chunk by chunk: looking what it is takes less.
type countedSource struct {
	memSource
	onRead func()
}

func (s *countedSource) Snapshot(context.Context) (volume.Snapshot, error) {
	return &countedSnapshot{memSnapshot: &memSnapshot{&s.memSource}, s: s}, nil
}

type countedSnapshot struct {
	*memSnapshot
	s *countedSource
}

func (c *countedSnapshot) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == chunkSize {
		c.s.onRead()
	}
	return c.memSnapshot.ReadAt(p, off)
}

func TestEveryReadIsAdmitted(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &countedSource{memSource: memSource{data: randomBytes(20*chunkSize, 1)}}
	var admitted, read atomic.Int64
	opts := backup.CreateOptions{Volume: "v", Admit: func(_ context.Context, n int) error {
		admitted.Add(int64(n))
		return nil
	}}
	src.onRead = func() {
		if now := read.Add(chunkSize); admitted.Load() < now {
			t.Errorf("%d bytes are read, %d were admitted", now, admitted.Load())
		}
	}
	p.mustCreate(t, src, opts)
	if admitted.Load() != read.Load() || read.Load() != int64(len(src.data)) {
		t.Errorf("%d bytes admitted, %d read", admitted.Load(), read.Load())
	}
	// What is read to catch a lie is read too.
	clear(src.data)
	admitted.Store(0)
	read.Store(0)
	s := p.mustCreate(t, src, opts).Statement.Statistics
	if uint64(admitted.Load()) != s.Read || s.Read == 0 {
		t.Errorf("%d bytes admitted, %d read", admitted.Load(), s.Read)
	}
}

// A run that takes less than a second holds its rate too. In the bubble, time passes
// only while the run waits.
func TestAShortRunHoldsTheRate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		chunks      int
		rate        int64
		least, most time.Duration
	}{
		"half a second":   {50, 100 * chunkSize, 400 * time.Millisecond, 500 * time.Millisecond},
		"three seconds":   {30, 10 * chunkSize, 2900 * time.Millisecond, 3 * time.Second},
		"less than chunk": {3, chunkSize / 2, 4 * time.Second, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testPlace(t)
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				src := &memSource{data: randomBytes(c.chunks*chunkSize, 1)}
				if _, err := backup.Create(t.Context(), p.repo, src, backup.CreateOptions{Volume: "v", BytesPerSecond: c.rate}); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun).Round(time.Millisecond); took < c.least || took > c.most {
					t.Errorf("%d chunks at %d bytes a second took %s, want %s to %s", c.chunks, c.rate, took, c.least, c.most)
				}
			})
		})
	}
}

func TestWhoIsNotAdmittedFails(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &countedSource{memSource: memSource{data: randomBytes(20*chunkSize, 1)}}
	var reads atomic.Int64
	src.onRead = func() { reads.Add(1) }
	refused := errors.New("not now")
	_, err := backup.Create(t.Context(), p.repo, src, backup.CreateOptions{Volume: "v", Admit: func(context.Context, int) error { return refused }})
	if !errors.Is(err, refused) || reads.Load() != 0 {
		t.Errorf("%d reads: %v", reads.Load(), err)
	}
	// A wait ends with the context that it is given.
	ctx, cancel := context.WithCancel(t.Context())
	_, err = backup.Create(ctx, p.repo, src, backup.CreateOptions{Volume: "v", Admit: func(ctx context.Context, _ int) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}})
	if !errors.Is(err, context.Canceled) || reads.Load() != 0 {
		t.Errorf("%d reads: %v", reads.Load(), err)
	}
	if n := len(p.revisions(t, "v")); n != 0 {
		t.Errorf("%d revisions", n)
	}
}

// TestABackupStopsWhereRoomEnds lets the repository be full in the middle of the third
// pack. The next run stores only what the first did not.
func TestABackupStopsWhereRoomEnds(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	const size = 160 << 20 // two packs and a half
	src := &memSource{data: randomBytes(size, 1)}
	full := errors.New("full")
	asked := 0
	opts := backup.CreateOptions{Volume: "v", MinFree: func(available, total int64) error {
		if available <= 0 || total < available {
			t.Errorf("%d bytes of %d are available", available, total)
		}
		if asked++; asked > 1+2*64/4+6 { // at first, for two packs, and for a third of the next
			return full
		}
		return nil
	}}
	_, err := backup.Create(t.Context(), p.repo, src, opts)
	room := new(backup.RoomError)
	if !errors.As(err, &room) || !errors.Is(err, full) {
		t.Fatalf("Create: %v", err)
	}
	if n := len(p.revisions(t, "v")); n != 0 {
		t.Fatalf("%d revisions", n)
	}
	if packs := countPacks(t, p.dir); packs != 2 {
		t.Errorf("%d packs", packs)
	}
	assertNoLeftovers(t, p.dir)
	opts.MinFree = func(int64, int64) error { return nil }
	result := p.mustCreate(t, src, opts)
	if s := result.Statement.Statistics; s.Found < 120<<20 || s.Stored > 40<<20 {
		t.Errorf("the next run stored %d bytes and found %d", s.Stored, s.Found)
	}
	if !bytes.Equal(p.restored(t, "v", result.Statement.ID), src.data) {
		t.Error("restored bytes differ")
	}
}

func countPacks(t *testing.T, dir string) int {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(dir, "packs", "*", "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	return len(packs)
}

func TestWithoutRoomNothingIsBegun(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(chunkSize, 1), fail: func(int64) error {
		t.Error("the source is read")
		return nil
	}}
	full := errors.New("full")
	_, err := backup.Create(t.Context(), p.repo, src, backup.CreateOptions{Volume: "v", MinFree: func(int64, int64) error { return full }})
	room := new(backup.RoomError)
	if !errors.As(err, &room) || room.Err != full {
		t.Errorf("Create: %v", err)
	}
	if _, err := p.repo.Volume("v"); !errors.Is(err, repository.ErrNoVolume) {
		t.Errorf("the volume was made: %v", err)
	}
	events, err := p.repo.Events()
	if err != nil || len(events) != 1 || events[0].Result != repository.ResultFailed || !strings.Contains(events[0].Error, "full") {
		t.Errorf("events %+v, %v", events, err)
	}
	assertNoLeftovers(t, p.dir)
}

// deafSource does not answer a read until it is told to.
type deafSource struct {
	memSource
	answer chan struct{}
	closed chan struct{}
}

func (s *deafSource) Snapshot(context.Context) (volume.Snapshot, error) {
	return &deafSnapshot{memSnapshot: &memSnapshot{&s.memSource}, s: s}, nil
}

type deafSnapshot struct {
	*memSnapshot
	s *deafSource
}

func (d *deafSnapshot) ReadAt(p []byte, off int64) (int, error) {
	if off == 0 {
		<-d.s.answer
	}
	return d.memSnapshot.ReadAt(p, off)
}

func (d *deafSnapshot) Close() error {
	close(d.s.closed)
	return nil
}

func TestASourceThatDoesNotAnswerFails(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &deafSource{memSource: memSource{data: randomBytes(chunkSize, 1)}, answer: make(chan struct{}), closed: make(chan struct{})}
	g := newGuest()
	_, err := backup.Create(t.Context(), p.repo, src, backup.CreateOptions{Volume: "v", StallTimeout: time.Millisecond, Freeze: g.freeze})
	stall := new(backup.StallError)
	if !errors.As(err, &stall) || *stall != (backup.StallError{Source: "/memory", Offset: 0, Limit: time.Millisecond}) {
		t.Fatalf("Create: %v", err)
	}
	if got := strings.Join(g.events, " "); got != "freeze thaw" {
		t.Errorf("it went %q", got)
	}
	select {
	case <-src.closed:
		t.Error("the snapshot was closed under the read")
	default:
	}
	close(src.answer)
	<-src.closed
	// One that answers in time is as any other.
	src.closed = make(chan struct{})
	result := p.mustCreate(t, src, backup.CreateOptions{StallTimeout: time.Hour})
	if !bytes.Equal(p.restored(t, "v", result.Statement.ID), src.data) {
		t.Error("restored bytes differ")
	}
	<-src.closed
}
