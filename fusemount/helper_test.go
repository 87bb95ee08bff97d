package fusemount

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"varve/backup"
	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
	"varve/volume/filevolume"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// needFUSE skips a test where nothing can be mounted.
func needFUSE(t testing.TB) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("needs /dev/fuse: %v", err)
	}
	if _, err := fusermount(); err != nil && syscall.Geteuid() != 0 {
		t.Skip("needs root or fusermount3")
	}
}

// A place is a repository and what is backed up to it.
type place struct {
	t    testing.TB
	base string
	dir  string
	repo *repository.Repository
	log  *logged
}

func newPlace(t testing.TB, chunkSize int) *place {
	t.Helper()
	needFUSE(t)
	p := &place{t: t, base: t.TempDir(), log: &logged{}}
	p.dir = filepath.Join(p.base, "repo")
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tree, err := durable.OpenTree(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repository.Init(t.Context(), tree, repository.InitOptions{ChunkSize: chunkSize}); err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	p.repo = p.open()
	t.Cleanup(func() { p.close(p.repo) })
	return p
}

// open opens the repository as another process would.
func (p *place) open() *repository.Repository {
	p.t.Helper()
	tree, err := durable.OpenTree(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	repo, err := repository.Open(tree, repository.Options{StateDir: filepath.Join(p.base, "state"), Command: "test"})
	if err != nil {
		p.t.Fatal(err)
	}
	return repo
}

func (p *place) close(repo *repository.Repository) {
	if err := repo.Close(); err != nil {
		p.t.Error(err)
	}
}

// backup backs a file up as a revision of a volume.
func (p *place) backup(name revision.Name, file string, tags ...string) revision.ID {
	p.t.Helper()
	src, err := filevolume.Open(file)
	if err != nil {
		p.t.Fatal(err)
	}
	result, err := backup.Create(p.t.Context(), p.repo, src, backup.CreateOptions{Volume: name, Tags: tags, SourceChanged: true})
	if err != nil {
		p.t.Fatal(err)
	}
	return result.Statement.ID
}

// remove takes revisions away.
func (p *place) remove(name revision.Name, ids ...revision.ID) {
	p.t.Helper()
	v, err := p.repo.Volume(name)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.repo.Remove(p.t.Context(), v, ids, repository.RemoveOptions{Op: repository.OpRemove}); err != nil {
		p.t.Fatal(err)
	}
}

// mount mounts the repository, as another process would. What is listed is looked up each time.
func (p *place) mount(opts Options) (*Mounted, string) {
	p.t.Helper()
	return p.mountOf(p.open(), opts)
}

// mountOf is mount of a repository that was opened for it.
func (p *place) mountOf(repo *repository.Repository, opts Options) (*Mounted, string) {
	p.t.Helper()
	dir := filepath.Join(p.base, "mnt")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if opts.Refresh == 0 {
		opts.Refresh = -1
	}
	if opts.Describe == nil {
		opts.Describe = func(rev repository.Revision) ([]byte, error) { return json.Marshal(rev.ID) }
	}
	opts.Log = slog.New(slog.NewTextHandler(p.log, nil))
	m, err := Mount(p.t.Context(), repo, dir, opts)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := m.Close(); err != nil {
			p.t.Errorf("close: %v", err)
			_ = detach(dir)
		}
		p.close(repo)
	})
	return m, dir
}

// logged is what was logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) lines(about string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, about) {
			lines = append(lines, line)
		}
	}
	return lines
}

// An extent of a source has data.
type extent struct{ off, length int64 }

// source writes a sparse file: random bytes in the extents, which compress a little.
func (p *place) source(name string, size int64, seed uint64, extents ...extent) string {
	p.t.Helper()
	path := filepath.Join(p.base, name)
	f, err := os.Create(path)
	if err != nil {
		p.t.Fatal(err)
	}
	err = f.Truncate(size)
	random := rand.New(rand.NewPCG(seed, 1))
	for _, e := range extents {
		buf := make([]byte, e.length)
		for i := range buf {
			buf[i] = byte(random.Uint32()) & 0x3f
		}
		_, werr := f.WriteAt(buf, e.off)
		err = errors.Join(err, werr)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func names(t testing.TB, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// same compares two files, byte for byte.
func same(t testing.TB, got, want string) {
	t.Helper()
	a, err := os.Open(got)
	if err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, a)
	b, err := os.Open(want)
	if err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, b)
	x, y := make([]byte, mib), make([]byte, mib)
	for off := int64(0); ; off += mib {
		n, err := io.ReadFull(a, x)
		k, kerr := io.ReadFull(b, y)
		if !bytes.Equal(x[:n], y[:k]) {
			t.Fatalf("%s differs from %s within 1 MiB at %d: read %d and %d bytes (%v, %v)", got, want, off, n, k, err, kerr)
		}
		if err != nil || kerr != nil {
			if (err == io.EOF || err == io.ErrUnexpectedEOF) && kerr == err {
				return
			}
			t.Fatalf("%s and %s at %d: %v, %v", got, want, off, err, kerr)
		}
	}
}

// closeIt closes what was only read, or was closed before.
func closeIt(t testing.TB, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Errorf("close: %v", err)
	}
}
