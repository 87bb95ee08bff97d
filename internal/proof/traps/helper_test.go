package traps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/backup"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

const chunkSize = repository.MinChunkSize

// place is a repository on disk, the state of a host beside it, and what was
// promised: revisions by their bytes.
type place struct {
	t        *testing.T
	dir      string
	state    string
	promised map[*revision.Statement][]byte
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, dir: durabletest.TempDir(t), state: durabletest.TempDir(t), promised: map[*revision.Statement][]byte{}}
	if _, err := repository.Init(t.Context(), p.tree(), repository.InitOptions{ChunkSize: chunkSize, Codec: "none"}); err != nil {
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
	p.t.Cleanup(func() { _ = tree.Close() })
	return calm{tree}
}

// calm is a tree on which nothing is synced: no power is cut here, and it is faster.
type calm struct{ durable.FS }

func (c calm) SyncDir(dir string) error {
	_, err := c.Lstat(dir)
	return err
}

func (c calm) Create(name string) (durable.File, error)    { return calmed(c.FS.Create(name)) }
func (c calm) OpenWrite(name string) (durable.File, error) { return calmed(c.FS.OpenWrite(name)) }

func calmed(f durable.File, err error) (durable.File, error) {
	if err != nil {
		return nil, err
	}
	return calmFile{f}, nil
}

type calmFile struct{ durable.File }

func (calmFile) Sync() error { return nil }

func (p *place) open() *repository.Repository {
	p.t.Helper()
	return p.openOn(p.tree())
}

func (p *place) openOn(fsys durable.FS) *repository.Repository {
	p.t.Helper()
	r, err := repository.Open(fsys, repository.Options{StateDir: p.state, Command: "backup"})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = r.Close() })
	return r
}

// mustBackup backs a volume up, and notes the promise.
func (p *place) mustBackup(r *repository.Repository, name revision.Name, data []byte) *backup.Result {
	p.t.Helper()
	result, err := create(p.t.Context(), r, &source{data: data}, backup.CreateOptions{Volume: name})
	if err != nil {
		p.t.Fatal(err)
	}
	p.promised[result.Statement] = bytes.Clone(data)
	return result
}

func create(ctx context.Context, r *repository.Repository, src volume.Source, opts backup.CreateOptions) (*backup.Result, error) {
	opts.Workers = 1
	return backup.Create(ctx, r, src, opts)
}

// checkPromises reads everything that was promised, and everything that is listed.
func (p *place) checkPromises(when string) {
	p.t.Helper()
	r := p.open()
	for st, want := range p.promised {
		if err := compare(p.t.Context(), r, st.Volume.Name, st.ID, want); err != nil {
			p.t.Errorf("%s: revision %s@%s: %v", when, st.Volume.Name, st.ID, err)
		}
	}
	volumes, err := r.Volumes()
	if err != nil {
		p.t.Errorf("%s: %v", when, err)
	}
	for _, v := range volumes {
		listed, err := r.Revisions(v)
		if err != nil {
			p.t.Errorf("%s: %v", when, err)
		}
		for _, rev := range listed {
			if _, err := content(p.t.Context(), r, v.Name, rev.ID); err != nil {
				p.t.Errorf("%s: %s@%s is listed: %v", when, v.Name, rev.ID, err)
			}
		}
	}
}

var errDiffers = errors.New("its bytes are not those that were backed up")

func compare(ctx context.Context, r *repository.Repository, name revision.Name, id revision.ID, want []byte) error {
	got, err := content(ctx, r, name, id)
	if err == nil && !bytes.Equal(got, want) {
		err = errDiffers
	}
	return err
}

// content gives all bytes of a revision.
func content(ctx context.Context, r *repository.Repository, name revision.Name, id revision.ID) (_ []byte, err error) {
	v, err := r.Volume(name)
	if err != nil {
		return nil, err
	}
	rd, err := r.NewReader(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	im, err := rd.Image(ctx, v, id)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	var out bytes.Buffer
	err = backup.Stream(ctx, im, &out, backup.StreamOptions{Workers: 1})
	return out.Bytes(), err
}

// files lists all files whose path has that in it.
func (p *place) files(part string) (found []string) {
	p.t.Helper()
	err := filepath.WalkDir(p.dir, func(path string, e fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(p.dir, path); err == nil && !e.IsDir() && strings.Contains(rel, part) {
			found = append(found, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

func (p *place) path(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

func (p *place) read(name string) []byte {
	p.t.Helper()
	data, err := os.ReadFile(p.path(name))
	if err != nil {
		p.t.Fatal(err)
	}
	return data
}

func (p *place) write(name string, data []byte) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), data, 0o640); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) remove(name string) {
	p.t.Helper()
	if err := os.Remove(p.path(name)); err != nil {
		p.t.Fatal(err)
	}
}

// copyDir copies a directory as cp -a does, times included.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	var dirs []string
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		dirs = append(dirs, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Backward(dirs) { // a directory after what is in it
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		rel, _ := filepath.Rel(from, path)
		if err := os.Chtimes(filepath.Join(to, rel), info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
}

// noise is content that nothing else has.
func noise(seed uint64, n int) []byte {
	p := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 7})
	_, _ = rng.Read(p) // never fails
	return p
}

// source is a volume in memory.
type source struct {
	data   []byte
	before func(off int64) // called before each read; may be nil
}

func (s *source) Describe() volume.Identity {
	return volume.Identity{Kind: "file", Path: "/memory", Stable: "1"}
}

func (s *source) Snapshot(context.Context) (volume.Snapshot, error) { return s, nil }

func (s *source) Size() int64  { return int64(len(s.data)) }
func (s *source) Close() error { return nil }

func (s *source) Consistency() (volume.Consistency, string, error) { return volume.Still, "", nil }

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if s.before != nil {
		s.before(off)
	}
	n := copy(p, s.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// step names one of many cases.
func step(what string, n int) string { return fmt.Sprintf("%s %d", what, n) }
