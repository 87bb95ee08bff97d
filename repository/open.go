package repository

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/process"
	"varve/revision"
)

// Options says how to open a repository. The zero value is ready to use.
type Options struct {
	// StateDir holds what this host keeps for repositories, each in a folder
	// named by its id: the catalog. Empty: nothing is kept, and nothing found
	// again but what revisions name.
	StateDir string
	// Command is what this process does, for those who wait for it: "backup".
	Command string
	// PackSize is where packs are sealed, in bytes; zero means 64 MiB.
	PackSize int64
	// Now is the clock of this host, which dates what is written and says what is over;
	// nil: time.Now.
	Now func() time.Time
	// Listers is how many volumes or revisions are looked at together in a listing; zero
	// means 8, which hides the latency of a disk or a network. With one, and one worker
	// for all else, calls are made in an order that is always the same.
	Listers int
	Memory  *Memory      // of who asks often; nil: none is kept
	Log     *slog.Logger // nil discards
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Listers == 0 {
		o.Listers = 8
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Repository is an open repository. It owns the FS it was opened on.
type Repository struct {
	fsys  durable.FS
	desc  *Descriptor
	names chunkstore.Hasher
	store *chunkstore.Store
	opts  Options
	me    Holder
	boot  string

	unmended bool // one copy of the descriptor is missing or stale

	journalMu sync.Mutex
	unsynced  map[string]error // months of the journal whose sync failed

	damageMu sync.Mutex
	damaged  map[chunkstore.Copy]bool // never changed once set: replaced
}

// Open opens the repository in fsys, for reading and, where it can be written
// to, for writing. It takes ownership of fsys. It writes nothing.
func Open(fsys durable.FS, opts Options) (*Repository, error) {
	opts = opts.withDefaults()
	d, agree, err := descriptors(fsys)
	if err != nil {
		return nil, errors.Join(err, fsys.Close())
	}
	if !agree {
		opts.Log.Warn("one of the two copies of the repository's descriptor is missing or stale; the next backup writes it anew")
	}
	opts.Memory.begin(d.Repository)
	r := &Repository{fsys: fsys, desc: d, names: d.hasher(), opts: opts, me: process.Own(opts.Command), boot: process.Boot(), unmended: !agree}
	r.me.Since = opts.Now().UTC().Truncate(time.Second)
	r.store, err = chunkstore.Open(chunkstore.Config{
		FS: fsys, Repository: [16]byte(d.Repository), ChunkSize: d.ChunkSize, Hasher: r.names,
		Catalog: r.catalogPath(), Log: opts.Log,
	})
	if err != nil {
		return nil, errors.Join(err, fsys.Close())
	}
	return r, nil
}

// Close gives up everything that Open acquired.
func (r *Repository) Close() error {
	return errors.Join(r.store.Close(), r.fsys.Close())
}

// ID is the id of this place; a replica has another.
func (r *Repository) ID() revision.UUID { return r.desc.Repository }

// Lineage is the id that replicas share, with the keys that name objects.
func (r *Repository) Lineage() revision.UUID { return r.desc.Lineage }

// ChunkSize is the size of every chunk, in bytes.
func (r *Repository) ChunkSize() int { return r.desc.ChunkSize }

// Codec is how new objects are compressed unless a backup says otherwise.
func (r *Repository) Codec() chunkstore.Codec {
	codec, err := chunkstore.ParseCodec(r.desc.Codec)
	if err != nil {
		panic("repository: a descriptor that was checked has codec " + r.desc.Codec)
	}
	return codec
}

// Hasher computes the names of this lineage.
func (r *Repository) Hasher() chunkstore.Hasher { return r.names }

// Descriptor returns what the repository says of itself.
func (r *Repository) Descriptor() Descriptor { return *r.desc }

// Free tells how many bytes may still be written, and how many there are in all.
func (r *Repository) Free() (available, total int64, err error) { return r.fsys.Free() }

// stateDir is where this host keeps things of this repository.
func (r *Repository) stateDir() string {
	return filepath.Join(r.opts.StateDir, r.desc.Repository.String())
}

// catalogPath is where this host keeps the catalog, or empty for nowhere.
func (r *Repository) catalogPath() string {
	if r.opts.StateDir == "" {
		return ""
	}
	dir := r.stateDir()
	if err := durable.EnsureDir(dir); err != nil {
		r.opts.Log.Warn("no place for the catalog; duplicates will not be found", "error", err)
		return ""
	}
	return filepath.Join(dir, "catalog.db")
}

func randomHex() string {
	b := make([]byte, 8)
	rand.Read(b)
	return hex.EncodeToString(b)
}
