package chunkstore

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"varve/internal/durable"
)

// bbolt panics on a damaged page, and its seal may be right all the same, if the
// disk did it. That costs the catalog, and nothing else.
func TestTrapCatalogPanics(t *testing.T) {
	t.Parallel()
	fsys, err := durable.OpenTree(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fsys.Close() }()
	if err := MakeDirs(fsys); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cfg := Config{
		FS: fsys, ChunkSize: MinChunkSize, Hasher: NewHasher([32]byte{1}, 1), Catalog: filepath.Join(t.TempDir(), "catalog.db"),
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	storeSome(t, cfg, 0, 20)
	whole, err := os.ReadFile(cfg.Catalog)
	if err != nil {
		t.Fatal(err)
	}
	panics := 0
	for page := 2; page*os.Getpagesize() < len(whole); page++ {
		hurt := bytes.Clone(whole)
		copy(hurt[page*os.Getpagesize()+8:], "\xff\xff") // what kind of page it is
		if err := os.WriteFile(cfg.Catalog, hurt, 0o600); err != nil {
			t.Fatal(err)
		}
		reseal(t, cfg)
		log.Reset()
		storeSome(t, cfg, 100*page, 3)
		if found := storeSome(t, cfg, 0, 20); found != 20 {
			t.Errorf("page %d: %d of 20 chunks were found again", page, found)
		}
		if strings.Contains(log.String(), "damaged: ") {
			panics++
		}
	}
	if panics == 0 {
		t.Error("nothing panicked")
	}
}

// reseal makes the seal that of the catalog as it is.
func reseal(t *testing.T, cfg Config) {
	t.Helper()
	c := openCatalog(cfg.Catalog, cfg.Repository, cfg.Log)
	turn, err := c.takeTurn(writePatience)
	if err != nil {
		t.Fatal(err)
	}
	defer turn.end(c)
	if err := c.seal(turn.lock, true); err != nil {
		t.Fatal(err)
	}
}

// storeSome stores chunks in a run of their own, and counts those that it found.
func storeSome(t *testing.T, cfg Config, from, count int) (found int) {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	w, err := s.NewWriter(WriterConfig{
		Run: [16]byte{byte(from), byte(from >> 8), 1}, Temps: durable.NewTemps("test"), Usable: func(PackInfo) bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range count {
		chunk := bytes.Repeat([]byte{byte(from + i), byte((from + i) >> 8)}, MinChunkSize/2)
		put, err := w.PutChunk(t.Context(), cfg.Hasher.ChunkID(chunk), chunk)
		if err != nil {
			t.Fatal(err)
		}
		if put.Found {
			found++
		}
	}
	if err := w.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return found
}

// A catalog that names, for an object, a sound pack that does not hold it: only the
// pack's own table of contents tells.
func TestTrapCatalogLies(t *testing.T) {
	t.Parallel()
	fsys, err := durable.OpenTree(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fsys.Close() }()
	if err := MakeDirs(fsys); err != nil {
		t.Fatal(err)
	}
	cfg := Config{FS: fsys, ChunkSize: MinChunkSize, Hasher: NewHasher([32]byte{1}, 1)}
	storeSome(t, cfg, 0, 3) // without a catalog
	cfg.Catalog = filepath.Join(t.TempDir(), "catalog.db")
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	packs, err := s.PackIDs()
	if err != nil || len(packs) != 1 {
		t.Fatal(packs, err)
	}
	lie := packClaims{pack: packs[0]}
	for i := range 10 {
		chunk := bytes.Repeat([]byte{byte(100 + i), 0}, MinChunkSize/2)
		lie.keys = append(lie.keys, objectKey{cfg.Hasher.ChunkID(chunk), Chunk})
	}
	if !s.catalog.add([]packClaims{lie}) {
		t.Fatal("the catalog took no claims")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found := storeSome(t, cfg, 100, 10); found != 0 {
		t.Errorf("%d chunks were found where they are not", found)
	}
}

// An encoder that makes something else of a chunk: what does not decode to what
// went in is never listed.
func TestTrapFrameThatDoesNotDecode(t *testing.T) {
	t.Parallel()
	fsys, err := durable.OpenTree(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fsys.Close() }()
	if err := MakeDirs(fsys); err != nil {
		t.Fatal(err)
	}
	chunk := bytes.Repeat([]byte("what an encoder has seen before it does not write again"), MinChunkSize)[:MinChunkSize]
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(7, chunk[:4096]), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Config{FS: fsys, ChunkSize: MinChunkSize, Hasher: NewHasher([32]byte{1}, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	s.coders.give(&coder{zstdEncoder: encoder})
	w, err := s.NewWriter(WriterConfig{Codec: Zstd, Temps: durable.NewTemps("test")})
	if err != nil {
		t.Fatal(err)
	}
	if put, err := w.PutChunk(t.Context(), s.cfg.Hasher.ChunkID(chunk), chunk); err == nil {
		t.Errorf("PutChunk = %+v, want an error", put)
	}
	if err := w.Barrier(t.Context()); err != nil {
		t.Error(err)
	}
	if packs, err := s.PackIDs(); err != nil || len(packs) > 0 {
		t.Errorf("packs are %v, %v", packs, err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// A catalog that somebody touched since its last writer may be anything, and bbolt
// runs wild on some of it: it is not opened, even if it looks right.
func TestTrapCatalogNotAsItsWriterLeftIt(t *testing.T) {
	t.Parallel()
	key := objectKey{ID{1}, Chunk}
	for name, touch := range map[string]func(path string, whole []byte) error{
		"written again": func(path string, whole []byte) error { return os.WriteFile(path, whole, 0o600) },
		"another file": func(path string, whole []byte) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, whole, 0o600))
		},
		"no seal": func(path string, _ []byte) error { return os.Truncate(path+".lock", 0) },
	} {
		path := filepath.Join(t.TempDir(), "catalog.db")
		c := openCatalog(path, [16]byte{7}, slog.New(slog.DiscardHandler))
		if !c.add([]packClaims{{pack: PackID{2}, keys: []objectKey{key}}}) || len(c.lookup(key)) != 1 {
			t.Fatal("the catalog does not work")
		}
		c.close()
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := touch(path, whole); err != nil {
			t.Fatal(err)
		}
		c = openCatalog(path, [16]byte{7}, slog.New(slog.DiscardHandler))
		if packs := c.lookup(key); len(packs) > 0 {
			t.Errorf("%s: it was opened, and proposes %v", name, packs)
		}
		c.close()
	}
}
