package chunkstore_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable"
)

// flip changes one byte of a file; a negative offset counts from its end.
func flip(t *testing.T, path string, offset int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if offset < 0 {
		offset += int64(len(b))
	}
	b[offset] ^= 0x10
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func closeReader(t *testing.T, r *chunkstore.Reader) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// read reads a whole chunk with a Reader of its own.
func (p *place) read(s *chunkstore.Store, view func() chunkstore.View, stack chunkstore.Stack, want []byte) ([]byte, error) {
	r := s.Reader(view)
	defer closeReader(p.t, r)
	buf := make([]byte, chunkSize)
	err := r.ReadChunk(p.t.Context(), stack, p.fingerprint(want), buf)
	return buf, err
}

// No byte of a pack is outside a checksum, and no damage is ever returned as data.
func TestEveryFlippedByteIsNoticed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	cfg := p.config()
	cfg.Catalog = ""
	s := p.openWith(cfg)
	content := bytes.Repeat([]byte("all work and no play "), chunkSize)[:chunkSize]
	put := p.store(s, content)[0]
	cfg.FS = oneDir{p.fsys, "packs/" + put.Ref.Pack.String()[:2]}
	s = p.openWith(cfg)
	path := p.path(put.Ref.Pack)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		hurt := bytes.Clone(whole)
		hurt[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, hurt, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := p.read(s, nil, just(put.Ref), content); err == nil {
			t.Errorf("byte %d of %d flipped: read without an error", i, len(whole))
		} else if !isCorrupt(err) {
			t.Errorf("byte %d flipped: %v, want damage: a version is believed only under a right checksum", i, err)
		}
		r := s.Reader(nil)
		if err := r.ReadAt(t.Context(), just(put.Ref), p.fingerprint(content), make([]byte, 10), 5000); err == nil {
			t.Errorf("byte %d of %d flipped: a part was read without an error", i, len(whole))
		}
		closeReader(t, r)
	}
	for n := 0; n < len(whole); n += 17 {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := p.read(s, nil, just(put.Ref), content); !isCorrupt(err) {
			t.Errorf("cut to %d of %d bytes: %v, want damage", n, len(whole), err)
		}
	}
}

// oneDir has only one directory, which makes searches of all packs cheap.
type oneDir struct {
	durable.FS
	dir string
}

func (o oneDir) ReadDir(name string) ([]fs.DirEntry, error) {
	if name != o.dir {
		return nil, fs.ErrNotExist
	}
	return o.FS.ReadDir(name)
}

func isCorrupt(err error) bool { return errors.As(err, new(*chunkstore.CorruptError)) }

// twoCopies stores a chunk twice, in packs of two runs that do not know each other.
func (p *place) twoCopies(s *chunkstore.Store, content []byte) (first, second chunkstore.Put) {
	p.t.Helper()
	w := p.writerWith(s, chunkstore.WriterConfig{Codec: chunkstore.LZ4})
	first = p.put(w, content)
	p.barrier(w)
	w = p.writerWith(s, chunkstore.WriterConfig{Codec: chunkstore.LZ4})
	second = p.put(w, content)
	p.barrier(w)
	if first.Found || second.Found || first.Ref.Pack == second.Ref.Pack {
		p.t.Fatal("the copies are not in two packs")
	}
	return first, second
}

// Two copies, one rotten: whichever it is and whoever knows, the other is read.
func TestTheOtherCopyIsReadOnDamage(t *testing.T) {
	t.Parallel()
	for name, catalog := range map[string]bool{"with a catalog": true, "without a catalog": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, damage := range []func(p *place, id chunkstore.PackID){
				func(p *place, id chunkstore.PackID) { flip(t, p.path(id), 500) }, // a segment
				func(p *place, id chunkstore.PackID) { flip(t, p.path(id), 80) },  // the frame's head
				func(p *place, id chunkstore.PackID) { flip(t, p.path(id), -90) }, // the table of contents
				(*place).remove,
			} {
				p := newPlace(t)
				cfg := p.config()
				if !catalog {
					cfg.Catalog = ""
				}
				s := p.openWith(cfg)
				first, second := p.twoCopies(s, chunk(1))
				damage(p, first.Ref.Pack)
				r := s.Reader(nil)
				p.mustRead(r, just(first.Ref), chunk(1))
				p.mustRead(r, just(second.Ref), chunk(1))
				closeReader(t, r)
				damage(p, second.Ref.Pack)
				if _, err := p.read(s, nil, just(first.Ref), chunk(1)); !isCorrupt(err) {
					t.Errorf("both copies damaged: %v", err)
				}
			}
		})
	}
}

// A copy can be whole by its checksums and hold the wrong bytes, if memory was bad
// when it was written. Its name tells.
func TestACopyThatWasWrittenWrongGivesWay(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	w := p.writerWith(s, chunkstore.WriterConfig{})
	wrong, err := w.PutChunk(t.Context(), p.hasher.ChunkID(chunk(1)), chunk(2))
	if err != nil {
		t.Fatal(err)
	}
	p.barrier(w)
	if _, err := p.read(s, nil, just(wrong.Ref), chunk(1)); !isCorrupt(err) {
		t.Errorf("the only copy is wrong: %v, want damage", err)
	}
	right := p.put(p.writerWith(s, chunkstore.WriterConfig{}), chunk(1))
	if right.Found {
		t.Fatal("found")
	}
	w = p.writerWith(s, chunkstore.WriterConfig{})
	p.put(w, chunk(1))
	p.barrier(w)
	got, err := p.read(s, nil, just(wrong.Ref), chunk(1))
	if err != nil || !bytes.Equal(got, chunk(1)) {
		t.Errorf("the right copy was not read: %v", err)
	}
}

// A patch on a base that is whole by its checksums and holds other bytes than the
// patch was made on: nothing is made of the two.
func TestTrapPatchOnAnotherBase(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	w := p.writerWith(s, chunkstore.WriterConfig{})
	wrong, err := w.PutChunk(t.Context(), p.hasher.ChunkID(chunk(1)), chunk(2))
	if err != nil {
		t.Fatal(err)
	}
	result := chunk(1)
	result[5] ^= 1
	patch, _, err := w.PutPatch(t.Context(), chunk(1), result, p.fingerprint(chunk(1)), p.fingerprint(result))
	if err != nil {
		t.Fatal(err)
	}
	p.barrier(w)
	stack := chunkstore.Stack{Base: wrong.Ref, Patches: []chunkstore.Ref{patch.Ref}}
	if _, err := p.read(s, nil, stack, result); !isCorrupt(err) {
		t.Errorf("a patch on another base: %v, want damage", err)
	}
}

func TestCondemnedAndHurtCopiesAreReadLast(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	first, second := p.twoCopies(s, chunk(1))
	for name, view := range map[string]chunkstore.View{
		"condemned": {Condemned: map[chunkstore.PackID]bool{first.Ref.Pack: true}},
		"damaged": {Damaged: map[chunkstore.Copy]bool{
			{Pack: first.Ref.Pack, ID: first.Ref.ID}: true,
		}},
	} {
		opened := &openRecorder{FS: p.fsys}
		cfg := p.config()
		cfg.FS = opened
		s := p.openWith(cfg)
		if _, err := p.read(s, func() chunkstore.View { return view }, just(first.Ref), chunk(1)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(opened.names) != 1 || !strings.Contains(opened.names[0], second.Ref.Pack.String()) {
			t.Errorf("%s: opened %v, want only %s", name, opened.names, second.Ref.Pack)
		}
	}
	p.remove(second.Ref.Pack)
	all := chunkstore.View{
		Condemned: map[chunkstore.PackID]bool{first.Ref.Pack: true},
		Damaged:   map[chunkstore.Copy]bool{{Pack: first.Ref.Pack, ID: first.Ref.ID}: true},
	}
	if _, err := p.read(s, func() chunkstore.View { return all }, just(first.Ref), chunk(1)); err != nil {
		t.Errorf("the last copy there is was not read: %v", err)
	}
}

// openRecorder notes which files are opened. It is for one goroutine.
type openRecorder struct {
	durable.FS
	names []string
}

func (r *openRecorder) Open(name string) (durable.File, error) {
	r.names = append(r.names, name)
	return r.FS.Open(name)
}

func TestMovedPacksAreFollowed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	cfg := p.config()
	cfg.Catalog = ""
	opened := &openRecorder{FS: p.fsys}
	cfg.FS = opened
	s := p.openWith(cfg)
	first, second := p.twoCopies(s, chunk(1))
	unasked := func(chunkstore.PackID) []chunkstore.PackID {
		t.Error("it was asked where a pack was moved to that is there")
		return nil
	}
	if _, err := p.read(s, func() chunkstore.View { return chunkstore.View{Moved: unasked} }, just(first.Ref), chunk(1)); err != nil {
		t.Error(err)
	}
	p.remove(first.Ref.Pack)
	between := chunkstore.PackID{9, 9, 9} // compacted in turn, and gone
	moved := func(id chunkstore.PackID) []chunkstore.PackID {
		return map[chunkstore.PackID][]chunkstore.PackID{
			first.Ref.Pack: {between, first.Ref.Pack}, between: {second.Ref.Pack},
		}[id]
	}
	opened.names = nil
	if _, err := p.read(s, func() chunkstore.View { return chunkstore.View{Moved: moved} }, just(first.Ref), chunk(1)); err != nil {
		t.Errorf("moved twice: %v", err)
	}
	if len(opened.names) != 3 {
		t.Errorf("opened %v, want just the three packs on the way", opened.names)
	}
}

func TestAVanishedPackIsDamageOfTheObject(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	put := p.store(s, chunk(1))[0]
	p.store(s, chunk(2))
	p.remove(put.Ref.Pack)
	for range 2 { // the second time from memory
		_, err := p.read(s, nil, just(put.Ref), chunk(1))
		var corrupt *chunkstore.CorruptError
		if !errors.As(err, &corrupt) || corrupt.Pack != put.Ref.Pack || corrupt.ID != put.Ref.ID || corrupt.Kind != chunkstore.Chunk {
			t.Errorf("got %v, want damage of the chunk in %s", err, put.Ref.Pack)
		}
		if !errors.Is(err, chunkstore.ErrNotFound) {
			t.Errorf("%v does not say that nothing was found", err)
		}
	}
	nowhere := chunkstore.Ref{ID: chunkstore.ID{1}}
	if _, err := p.read(s, nil, just(nowhere), chunk(1)); !errors.Is(err, chunkstore.ErrNotFound) || isCorrupt(err) {
		t.Errorf("an object that nobody knows: %v, want just %v", err, chunkstore.ErrNotFound)
	}
}

// compacting moves the only copy away just when it is looked for.
type compacting struct {
	durable.FS
	opens func(name string)
}

func (c *compacting) Open(name string) (durable.File, error) {
	c.opens(name)
	return c.FS.Open(name)
}

func TestAPackThatVanishesWhileReadingIsLookedForAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	cfg := p.config()
	cfg.Catalog = ""
	s := p.openWith(cfg)
	first, second := p.twoCopies(s, chunk(1))
	hidden := p.path(second.Ref.Pack) + ".hidden"
	if err := os.Rename(p.path(second.Ref.Pack), hidden); err != nil {
		t.Fatal(err)
	}
	reads := 0
	cfg.FS = &compacting{FS: p.fsys, opens: func(name string) {
		if reads++; reads == 1 {
			p.remove(first.Ref.Pack)
		}
	}}
	views := 0
	view := func() chunkstore.View {
		if views++; views == 2 { // after the first search of everything
			if err := os.Rename(hidden, p.path(second.Ref.Pack)); err != nil {
				t.Fatal(err)
			}
		}
		return chunkstore.View{}
	}
	if _, err := p.read(p.openWith(cfg), view, just(first.Ref), chunk(1)); err != nil {
		t.Errorf("%v after %d looks", err, views)
	}
}

// A cable that is loose is no damage.
type loose struct {
	durable.FS
	pack chunkstore.PackID
}

func (l *loose) Open(name string) (durable.File, error) {
	f, err := l.FS.Open(name)
	if strings.Contains(name, l.pack.String()) {
		return &looseFile{f}, err
	}
	return f, err
}

type looseFile struct{ durable.File }

func (f *looseFile) ReadAt([]byte, int64) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.Name(), Err: syscall.EIO}
}

func TestTroubleIsNotDamage(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	first, second := p.twoCopies(p.open(), chunk(1))
	cfg := p.config()
	cfg.FS = &loose{FS: p.fsys, pack: first.Ref.Pack}
	s := p.openWith(cfg)
	if _, err := p.read(s, nil, just(first.Ref), chunk(1)); err != nil {
		t.Errorf("with a second copy: %v", err)
	}
	flip(t, p.path(second.Ref.Pack), 500)
	_, err := p.read(s, nil, just(first.Ref), chunk(1))
	if !errors.Is(err, syscall.EIO) || isCorrupt(err) {
		t.Errorf("one copy damaged, one out of reach: %v, want only %v", err, syscall.EIO)
	}
}

// A pack is found cut short whether the catalog knows it or not; one that is as long
// as the catalog says is not even opened, for there are many.
func TestAPackThatWasCutShortIsNoticed(t *testing.T) {
	p := newPlace(t)
	recorder := &openRecorder{FS: p.fsys}
	p.fsys = recorder
	s := p.open()
	put, _ := p.twoCopies(s, chunk(1))
	recorder.names = nil
	if err := s.CheckPack(put.Ref.Pack); err != nil || len(recorder.names) > 0 {
		t.Errorf("a pack that the catalog knows: %v, after opening %q", err, recorder.names)
	}
	unknowing := p.config()
	unknowing.Catalog = ""
	blind := p.openWith(unknowing)
	if err := blind.CheckPack(put.Ref.Pack); err != nil || len(recorder.names) != 1 {
		t.Errorf("a pack that no catalog knows: %v, after opening %q", err, recorder.names)
	}
	path := filepath.Join(p.dir, filepath.FromSlash(chunkstore.PackName(put.Ref.Pack)))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-1); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*chunkstore.Store{"with a catalog": s, "without": blind} {
		if err := s.CheckPack(put.Ref.Pack); !isCorrupt(err) {
			t.Errorf("%s: a pack cut short gives %v, want a *CorruptError", name, err)
		}
	}
}
