package repository_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
)

const chunkSize = repository.MinChunkSize

// place is a repository on disk, and the state of a host beside it.
type place struct {
	t     testing.TB
	dir   string
	state string
}

// newPlace makes a repository.
func newPlace(t testing.TB) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir(), state: t.TempDir()}
	if _, err := repository.Init(t.Context(), p.tree(), repository.InitOptions{ChunkSize: chunkSize, Codec: "lz4"}); err != nil {
		t.Fatal(err)
	}
	return p
}

// copyOf makes a copy of a repository, and of the host's state.
func copyOf(t testing.TB, p *place) *place {
	t.Helper()
	c := &place{t: t, dir: t.TempDir(), state: t.TempDir()}
	for to, from := range map[string]string{c.dir: p.dir, c.state: p.state} {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (p *place) tree() durable.FS {
	p.t.Helper()
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

func (p *place) exists(name string) bool {
	_, err := os.Lstat(p.path(name))
	return err == nil
}

// files lists all files whose path has that in it.
func (p *place) files(part string) []string {
	p.t.Helper()
	var found []string
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

// checkNoTemps makes sure that nothing unfinished lies about.
func (p *place) checkNoTemps() {
	p.t.Helper()
	if temps := p.files(durable.TempPrefix); len(temps) > 0 {
		p.t.Errorf("temporary files are left: %q", temps)
	}
}

// image is what a volume holds. Chunks that are absent are zeros.
type image struct {
	size   int64
	chunks map[uint64][]byte
}

func newImage(size int64) *image { return &image{size: size, chunks: map[uint64][]byte{}} }

// randomImage has so many chunks of noise, and a few bytes of another.
func randomImage(seed uint64, chunks int) *image {
	im := newImage(int64(chunks)*chunkSize + 777)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range chunks {
		noise := make([]byte, chunkSize)
		for at := range 4096 {
			noise[at*16] = byte(rng.Uint32())
		}
		im.write(int64(i)*chunkSize, noise)
	}
	im.write(im.size-1, []byte{1})
	return im
}

func (im *image) clone() *image {
	c := newImage(im.size)
	for i, chunk := range im.chunks {
		c.chunks[i] = bytes.Clone(chunk)
	}
	return c
}

// write changes bytes, which must lie within the image.
func (im *image) write(off int64, p []byte) {
	for len(p) > 0 {
		i := uint64(off / chunkSize)
		if im.chunks[i] == nil {
			im.chunks[i] = make([]byte, chunkSize)
		}
		n := copy(im.chunks[i][off%chunkSize:], p)
		off, p = off+int64(n), p[n:]
	}
}

// resize cuts or grows the image; what was cut never comes back.
func (im *image) resize(size int64) {
	for i, chunk := range im.chunks {
		begin := int64(i) * chunkSize
		switch {
		case begin >= size:
			delete(im.chunks, i)
		case begin+chunkSize > size:
			clear(chunk[size-begin:])
		}
	}
	im.size = size
}

// at gives a range of the image; beyond the end there is nothing.
func (im *image) at(off, n int64) []byte {
	n = max(0, min(n, im.size-off))
	out := make([]byte, n)
	for done := int64(0); done < n; {
		in := (off + done) % chunkSize
		step := min(chunkSize-in, n-done)
		if chunk := im.chunks[uint64((off+done)/chunkSize)]; chunk != nil {
			copy(out[done:done+step], chunk[in:])
		}
		done += step
	}
	return out
}

func isZero(p []byte) bool { return bytes.Count(p, []byte{0}) == len(p) }

// storing is one backup as tests make it: all in one goroutine.
type storing struct {
	repo   *repository.Repository
	backup *repository.Backup
	im     *image
	rows   []revision.Region
}

type storeOptions struct {
	full   bool
	whole  bool // no patches
	codec  chunkstore.Codec
	tags   []string
	begun  time.Time
	before func(*repository.Backup) // called before the commit
}

// store makes a revision of an image.
func store(ctx context.Context, r *repository.Repository, name revision.Name, im *image, opts storeOptions) (_ *revision.Statement, err error) {
	b, err := r.BeginBackup(ctx, repository.BackupOptions{Volume: name, Full: opts.full, Codec: opts.codec, Begun: opts.begun})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	s := &storing{repo: r, backup: b, im: im}
	if err := s.fill(ctx, opts); err != nil {
		return nil, err
	}
	if opts.before != nil {
		opts.before(b)
	}
	st, err := b.Commit(ctx, s.rows, statement(im, opts))
	if err != nil {
		return nil, err
	}
	return st, b.Finished()
}

func statement(im *image, opts storeOptions) revision.Statement {
	return revision.Statement{
		Size: uint64(im.size), Consistency: revision.Still, Plan: revision.Plan{Kind: revision.PlanAll},
		Source: revision.Source{Kind: "file", Path: "/test"}, Tags: opts.tags,
	}
}

// fill writes the map and the regions' digests.
func (s *storing) fill(ctx context.Context, opts storeOptions) error {
	before, err := parentChunks(s.backup.Parent())
	if err != nil {
		return err
	}
	count := uint64((s.im.size + chunkSize - 1) / chunkSize)
	indexes := map[uint64]bool{}
	for i := range s.im.chunks {
		indexes[i] = true
	}
	end := count
	if parent := s.backup.Parent(); parent != nil {
		end = max(end, parent.Statement().Chunks())
	}
	for i := range before {
		indexes[i] = true
	}
	leaves := map[uint64][]revision.Chunk{}
	for _, i := range slices.Sorted(maps.Keys(indexes)) {
		if i >= count {
			break
		}
		id, err := s.chunk(ctx, i, before[i], opts)
		if err != nil {
			return err
		}
		if !id.IsZero() {
			leaves[i/revision.RegionChunks] = append(leaves[i/revision.RegionChunks], revision.Chunk{Index: i, Content: id})
		}
	}
	for _, region := range slices.Sorted(maps.Keys(leaves)) {
		s.rows = append(s.rows, revision.Region{Region: region, Hash: revision.RegionHash(leaves[region])})
	}
	if end > count {
		return s.backup.Map().AddZeros(count, end-count)
	}
	return nil
}

func parentChunks(parent *repository.Image) (map[uint64]*revision.Chunk, error) {
	chunks := map[uint64]*revision.Chunk{}
	if parent == nil {
		return chunks, nil
	}
	rows, err := parent.Regions()
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		region, err := parent.Chunks(row.Region)
		if err != nil {
			return nil, err
		}
		for i := range region {
			chunks[region[i].Index] = &region[i]
		}
	}
	return chunks, nil
}

// chunk stores one chunk and returns its content id; zero for zeros.
func (s *storing) chunk(ctx context.Context, i uint64, before *revision.Chunk, opts storeOptions) (chunkstore.ID, error) {
	now, m, h := s.im.chunks[i], s.backup.Map(), s.repo.Hasher()
	if isZero(now) {
		if before == nil {
			return chunkstore.ID{}, nil
		}
		return chunkstore.ID{}, m.AddZeros(i, 1)
	}
	fp, id := h.Fingerprint(now), h.ChunkID(now)
	if before != nil && before.Fingerprint == fp {
		return id, nil
	}
	e := revision.Entry{Index: i, Fingerprint: fp, Content: id}
	below := make([]byte, chunkSize)
	if before != nil && !opts.whole && len(before.Stack.Patches) < 4 && s.backup.Parent().ReadChunk(ctx, *before, below) == nil {
		put, _, err := s.backup.Chunks().PutPatch(ctx, below, now, before.Fingerprint, fp)
		if err != nil {
			return id, err
		}
		e.Base, e.Patches = revision.BaseParent, []chunkstore.Ref{put.Ref}
		return id, m.Add(e)
	}
	put, err := s.backup.Chunks().PutChunk(ctx, id, now)
	if err != nil {
		return id, err
	}
	e.Base, e.BaseRef = revision.BaseContent, put.Ref
	return id, m.Add(e)
}

// mustStore is store, and the journal's line about it.
func (p *place) mustStore(r *repository.Repository, name revision.Name, im *image) *revision.Statement {
	p.t.Helper()
	return p.mustStoreWith(r, name, im, storeOptions{})
}

func (p *place) mustStoreWith(r *repository.Repository, name revision.Name, im *image, opts storeOptions) *revision.Statement {
	p.t.Helper()
	st, err := store(p.t.Context(), r, name, im, opts)
	if err != nil {
		p.t.Fatal(err)
	}
	event := repository.Event{
		Op: repository.OpBackup, Result: repository.ResultOK, Volume: name, UUID: &st.Volume.UUID, Revision: st.ID,
		Sequence: st.Sequence,
	}
	if err := r.Record(p.t.Context(), event); err != nil {
		p.t.Fatal(err)
	}
	return st
}

// checkImage compares a revision with what it should hold.
func (p *place) checkImage(r *repository.Repository, st *revision.Statement, want *image) {
	p.t.Helper()
	if err := compare(p.t.Context(), r, st, want); err != nil {
		p.t.Errorf("revision %s@%s: %v", st.Volume.Name, st.ID, err)
	}
}

func compare(ctx context.Context, r *repository.Repository, st *revision.Statement, want *image) (err error) {
	rd, err := r.NewReader(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	im, err := rd.Image(ctx, repository.Volume{Name: st.Volume.Name, UUID: st.Volume.UUID}, st.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	return compareImage(im, want)
}

var errDiffers = errors.New("the image differs")

// compareImage reads all chunks that either of the two has.
func compareImage(im *repository.Image, want *image) error {
	if im.Size() != want.size {
		return errDiffers
	}
	indexes := map[uint64]bool{}
	rows, err := im.Regions()
	if err != nil {
		return err
	}
	for _, row := range rows {
		chunks, err := im.Chunks(row.Region)
		if err != nil {
			return err
		}
		for _, c := range chunks {
			indexes[c.Index] = true
		}
	}
	for i := range want.chunks {
		indexes[i] = true
	}
	for i := range indexes {
		expected := want.at(int64(i)*chunkSize, chunkSize)
		got := make([]byte, len(expected))
		if _, err := im.ReadAt(got, int64(i)*chunkSize); err != nil {
			return err
		}
		if !bytes.Equal(got, expected) {
			return errDiffers
		}
	}
	return nil
}

// revisions lists a volume's revisions by id.
func (p *place) revisions(r *repository.Repository, name revision.Name) []repository.Revision {
	p.t.Helper()
	v, err := r.Volume(name)
	if err != nil {
		p.t.Fatal(err)
	}
	revs, err := r.Revisions(v)
	if err != nil {
		p.t.Fatal(err)
	}
	return revs
}

func ids(revs []repository.Revision) []revision.ID {
	list := make([]revision.ID, len(revs))
	for i, rev := range revs {
		list[i] = rev.ID
	}
	return list
}

var testTime = time.Date(2026, 11, 24, 1, 0, 3, 0, time.UTC)

func contextOf(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

func mustRegions(t testing.TB, im *repository.Image) []revision.Region {
	t.Helper()
	rows, err := im.Regions()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func rtContext(rt interface{ Context() context.Context }) context.Context { return rt.Context() }

// closeAfter closes what the test has opened, when the test has ended.
func closeAfter(t testing.TB, c io.Closer) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
