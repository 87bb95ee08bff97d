package chunkstore

import (
	"fmt"
	"log/slog"

	"varve/internal/durable"
)

// Config says what a [Store] works on.
type Config struct {
	FS         durable.FS // the repository
	Repository [16]byte
	ChunkSize  int
	Hasher     Hasher
	// Catalog is the path of the catalog file on this host. Several processes may
	// share it. Empty: none; then what other runs have stored is not found again.
	Catalog string
	Log     *slog.Logger // nil discards
}

// A Store is the objects of one repository. Close its Readers and Writers first.
type Store struct {
	cfg     Config
	catalog *catalog // nil: none
	coders  coderPool
}

// Open gives access to the objects of a repository. It reads nothing yet, and
// never fails because of the catalog.
func Open(cfg Config) (*Store, error) {
	if cfg.FS == nil {
		return nil, fmt.Errorf("open chunk store: no file system given")
	}
	if err := CheckChunkSize(cfg.ChunkSize); err != nil {
		return nil, fmt.Errorf("open chunk store: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{cfg: cfg, coders: newCoderPool()}
	if cfg.Catalog != "" {
		s.catalog = openCatalog(cfg.Catalog, cfg.Repository, cfg.Log)
	}
	return s, nil
}

// Close gives up the catalog. The repository's file system stays the caller's.
func (s *Store) Close() error {
	s.catalog.close()
	return nil
}

// possible tells whether an object of this length can be what its kind says, before
// memory is taken for it.
func (s *Store) possible(e Entry) bool {
	if e.Kind == Chunk {
		return e.Plain == s.cfg.ChunkSize
	}
	return e.Plain <= maxPatchLen(s.cfg.ChunkSize)
}
