package repository_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/repository"
)

var small = repository.InitOptions{ChunkSize: chunkSize, Codec: "none"}

func emptyPlace(t testing.TB) *place { return &place{t: t, dir: t.TempDir(), state: t.TempDir()} }

// checkWhole makes sure that a repository works.
func (p *place) checkWhole() {
	p.t.Helper()
	r := p.open()
	im := randomImage(1, 2)
	st := p.mustStore(r, "db1", im)
	p.checkImage(r, st, im)
	p.checkNoTemps()
}

func TestInitInAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	p := emptyPlace(t)
	d, err := repository.Init(t.Context(), p.tree(), repository.InitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d.ChunkSize != repository.DefaultChunkSize || d.Codec != "zstd" || d.Serial != 1 {
		t.Errorf("defaults are %+v", d)
	}
	for _, name := range []string{"README.txt", "varve.json", "varve.json.copy", "packs/00", "packs/ff", "volumes", "gc/moved", "locks/leases"} {
		if !p.exists(name) {
			t.Errorf("%s is missing", name)
		}
	}
	r := p.open()
	if r.ID() != d.Repository || r.Lineage() != d.Lineage || r.Codec() != chunkstore.Zstd || r.ChunkSize() != d.ChunkSize {
		t.Errorf("opened as %+v, made as %+v", r.Descriptor(), d)
	}
	if _, err := repository.Init(t.Context(), p.tree(), repository.InitOptions{}); !errors.Is(err, repository.ErrExists) {
		t.Errorf("second Init = %v, want ErrExists", err)
	}
}

func TestInitRefusesBadWishes(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]repository.InitOptions{
		"tiny chunks":    {ChunkSize: 32 << 10},
		"huge chunks":    {ChunkSize: 32 << 20},
		"odd chunks":     {ChunkSize: 100_000},
		"negative":       {ChunkSize: -chunkSize},
		"unknown codec":  {Codec: "brotli"},
		"codec in caps":  {Codec: "ZSTD"},
		"overflown size": {ChunkSize: -1 << 63},
	} {
		p := emptyPlace(t)
		if _, err := repository.Init(t.Context(), p.tree(), opts); err == nil {
			t.Errorf("%s: Init succeeded", name)
		}
		if left := p.files(""); len(left) > 0 {
			t.Errorf("%s: Init left %q", name, left)
		}
	}
}

func TestInitRefusesForeignFiles(t *testing.T) {
	t.Parallel()
	for _, foreign := range []string{"notes.txt", "packs/00/x.pack", "volumes/db1/volume.json", "locks/other", "sub/dir/file", ".hidden"} {
		p := emptyPlace(t)
		if err := os.MkdirAll(filepath.Dir(p.path(foreign)), 0o755); err != nil {
			t.Fatal(err)
		}
		p.write(foreign, []byte("mine"))
		if _, err := repository.Init(t.Context(), p.tree(), small); !errors.Is(err, repository.ErrNotEmpty) {
			t.Errorf("Init beside %q = %v, want ErrNotEmpty", foreign, err)
		}
		if left := p.files(""); len(left) != 1 {
			t.Errorf("Init beside %q left %q", foreign, left)
		}
	}
	p := emptyPlace(t)
	if err := os.Symlink(t.TempDir(), p.path("packs")); err != nil {
		t.Fatal(err)
	}
	if _, err := repository.Init(t.Context(), p.tree(), small); !errors.Is(err, repository.ErrNotEmpty) {
		t.Errorf("Init over a link = %v, want ErrNotEmpty", err)
	}
	p = emptyPlace(t)
	if err := os.Mkdir(p.path("lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := repository.Init(t.Context(), p.tree(), small); err != nil {
		t.Errorf("Init in a fresh file system: %v", err)
	}
	p.checkWhole()
}

func TestInitCompletesFromOneDescriptor(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"varve.json", "varve.json.copy"} {
		p := emptyPlace(t)
		d, err := repository.Init(t.Context(), p.tree(), small)
		if err != nil {
			t.Fatal(err)
		}
		p.remove(lost)
		p.write(durable.TempPrefix+"init-0123-1", []byte("torn"))
		if _, err := repository.Init(t.Context(), p.tree(), repository.InitOptions{ChunkSize: 1 << 20}); err == nil {
			t.Errorf("without %s: completed with another chunk size", lost)
		}
		again, err := repository.Init(t.Context(), p.tree(), repository.InitOptions{})
		if err != nil {
			t.Fatalf("without %s: %v", lost, err)
		}
		if again.Repository != d.Repository || again.Lineage != d.Lineage {
			t.Errorf("without %s: completed as another repository", lost)
		}
		p.checkWhole()
		p.remove(lost) // now it is in use
		if _, err := repository.Init(t.Context(), p.tree(), small); !errors.Is(err, repository.ErrExists) {
			t.Errorf("Init over one in use that lost %s = %v, want ErrExists", lost, err)
		}
	}
}

func TestInitProbesTheLock(t *testing.T) {
	t.Parallel()
	broken := errors.New("no second process")
	for name, test := range map[string]struct {
		got  bool
		err  error
		want error
	}{
		"kept out": {},
		"got it":   {got: true, want: durable.ErrNoFlock},
		"failed":   {err: broken, want: broken},
	} {
		p := emptyPlace(t)
		opts := small
		opts.ProbeLock = func(_ context.Context, lock string) (bool, error) {
			f, err := durable.OpenLocked(p.tree(), lock)
			if f != nil || err != nil {
				t.Errorf("%s: the lock to probe is not held: %v", name, err)
			}
			return test.got, test.err
		}
		_, err := repository.Init(t.Context(), p.tree(), opts)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: Init = %v, want %v", name, err, test.want)
		}
		if test.want != nil && p.exists("varve.json") {
			t.Errorf("%s: a repository was made all the same", name)
		}
	}
}

// lockless answers every attempt at a lock in its own way.
type lockless struct {
	durable.FS
	got bool
	err error
}

type locklessFile struct {
	durable.File
	over *lockless
}

func (l *lockless) Create(name string) (durable.File, error)    { return l.wrap(l.FS.Create(name)) }
func (l *lockless) OpenWrite(name string) (durable.File, error) { return l.wrap(l.FS.OpenWrite(name)) }

func (l *lockless) wrap(f durable.File, err error) (durable.File, error) {
	if err != nil {
		return nil, err
	}
	return &locklessFile{File: f, over: l}, nil
}

func (f *locklessFile) TryLock() (bool, error) { return f.over.got, f.over.err }

func TestInitRefusesFileSystemsWithoutLocks(t *testing.T) {
	t.Parallel()
	for name, fsys := range map[string]*lockless{
		"gives out every lock": {got: true},
		"knows no locks":       {err: syscall.ENOTSUP},
		"has no lock daemon":   {err: syscall.ENOLCK},
	} {
		p := emptyPlace(t)
		fsys.FS = p.tree()
		if _, err := repository.Init(t.Context(), fsys, small); !errors.Is(err, durable.ErrNoFlock) {
			t.Errorf("a file system that %s: Init = %v, want ErrNoFlock", name, err)
		}
		if p.exists("varve.json") {
			t.Errorf("a file system that %s: a repository was made", name)
		}
	}
}

func TestTwoInitsMakeOneRepository(t *testing.T) {
	t.Parallel()
	p := emptyPlace(t)
	results := make(chan error, 4)
	for range cap(results) {
		tree := p.tree()
		go func() {
			_, err := repository.Init(t.Context(), tree, small)
			results <- err
		}()
	}
	made := 0
	for range cap(results) {
		switch err := <-results; {
		case err == nil:
			made++
		case !errors.Is(err, repository.ErrExists):
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d repositories were made, want 1", made)
	}
	p.checkWhole()
}

func TestOpenWithoutARepository(t *testing.T) {
	t.Parallel()
	p := emptyPlace(t)
	if _, err := repository.Open(p.tree(), repository.Options{}); !errors.Is(err, repository.ErrNoRepository) {
		t.Errorf("Open of an empty directory = %v, want ErrNoRepository", err)
	}
}

func TestReadmeExplainsTheDirectory(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	text := string(p.read("README.txt"))
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "README.txt" && !strings.Contains(text, e.Name()) {
			t.Errorf("README.txt does not say what %s is", e.Name())
		}
	}
}
