package chunkstore_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"varve/chunkstore"
	"varve/internal/durable"
)

// found tells whether a new run finds chunk(1), and reads what it then has.
func (p *place) found(s *chunkstore.Store) bool {
	p.t.Helper()
	w := p.writer(s)
	put := p.put(w, chunk(1))
	p.barrier(w)
	r := s.Reader(nil)
	defer closeReader(p.t, r)
	p.mustRead(r, just(put.Ref), chunk(1))
	return put.Found
}

// Whatever happens to the catalog, runs go on, and the next one has it back.
func TestTheCatalogIsNeverBelieved(t *testing.T) {
	t.Parallel()
	overwrite := func(change func([]byte) []byte) func(p *place) {
		return func(p *place) {
			b, err := os.ReadFile(p.catalog)
			if err != nil {
				p.t.Fatal(err)
			}
			if err := os.WriteFile(p.catalog, change(b), 0o600); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	cases := map[string]func(p *place){
		"deleted": func(p *place) {
			if err := os.Remove(p.catalog); err != nil {
				p.t.Fatal(err)
			}
		},
		"emptied": overwrite(func([]byte) []byte { return nil }),
		"noise": overwrite(func(b []byte) []byte {
			for i := range b {
				b[i] = byte(rand.Uint32())
			}
			return b
		}),
		"pages of noise": overwrite(func(b []byte) []byte {
			for i := 2 * 4096; i < len(b); i++ { // all but the meta pages, which have checksums
				b[i] = byte(rand.Uint32())
			}
			return b
		}),
		"from the future": func(p *place) { p.editCatalog("format", binary.BigEndian.AppendUint32(nil, 99)) },
		"another's":       func(p *place) { p.editCatalog("repository", make([]byte, 16)) },
		"a directory": func(p *place) {
			if err := errors.Join(os.Remove(p.catalog), os.Mkdir(p.catalog, 0o700)); err != nil {
				p.t.Fatal(err)
			}
		},
	}
	for _, kept := range []int{1, 100, 4096, 9000, 12288, 20000} {
		cases[fmt.Sprintf("cut to %d bytes", kept)] = overwrite(func(b []byte) []byte { return b[:min(kept, len(b))] })
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.store(p.open(), chunk(1), chunk(2))
			damage(p)
			s := p.open()
			if !p.found(s) {
				t.Error("a run that began after the damage did not find the chunk")
			}
			damage(p)
			w := p.writer(s)
			damage(p)
			p.put(w, chunk(1)) // found or not
			p.barrier(w)
			if !p.found(s) {
				t.Error("a run after damage during another did not find the chunk")
			}
		})
	}
}

// bbolt hangs or dies on some of these, so it must not get to see them.
func TestScrambledPagesAreSurvived(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	for i := range uint64(20) {
		p.store(s, chunk(i+1))
	}
	whole, err := os.ReadFile(p.catalog)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(5, 6))
	for round := range 60 {
		hurt := append([]byte(nil), whole...)
		for range 1 + round%8 {
			page := (2 + random.IntN(len(hurt)/4096-2)) * 4096
			for range 1 + random.IntN(64) {
				hurt[page+random.IntN(200)] = byte(random.Uint32())
			}
		}
		if err := os.WriteFile(p.catalog, hurt, 0o600); err != nil {
			t.Fatal(err)
		}
		p.found(p.open())
	}
}

func (p *place) editCatalog(key string, value []byte) {
	p.t.Helper()
	db, err := bolt.Open(p.catalog, 0o600, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte(key), value) })
	if err := errors.Join(err, db.Close()); err != nil {
		p.t.Fatal(err)
	}
}

func TestABusyCatalogHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.store(p.open(), chunk(1))
	dir, err := durable.OpenTree(filepath.Dir(p.catalog))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	for _, name := range []string{"catalog.db", "catalog.db.lock"} {
		lock, err := durable.OpenLocked(dir, name)
		if err != nil || lock == nil {
			t.Fatalf("lock %s: %v, %v", name, lock, err)
		}
		s := p.open()
		if p.found(s) {
			t.Errorf("%s locked: found nevertheless", name)
		}
		if _, err := s.Rebuild(t.Context(), nil); !errors.Is(err, chunkstore.ErrCatalogBusy) {
			// Rebuild deletes the file, and with it the lock on it.
			if name == "catalog.db.lock" {
				t.Errorf("Rebuild of a busy catalog: %v", err)
			}
		}
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
		if !p.found(p.open()) {
			t.Errorf("%s free again: not found", name)
		}
	}
}

// Two volumes are backed up at once into one repository, here by two Stores, whose
// locks exclude each other like those of two processes.
func TestTwoStoresShareOneCatalog(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var writers []*chunkstore.Writer
	for range 2 {
		writers = append(writers, p.writerWith(p.open(), chunkstore.WriterConfig{
			Codec: chunkstore.LZ4, Usable: anyPack, PackSize: 4 * chunkSize,
		}))
	}
	var group sync.WaitGroup
	for i, w := range writers {
		group.Go(func() {
			for k := range uint64(60) {
				content := chunk(uint64(i)*1000 + k)
				if _, err := w.PutChunk(t.Context(), p.hasher.ChunkID(content), content); err != nil {
					t.Error(err)
				}
			}
			if err := w.Barrier(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	w := p.writer(p.open())
	for i := range uint64(2) {
		for k := range uint64(60) {
			if put := p.put(w, chunk(i*1000+k)); !put.Found {
				t.Errorf("chunk %d of writer %d is not found", k, i)
			}
		}
	}
}

func TestAPackOfAnotherProcessIsFoundInTheMiddleOfARun(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	w := p.writer(p.open())
	p.put(w, chunk(2))
	p.store(p.open(), chunk(1))
	w = p.writer(p.open())
	if put := p.put(w, chunk(1)); !put.Found {
		t.Error("not found")
	}
}

func TestRebuildFindsAllPacks(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	cfg := p.config()
	cfg.Catalog = ""
	silent := p.openWith(cfg)
	for i := range uint64(5) {
		p.store(silent, chunk(i), chunk(i+100))
	}
	if _, err := silent.Rebuild(t.Context(), nil); !errors.Is(err, chunkstore.ErrNoCatalog) {
		t.Errorf("Rebuild without a catalog: %v, want %v", err, chunkstore.ErrNoCatalog)
	}
	flip(t, p.packs()[0], -70)
	s := p.open()
	done := 0
	result, err := s.Rebuild(t.Context(), func(n, total int) {
		if done++; n != done || total != 5 {
			t.Errorf("progress %d of %d, want %d of 5", n, total, done)
		}
	})
	if err != nil || result.Packs != 4 || result.Objects != 8 || len(result.Damaged) != 1 || !isCorrupt(result.Damaged[0]) {
		t.Errorf("Rebuild = %+v, %v; want 4 packs, 8 objects, one damaged", result, err)
	}
}

func TestClaimsOfPacksThatAreGoneAreDropped(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	gone, stays := p.store(s, chunk(1))[0], p.store(s, chunk(2))[0]
	p.remove(gone.Ref.Pack)
	w := p.writer(s)
	if err := w.DropCatalogClaims(); err != nil {
		t.Fatal(err)
	}
	known := map[chunkstore.PackID]bool{}
	db, err := bolt.Open(p.catalog, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("packs")).ForEach(func(id, _ []byte) error {
			known[chunkstore.PackID(id)] = true
			return nil
		})
	})
	if err != nil || len(known) != 1 || !known[stays.Ref.Pack] {
		t.Errorf("the catalog knows %v, %v; want only %s", known, err, stays.Ref.Pack)
	}
}

// A repository on read-only media is read without a catalog, and with one that
// cannot be written.
func TestReadingNeedsNoCatalog(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	put := p.store(p.open(), chunk(1))[0]
	cfg := p.config()
	cfg.FS = readOnly{p.fsys}
	for _, catalog := range []string{"", filepath.Join(t.TempDir(), "none", "catalog.db"), "/proc/nowhere/catalog.db", p.catalog} {
		cfg.Catalog = catalog
		s := p.openWith(cfg)
		r := s.Reader(nil)
		p.mustRead(r, just(put.Ref), chunk(1))
		p.mustRead(r, just(chunkstore.Ref{ID: put.Ref.ID}), chunk(1)) // no hint at all
		p.mustRead(r, just(chunkstore.Ref{ID: put.Ref.ID, Pack: chunkstore.PackID{1}}), chunk(1))
		closeReader(t, r)
	}
}

type readOnly struct{ durable.FS }

func (readOnly) Create(string) (durable.File, error)    { return nil, fs.ErrPermission }
func (readOnly) OpenWrite(string) (durable.File, error) { return nil, fs.ErrPermission }
func (readOnly) Mkdir(string) error                     { return fs.ErrPermission }
func (readOnly) Remove(string) error                    { return fs.ErrPermission }
func (readOnly) SyncDir(string) error                   { return fs.ErrPermission }
