package repository

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"syscall"
	"time"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// InitOptions says what a new repository is to be like. The zero value is ready to use.
type InitOptions struct {
	ChunkSize int    // bytes; zero means DefaultChunkSize
	Codec     string // "zstd", "lz4" or "none"; empty means zstd
	// ProbeLock tries, in another process, to lock the named file below the
	// repository, which this process holds, and tells whether that process got
	// it. Nil leaves out this part of the check for working locks.
	ProbeLock func(ctx context.Context, name string) (bool, error)
}

// Init makes a repository in fsys, an empty directory or one in which an earlier
// Init was interrupted. The descriptors come last: before them, there is none.
func Init(ctx context.Context, fsys durable.FS, opts InitOptions) (*Descriptor, error) {
	d, err := newDescriptor(opts)
	if err != nil {
		return nil, err
	}
	if _, err := checkInitTarget(fsys); err != nil { // before anything is touched
		return nil, err
	}
	if err := durable.MkdirAll(fsys, locksDir); err != nil {
		return nil, err
	}
	gate, err := waitGate(ctx, fsys, gateWait)
	if err != nil {
		return nil, noFlock(err)
	}
	defer func() { _ = gate.Close() }() // which ends the lock, whatever it says
	if err := checkLocks(ctx, fsys, opts); err != nil {
		return nil, err
	}
	begun, err := checkInitTarget(fsys) // another process may have been faster
	if err != nil {
		return nil, err
	}
	if begun != nil { // one descriptor copy was written: the keys are settled
		if err := sameWish(begun, opts); err != nil {
			return nil, err
		}
		d = begun
	}
	if err := makeRepository(fsys, d); err != nil {
		return nil, err
	}
	return d, nil
}

// Holds tells whether there is a repository in fsys, also one that this program cannot
// read, or that is damaged.
func Holds(fsys durable.FS) bool {
	_, _, err := descriptors(fsys)
	return err == nil || errors.As(err, new(*FormatError)) || errors.As(err, new(*DamagedFileError))
}

// makeRepository makes everything, the descriptors last.
func makeRepository(fsys durable.FS, d *Descriptor) error {
	temps := durable.NewTemps("init-" + randomHex())
	if err := removeInitTemps(fsys); err != nil {
		return err
	}
	if err := makeTree(fsys); err != nil {
		return err
	}
	if err := durable.Replace(fsys, temps, readmeName, []byte(readme)); err != nil {
		return err
	}
	return writeDescriptors(fsys, temps, d)
}

// noFlock calls a file system that refuses every lock what it is.
func noFlock(err error) error {
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK) {
		return fmt.Errorf("%w: %w", durable.ErrNoFlock, err)
	}
	return err
}

func newDescriptor(opts InitOptions) (*Descriptor, error) {
	if opts.ChunkSize == 0 {
		opts.ChunkSize = DefaultChunkSize
	}
	if opts.Codec == "" {
		opts.Codec = chunkstore.Zstd.String()
	}
	d := &Descriptor{
		Format: FormatVersion, Features: []string{}, Serial: 1,
		Repository: newUUID(), Former: []revision.UUID{}, Lineage: newUUID(),
		Created: time.Now().UTC().Truncate(time.Second), ChunkSize: opts.ChunkSize,
		Names: contentAlgorithm, Prints: fingerprintAlgorithm,
		Key: make([]byte, 32), Seed: make([]byte, 8), Codec: opts.Codec,
	}
	rand.Read(d.Key)
	rand.Read(d.Seed)
	return d, d.validate()
}

// sameWish refuses to complete a repository that was begun differently.
func sameWish(begun *Descriptor, opts InitOptions) error {
	if opts.ChunkSize != 0 && opts.ChunkSize != begun.ChunkSize || opts.Codec != "" && opts.Codec != begun.Codec {
		return fmt.Errorf("an interrupted init began it with chunk size %d and compression %s: repeat it with those, or remove the directory",
			begun.ChunkSize, begun.Codec)
	}
	return nil
}

// checkInitTarget makes sure that nothing is there but what an interrupted Init
// leaves, and returns its descriptor if it came so far.
func checkInitTarget(fsys durable.FS) (*Descriptor, error) {
	d, agree, err := descriptors(fsys)
	switch {
	case err == nil && agree:
		return nil, fmt.Errorf("%w: %s", ErrExists, d.Repository)
	case err != nil && !errors.Is(err, ErrNoRepository):
		return nil, err
	}
	if err := checkHalfMade(fsys); err != nil {
		if d != nil { // a repository in use that has lost a descriptor is not ours to touch
			return nil, fmt.Errorf("%w: %s, and one copy of its descriptor is missing or damaged", ErrExists, d.Repository)
		}
		return nil, err
	}
	return d, nil
}

// checkHalfMade makes sure that the tree holds nothing but empty directories of
// our names, lock files and our own first files.
func checkHalfMade(fsys durable.FS) error {
	entries, err := fsys.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case name == readmeName, name == descriptorName, name == descriptorCopyName:
		case name == "lost+found" && e.IsDir(): // a file system's own
		case durable.IsTemp(name):
		case e.IsDir() && slices.Contains(topLevel, name):
			if err := checkEmpty(fsys, name); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%w: it holds %q", ErrNotEmpty, name)
		}
	}
	return nil
}

func checkEmpty(fsys durable.FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			err = checkEmpty(fsys, name)
		} else if name != gateName {
			err = fmt.Errorf("%w: it holds %q", ErrNotEmpty, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// removeInitTemps removes what interrupted Inits left at the top.
func removeInitTemps(fsys durable.FS) error {
	entries, err := fsys.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if durable.IsTemp(e.Name()) {
			if err := fsys.Remove(e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// checkLocks tries, while the gate is held, whether others are kept out.
func checkLocks(ctx context.Context, fsys durable.FS, opts InitOptions) error {
	if err := durable.CheckFlock(fsys, gateName); err != nil {
		return err
	}
	if opts.ProbeLock == nil {
		return nil
	}
	got, err := opts.ProbeLock(ctx, gateName)
	if err != nil {
		return fmt.Errorf("try the lock from a second process: %w", err)
	}
	if got {
		return fmt.Errorf("%w: a second process took a lock that is held", durable.ErrNoFlock)
	}
	return nil
}

// makeTree makes all directories, each durable.
func makeTree(fsys durable.FS) error {
	if err := durable.MakeDirs(fsys, append(slices.Clone(topLevel), movedDir, volumeLocksDir, leasesDir)...); err != nil {
		return err
	}
	return chunkstore.MakeDirs(fsys)
}
