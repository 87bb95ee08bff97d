package chunkstore_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable"
)

const chunkSize = chunkstore.MinChunkSize

// place is a repository on disk, and what a test does to it.
type place struct {
	t       *testing.T
	dir     string
	catalog string
	fsys    durable.FS
	hasher  chunkstore.Hasher
	runs    byte
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir(), catalog: filepath.Join(t.TempDir(), "state", "catalog.db")}
	p.hasher = chunkstore.NewHasher([32]byte{1, 2, 3}, 42)
	fsys, err := durable.OpenTree(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fsys.Close() })
	p.fsys = fsys
	if err := chunkstore.MakeDirs(fsys); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) config() chunkstore.Config {
	return chunkstore.Config{FS: p.fsys, Repository: [16]byte{7}, ChunkSize: chunkSize, Hasher: p.hasher, Catalog: p.catalog}
}

func (p *place) open() *chunkstore.Store {
	p.t.Helper()
	return p.openWith(p.config())
}

func (p *place) openWith(cfg chunkstore.Config) *chunkstore.Store {
	p.t.Helper()
	s, err := chunkstore.Open(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = s.Close() })
	return s
}

func anyPack(chunkstore.PackInfo) bool { return true }

// writer begins a new run that relies on everything it finds.
func (p *place) writer(s *chunkstore.Store) *chunkstore.Writer {
	return p.writerWith(s, chunkstore.WriterConfig{Codec: chunkstore.Zstd, Usable: anyPack})
}

func (p *place) writerWith(s *chunkstore.Store, cfg chunkstore.WriterConfig) *chunkstore.Writer {
	p.t.Helper()
	p.runs++
	if cfg.Run == [16]byte{} {
		cfg.Run = [16]byte{p.runs}
	}
	if cfg.Temps == nil {
		cfg.Temps = durable.NewTemps(fmt.Sprintf("run%d", p.runs))
	}
	w, err := s.NewWriter(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = w.Close() })
	return w
}

func (p *place) put(w *chunkstore.Writer, chunk []byte) chunkstore.Put {
	p.t.Helper()
	put, err := w.PutChunk(p.t.Context(), p.hasher.ChunkID(chunk), chunk)
	if err != nil {
		p.t.Fatal(err)
	}
	return put
}

func (p *place) barrier(w *chunkstore.Writer) {
	p.t.Helper()
	if err := w.Barrier(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// store writes chunks in a run of their own, one pack for all.
func (p *place) store(s *chunkstore.Store, chunks ...[]byte) []chunkstore.Put {
	p.t.Helper()
	w := p.writer(s)
	var puts []chunkstore.Put
	for _, c := range chunks {
		puts = append(puts, p.put(w, c))
	}
	p.barrier(w)
	if err := w.Close(); err != nil {
		p.t.Fatal(err)
	}
	return puts
}

// chunk returns one of endlessly many contents: half compressible, half not.
func chunk(n uint64) []byte {
	r := rand.New(rand.NewPCG(n, 1))
	b := make([]byte, chunkSize)
	for i := range b {
		if i < chunkSize/2 {
			b[i] = byte(r.Uint64())
		} else {
			b[i] = byte(i / 100)
		}
	}
	return b
}

// mustRead checks that a chunk reads as want, as a whole and in parts.
func (p *place) mustRead(r *chunkstore.Reader, stack chunkstore.Stack, want []byte) {
	p.t.Helper()
	fp := p.fingerprint(want)
	got := make([]byte, chunkSize)
	if err := r.ReadChunk(p.t.Context(), stack, fp, got); err != nil {
		p.t.Errorf("ReadChunk: %v", err)
	} else if !bytes.Equal(got, want) {
		p.t.Error("ReadChunk returned other bytes than were put")
	}
	for _, at := range [][2]int{{0, 1}, {4095, 2}, {4096, 4096}, {chunkSize - 10, 10}, {100, chunkSize - 200}} {
		part := make([]byte, at[1])
		if err := r.ReadAt(p.t.Context(), stack, fp, part, at[0]); err != nil {
			p.t.Errorf("ReadAt %d, %d: %v", at[0], at[1], err)
		} else if !bytes.Equal(part, want[at[0]:][:at[1]]) {
			p.t.Errorf("ReadAt %d, %d returned other bytes than were put", at[0], at[1])
		}
	}
}

func (p *place) fingerprint(b []byte) chunkstore.Fingerprint {
	if bytes.Equal(b, make([]byte, len(b))) {
		return chunkstore.Fingerprint{}
	}
	return p.hasher.Fingerprint(b)
}

func (p *place) packs() []string {
	p.t.Helper()
	names, err := filepath.Glob(filepath.Join(p.dir, "packs", "*", "*.pack"))
	if err != nil {
		p.t.Fatal(err)
	}
	return names
}

func (p *place) path(id chunkstore.PackID) string {
	return filepath.Join(p.dir, "packs", id.String()[:2], id.String()+".pack")
}

// leftovers lists temporary files.
func (p *place) leftovers() []string {
	p.t.Helper()
	names, err := filepath.Glob(filepath.Join(p.dir, "packs", "*", ".tmp-*"))
	if err != nil {
		p.t.Fatal(err)
	}
	return names
}

func (p *place) remove(id chunkstore.PackID) {
	p.t.Helper()
	if err := os.Remove(p.path(id)); err != nil {
		p.t.Fatal(err)
	}
}

func just(ref chunkstore.Ref) chunkstore.Stack { return chunkstore.Stack{Base: ref} }

func TestWhatIsPutIsRead(t *testing.T) {
	t.Parallel()
	for _, codec := range []chunkstore.Codec{chunkstore.None, chunkstore.LZ4, chunkstore.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			s := p.open()
			w := p.writerWith(s, chunkstore.WriterConfig{Codec: codec})
			var puts []chunkstore.Put
			for i := range uint64(40) {
				puts = append(puts, p.put(w, chunk(i)))
			}
			p.barrier(w)
			r := s.Reader(nil)
			defer closeReader(t, r)
			for i, put := range puts {
				p.mustRead(r, just(put.Ref), chunk(uint64(i)))
				size, err := r.StoredSize(t.Context(), put.Ref, chunkstore.Chunk)
				if err != nil || size != put.Stored {
					t.Errorf("StoredSize = %d, %v; want %d", size, err, put.Stored)
				}
			}
		})
	}
}

func TestStacksOfPatchesAreRead(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	w := p.writer(s)
	content := chunk(1)
	stack := just(p.put(w, content).Ref)
	contents := [][]byte{content}
	for i := range 8 {
		next := bytes.Clone(content)
		copy(next[i*5000:], fmt.Sprintf("changed in round %d", i)) // XORed
		copy(next[(15-i)*4096:], chunk(uint64(i) + 100)[:4096])    // replaced
		put, stats, err := w.PutPatch(t.Context(), content, next, p.fingerprint(content), p.fingerprint(next))
		if err != nil {
			t.Fatal(err)
		}
		if stats.Changed < 1 || stats.Plain < 4096 {
			t.Errorf("round %d: stats %+v", i, stats)
		}
		stack.Patches = append(stack.Patches, put.Ref)
		content = next
		contents = append(contents, content)
	}
	p.barrier(w)
	r := s.Reader(nil)
	defer closeReader(t, r)
	for i, want := range contents {
		p.mustRead(r, chunkstore.Stack{Base: stack.Base, Patches: stack.Patches[:i]}, want)
	}
}
