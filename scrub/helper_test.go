package scrub_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/backup"
	"varve/chunkstore"
	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
	"varve/scrub"
	"varve/volume/filevolume"
)

const chunkSize = chunkstore.MinChunkSize

// place is a repository with small packs, and a disk to back up.
type place struct {
	t     testing.TB
	dir   string
	image []byte
	disk  string
	away  string // the name of a pack that was moved away
}

func newPlace(t testing.TB, chunks int) *place {
	t.Helper()
	p := &place{t: t, dir: filepath.Join(t.TempDir(), "repo"), disk: filepath.Join(t.TempDir(), "disk"), image: make([]byte, chunks*chunkSize)}
	for i := range p.image {
		p.image[i] = byte(rand.Uint32())
	}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	tree := p.tree()
	_, err := repository.Init(t.Context(), tree, repository.InitOptions{ChunkSize: chunkSize, Codec: "none"})
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) tree() durable.FS {
	p.t.Helper()
	tree, err := durable.OpenTree(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	return tree
}

func (p *place) openOn(fsys durable.FS) *repository.Repository {
	p.t.Helper()
	r, err := repository.Open(fsys, repository.Options{Command: "scrub", PackSize: 2 * chunkSize})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = r.Close() })
	return r
}

func (p *place) open() *repository.Repository { return p.openOn(p.tree()) }

// store backs the disk up.
func (p *place) store(r *repository.Repository, name revision.Name) revision.ID {
	p.t.Helper()
	if err := os.WriteFile(p.disk, p.image, 0o600); err != nil {
		p.t.Fatal(err)
	}
	src, err := filevolume.Open(p.disk)
	if err != nil {
		p.t.Fatal(err)
	}
	result, err := backup.Create(p.t.Context(), r, src, backup.CreateOptions{Volume: name, Workers: 1})
	if err != nil {
		p.t.Fatal(err)
	}
	return result.Statement.ID
}

// change writes something into a block of a chunk.
func (p *place) change(chunk, block int) {
	p.image[chunk*chunkSize+block*chunkstore.BlockSize] ^= 1
}

// packs lists the packs there are, by their ids.
func (p *place) packs() []string {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "packs", "*", "*.pack"))
	if err != nil {
		p.t.Fatal(err)
	}
	return files
}

// flip turns a bit of a file around.
func (p *place) flip(name string, at int) {
	p.t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		p.t.Fatal(err)
	}
	data[at] ^= 4
	if err := os.WriteFile(name, data, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) rename(from, to string) {
	p.t.Helper()
	if err := os.Rename(from, to); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) run(r *repository.Repository, opts scrub.Options) *scrub.Report {
	p.t.Helper()
	if opts.Workers == 0 {
		opts.Workers = 2
	}
	report, err := scrub.Run(p.t.Context(), r, opts)
	if err != nil {
		p.t.Fatal(err)
	}
	return report
}

// states gives the states of a volume's revisions, the oldest first.
func (p *place) states(r *repository.Repository, name revision.Name) (states []repository.State) {
	p.t.Helper()
	v, err := r.Volume(name)
	if err != nil {
		p.t.Fatal(err)
	}
	revisions, err := r.Revisions(v)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, rev := range revisions {
		states = append(states, rev.Info.State)
	}
	return states
}

// watched sees what is read of packs, and may let that fail.
type watched struct {
	durable.FS
	mu   sync.Mutex
	read map[string]int64 // bytes of each pack
	fail func(name string, off int64, n int) error
	open func(name string)
}

func (w *watched) Open(name string) (durable.File, error) {
	f, err := w.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".pack") && !strings.HasSuffix(name, ".rev") {
		return f, err
	}
	if w.open != nil && strings.HasSuffix(name, ".pack") {
		w.open(name)
	}
	return &watchedFile{File: f, w: w}, nil
}

type watchedFile struct {
	durable.File
	w *watched
}

func (f *watchedFile) ReadAt(b []byte, off int64) (int, error) {
	f.w.mu.Lock()
	if f.w.read == nil {
		f.w.read = map[string]int64{}
	}
	if strings.HasSuffix(f.Name(), ".pack") {
		f.w.read[f.Name()] += int64(len(b))
	}
	f.w.mu.Unlock()
	if f.w.fail != nil {
		if err := f.w.fail(f.Name(), off, len(b)); err != nil {
			return 0, err
		}
	}
	return f.File.ReadAt(b, off)
}

// clock is one that is set by hand.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{at: time.Date(2026, 11, 24, 1, 0, 3, 0, time.UTC)} }

func damageOf(r *scrub.Report) (found []scrub.Finding) {
	for _, f := range r.Findings {
		if f.Grade == scrub.Damage {
			found = append(found, f)
		}
	}
	return found
}

// one is the first file of a pattern.
func (p *place) one(pattern string) string {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, pattern))
	if err != nil || len(files) == 0 {
		p.t.Fatalf("no %s: %v", pattern, err)
	}
	return files[0]
}
