package rot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"varve/backup"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// opened is a repository opened for one case, and what it warned of.
type opened struct {
	repo   *repository.Repository
	reader *repository.Reader
	warned *atomic.Int64
}

// warnings counts what is logged as a warning.
type warnings struct{ n *atomic.Int64 }

func (w warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (w warnings) Handle(context.Context, slog.Record) error    { w.n.Add(1); return nil }
func (w warnings) WithAttrs([]slog.Attr) slog.Handler           { return w }
func (w warnings) WithGroup(string) slog.Handler                { return w }

func tryOpen(m *memory) (*opened, error) {
	o := &opened{warned: new(atomic.Int64)}
	var err error
	o.repo, err = repository.Open(m, repository.Options{Command: "verify", Log: slog.New(warnings{o.warned})})
	if err != nil {
		return nil, err
	}
	o.reader, err = o.repo.NewReader(context.Background())
	return o, err
}

func openCase(t testing.TB, m *memory) *opened {
	t.Helper()
	o, err := tryOpen(m)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// close cannot fail where nothing was written.
func (o *opened) close() {
	_ = o.reader.Close()
	_ = o.repo.Close()
}

// checkTarget takes no byte that is not right, and remembers which came.
type checkTarget struct {
	want *picture
	mu   sync.Mutex
	got  map[int64]bool // pieces of chunkSize
	err  error
}

func (c *checkTarget) WriteAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := 0; at < len(p); {
		piece := (off + int64(at)) / chunkSize
		n := min(len(p)-at, int((piece+1)*chunkSize-off)-at)
		want := make([]byte, n)
		_, _ = c.want.ReadAt(want, off+int64(at))
		if string(want) != string(p[at:at+n]) && c.err == nil {
			c.err = fmt.Errorf("wrong bytes were given back in %d bytes at %d", n, off+int64(at))
		}
		c.got[piece] = true
		at += n
	}
	return len(p), nil
}

func (c *checkTarget) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }
func (c *checkTarget) Size() int64                           { return c.want.size }
func (c *checkTarget) Fresh() bool                           { return true }
func (c *checkTarget) Zero(int64, int64) error               { return nil }
func (c *checkTarget) Commit(context.Context) error          { return nil }
func (c *checkTarget) Close() error                          { return nil }

var _ volume.Target = (*checkTarget)(nil)

// missing finds a chunk within that has data, that was not written, and that is not lost.
func (c *checkTarget) missing(within repository.Extent, lost []repository.Extent) error {
	for i := range c.want.chunks {
		off := int64(i) * chunkSize
		if off < within.Offset || off >= within.Offset+within.Length || c.got[int64(i)] == !covered(lost, off) {
			continue
		}
		if c.got[int64(i)] {
			return fmt.Errorf("the chunk at %d was given back and reported lost", off)
		}
		return fmt.Errorf("the chunk at %d was neither given back nor reported", off)
	}
	return c.err
}

func covered(extents []repository.Extent, off int64) bool {
	for _, e := range extents {
		if e.Offset <= off && off < e.Offset+e.Length {
			return true
		}
	}
	return false
}

// restore gives a revision, or a part of it, back around damage, and tells what the
// restore says is lost. Wrong bytes, and errors that are of no known type, are errors.
func restore(im *repository.Image, want *picture, within *repository.Extent) (loss, error) {
	target := &checkTarget{want: want, got: map[int64]bool{}}
	done, err := backup.Restore(context.Background(), im, target, backup.RestoreOptions{Range: within, KeepGoing: true, Workers: 1})
	l, err := judged(err)
	if err != nil || l.whole {
		return l, errors.Join(err, target.err)
	}
	all := repository.Extent{Length: math.MaxInt64}
	if within != nil {
		all = *within
	}
	if done == nil || !reflect.DeepEqual(done.Lost, l.extents) {
		return l, fmt.Errorf("the result says %v, the error %v", done, l.extents)
	}
	return l, target.missing(all, l.extents)
}

// verify tells what Verify says is lost.
func verify(im *repository.Image) (loss, error) {
	done, err := backup.Verify(context.Background(), im, backup.VerifyOptions{Workers: 2})
	l, err := judged(err)
	if err == nil && !l.whole && (done == nil || !reflect.DeepEqual(done.Lost, l.extents)) {
		err = fmt.Errorf("the result says %v, the error %v", done, l.extents)
	}
	return l, err
}

// judged tells damage from errors that no damage may cause.
func judged(err error) (loss, error) {
	var damage *backup.DamageError
	var revision *repository.DamagedRevisionError
	switch {
	case err == nil:
		return loss{}, nil
	case errors.As(err, &damage):
		return loss{extents: damage.Lost}, nil
	case errors.As(err, &revision):
		return loss{whole: true}, nil
	}
	return loss{}, fmt.Errorf("an error of a kind that rot does not cause: %w", err)
}

func sameChunks(a, b []revision.Chunk) bool { return reflect.DeepEqual(a, b) }
