package backup_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"varve/backup"
	"varve/chunkstore"
	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

const (
	chunkSize = 64 << 10
	block     = chunkstore.BlockSize
)

// tester is what testing.T and rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// place is a repository on disk, with a catalog of its own.
type place struct {
	dir  string
	repo *repository.Repository
}

// newPlace makes a repository with small chunks. close it when done.
func newPlace(t tester, base string) *place {
	t.Helper()
	p := &place{dir: filepath.Join(base, "repo")}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tree, err := durable.OpenTree(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repository.Init(context.Background(), tree, repository.InitOptions{ChunkSize: chunkSize}); err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	p.open(t)
	return p
}

func (p *place) open(t tester) {
	t.Helper()
	tree, err := durable.OpenTree(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	p.repo, err = repository.Open(tree, repository.Options{StateDir: filepath.Join(filepath.Dir(p.dir), "state"), Command: "backup"})
	if err != nil {
		t.Fatal(err)
	}
}

func (p *place) close(t tester) {
	t.Helper()
	if err := p.repo.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// testPlace is newPlace for a test of its own.
func testPlace(t *testing.T) *place {
	t.Helper()
	p := newPlace(t, t.TempDir())
	t.Cleanup(func() { p.close(t) })
	return p
}

func (p *place) mustCreate(t tester, src volume.Source, opts backup.CreateOptions) *backup.Result {
	t.Helper()
	if opts.Volume == "" {
		opts.Volume = "v"
	}
	result, err := backup.Create(context.Background(), p.repo, src, opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func (p *place) volume(t tester, name revision.Name) repository.Volume {
	t.Helper()
	v, err := p.repo.Volume(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (p *place) revisions(t tester, name revision.Name) []repository.Revision {
	t.Helper()
	revisions, err := p.repo.Revisions(p.volume(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return revisions
}

// image opens a revision and hands it to use.
func (p *place) image(t tester, name revision.Name, id revision.ID, use func(*repository.Image)) {
	t.Helper()
	rd, err := p.repo.NewReader(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, rd)
	im, err := rd.Image(context.Background(), p.volume(t, name), id)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, im)
	use(im)
}

func mustClose(t tester, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// restored gives a whole revision back.
func (p *place) restored(t tester, name revision.Name, id revision.ID) []byte {
	t.Helper()
	var target *memTarget
	p.image(t, name, id, func(im *repository.Image) {
		target = newTarget(im.Size())
		if _, err := backup.Restore(context.Background(), im, target, backup.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
	})
	return target.bytes
}

// memSource is a volume in memory that knows its holes, and may lie about them.
type memSource struct {
	data    []byte
	lies    []volume.Extent       // called holes whatever they hold
	fail    func(off int64) error // asked at each read; may be nil
	live    string                // why it is live; empty: still
	noHoles bool
	is      volume.Identity // zero: the same each time
}

func (s *memSource) Describe() volume.Identity {
	if s.is != (volume.Identity{}) {
		return s.is
	}
	return volume.Identity{Kind: "file", Path: "/memory", Stable: "1"}
}

func (s *memSource) Snapshot(context.Context) (volume.Snapshot, error) {
	if s.noHoles {
		return struct{ volume.Snapshot }{&memSnapshot{s}}, nil
	}
	return &memSnapshot{s}, nil
}

type memSnapshot struct{ s *memSource }

func (m *memSnapshot) Size() int64  { return int64(len(m.s.data)) }
func (m *memSnapshot) Close() error { return nil }

func (m *memSnapshot) Consistency() (volume.Consistency, string, error) {
	if m.s.live != "" {
		return volume.Live, m.s.live, nil
	}
	return volume.Still, "", nil
}

func (m *memSnapshot) ReadAt(p []byte, off int64) (int, error) {
	if m.s.fail != nil {
		if err := m.s.fail(off); err != nil {
			return 0, &volume.ReadError{Volume: "/memory", Offset: off, Err: err}
		}
	}
	n := copy(p, m.s.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Data calls every block of zeros a hole, and what the source lies about.
func (m *memSnapshot) Data(_ context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	return func(yield func(volume.Extent, error) bool) {
		end := min(within.End(), m.Size())
		for off := within.Offset; off < end; off += block {
			e := volume.Extent{Offset: off, Length: min(block, end-off)}
			if allZero(m.s.data[e.Offset:e.End()]) || m.lied(e) {
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m *memSnapshot) lied(e volume.Extent) bool {
	for _, l := range m.s.lies {
		if e.Offset < l.End() && l.Offset < e.End() {
			return true
		}
	}
	return false
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// memTarget is a target in memory. It counts what is written to it.
type memTarget struct {
	mu        sync.Mutex
	bytes     []byte
	fresh     bool
	written   int64
	committed bool
	failWrite error
}

func newTarget(size int64) *memTarget { return &memTarget{bytes: make([]byte, size), fresh: true} }

func (m *memTarget) ReadAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return copy(p, m.bytes[off:]), nil
}

func (m *memTarget) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failWrite != nil {
		return 0, m.failWrite
	}
	if off < 0 || off+int64(len(p)) > int64(len(m.bytes)) {
		return 0, fmt.Errorf("write of %d bytes at %d beyond the end %d", len(p), off, len(m.bytes))
	}
	m.written += int64(len(p))
	return copy(m.bytes[off:], p), nil
}

func (m *memTarget) Size() int64 { return int64(len(m.bytes)) }
func (m *memTarget) Fresh() bool { return m.fresh }

func (m *memTarget) Zero(off, n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.written += n
	clear(m.bytes[off : off+n])
	return nil
}

func (m *memTarget) Commit(context.Context) error {
	m.committed = true
	return nil
}

func (m *memTarget) Close() error { return nil }
