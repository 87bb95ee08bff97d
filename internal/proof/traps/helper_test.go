package traps

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
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

// place is a repository, the state of a host beside it, and what was promised:
// revisions by their bytes.
type place struct {
	t        *testing.T
	disk     *durabletest.Disk
	dir      string // of a repository that lies in a real directory; empty: it is on the disk
	state    string
	promised map[*revision.Statement][]byte
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, disk: durabletest.NewDisk(), state: durabletest.TempDir(t), promised: map[*revision.Statement][]byte{}}
	p.init()
	return p
}

func (p *place) init() {
	p.t.Helper()
	if _, err := repository.Init(p.t.Context(), p.tree(), repository.InitOptions{ChunkSize: chunkSize, Codec: "none"}); err != nil {
		p.t.Fatal(err)
	}
}

// tree is what the repository lies on.
func (p *place) tree() durable.FS {
	p.t.Helper()
	if p.dir == "" {
		return p.disk
	}
	tree, err := durable.OpenTree(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = tree.Close() })
	return tree
}

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

// night is what db1 holds in a night.
func night(n int) []byte {
	data := noise(1, 3*chunkSize+100)
	for i := range n {
		copy(data[i*5000:], noise(uint64(100+i), 3000))
	}
	return data
}

// withOneNight is a repository with one revision of db1.
func withOneNight(t *testing.T) *place {
	t.Helper()
	p := newPlace(t)
	p.mustBackup(p.open(), "db1", night(0))
	return p
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
	for name := range p.disk.Files() {
		if strings.Contains(name, part) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// read gives the content of a file, for the caller to change.
func (p *place) read(name string) []byte {
	p.t.Helper()
	content, there := p.disk.Files()[name]
	if !there {
		p.t.Fatalf("there is no %s", name)
	}
	return bytes.Clone(content)
}

func (p *place) write(name string, data []byte) {
	p.t.Helper()
	if err := p.disk.SetFile(name, data); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) remove(name string) {
	p.t.Helper()
	if err := p.disk.Remove(name); err != nil {
		p.t.Fatal(err)
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
