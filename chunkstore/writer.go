package chunkstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"varve/internal/durable"
)

// View is what the repository knows of packs at one moment.
type View struct {
	Condemned map[PackID]bool       // not to be relied on; read from after all others
	Damaged   map[Copy]bool         // copies known to be hurt: never relied on, read last
	Moved     func(PackID) []PackID // where compaction took a pack's frames; nil: nowhere
}

// WriterConfig tells a [Writer] for whom it writes and what it may rely on.
type WriterConfig struct {
	Run   [16]byte // of the run record; stands in each pack
	Codec Codec
	// Dense keeps Zstd from giving way to S2: for runs that store little, and so
	// do not wait for the encoder.
	Dense bool
	Temps *durable.Temps
	// View is asked for before a found copy is relied on. Nil: nothing is known.
	View func() View
	// Usable decides whether a sealed pack of another run may be relied on, and
	// whether it is one of this repository's at all. It is asked once for each
	// pack, and must not call the Writer. Nil: none may.
	Usable func(PackInfo) bool
	// Orphaned tells of a pack that is usable whether its run ended before anybody
	// could rely on it, perhaps before the pack's name was durable. It is asked as
	// Usable is. Nil: none is.
	Orphaned func(PackInfo) bool
	// Room is asked before each new pack, and each time that so many bytes are to be
	// written to packs as [RoomStep] says, whether there is room to go on, given how many
	// bytes the packs that were begun will take besides what is written of them. Its error
	// ends the put that asked, and hurts no pack that is full. It must not call the
	// Writer. Nil: there always is.
	Room func(pending int64) error
	// PackSize is where a pack is sealed; zero means 64 MiB.
	PackSize int64
}

// Put says where an object is.
type Put struct {
	Ref    Ref
	Stored int64 // bytes added to packs; 0 if found
	Found  bool  // it was there already
}

// A Writer adds objects to the repository for one run. After an error of a write
// or sync it fails for good: the run is to be given up. It is safe for many
// goroutines; Barrier and Close are for one, after the others are done.
type Writer struct {
	store *Store
	cfg   WriterConfig
	packs *packCache // those of found objects

	sealing sync.WaitGroup
	slots   chan struct{} // one for each pack being sealed

	pending atomic.Int64 // bytes that packs which were begun will take, and that are not written

	mu       sync.Mutex
	err      error // the first failure
	unasked  int64 // bytes for which room was taken since Room was asked
	closed   bool
	filling  *filling             // nil: none
	unsealed map[objectKey]PackID // objects of packs being filled or sealed
	open     map[*filling]bool    // packs being filled or sealed; Close removes them
	own      map[PackID]bool      // sealed by this Writer
	firm     map[PackID]bool      // of these, the ones that a barrier made durable: something may name them
	relied   map[PackID]bool      // own, and those of found objects
	unsynced map[byte]bool        // directories of packs relied on since their last sync
	verdicts map[PackID]bool      // what Usable said
	orphaned map[PackID]bool      // usable ones that are to be named anew if relied on
}

// RoomStep is after how many bytes it is asked again whether there is room.
const RoomStep = 4 << 20

// Packs being sealed at a time. With two, one may wait for its fsync while the
// next is being written.
const maxSealing = 2

// NewWriter begins to write. It first lets the catalog learn of packs it has not
// seen, for a few seconds at most.
func (s *Store) NewWriter(cfg WriterConfig) (*Writer, error) {
	if cfg.Temps == nil {
		return nil, errors.New("begin writing: no names for temporary files given")
	}
	if cfg.Codec > Zstd {
		return nil, fmt.Errorf("begin writing: %w", &FeatureError{What: "codec", Value: uint64(cfg.Codec)})
	}
	if cfg.PackSize == 0 {
		cfg.PackSize = defaultPackSize
	}
	if s.catalog != nil {
		ctx, cancel := context.WithTimeout(context.Background(), catchUpTime)
		defer cancel()
		if result, err := s.catchUp(ctx, nil); err != nil {
			s.cfg.Log.Info("catalog does not know all packs yet, some objects may be stored again",
				"learned", result.Packs, "error", err)
		}
	}
	return &Writer{
		store: s, cfg: cfg, packs: newPackCache(s.cfg.FS),
		slots:    make(chan struct{}, maxSealing),
		unsealed: map[objectKey]PackID{}, open: map[*filling]bool{},
		own: map[PackID]bool{}, firm: map[PackID]bool{}, relied: map[PackID]bool{}, unsynced: map[byte]bool{},
		verdicts: map[PackID]bool{}, orphaned: map[PackID]bool{},
	}, nil
}

// PutChunk makes sure that the repository holds the chunk whose bytes are plain
// and whose id, computed by the caller, is id.
func (w *Writer) PutChunk(ctx context.Context, id ID, plain []byte) (Put, error) {
	if len(plain) != w.store.cfg.ChunkSize {
		panic("chunkstore: PutChunk of what is no chunk")
	}
	c := w.store.coders.take()
	defer w.store.coders.give(c)
	put, err := w.put(ctx, c, objectKey{id, Chunk}, plain, math.MaxInt64)
	if err != nil {
		return Put{}, fmt.Errorf("store chunk %s: %w", id, err)
	}
	return put, nil
}

// PutPatch makes the patch that turns below into result, two contents of a chunk
// with these fingerprints (zero for zeros), applies it to a copy and compares, and
// makes sure that the repository holds it.
func (w *Writer) PutPatch(ctx context.Context, below, result []byte, belowFP, resultFP Fingerprint) (Put, PatchStats, error) {
	if len(below) != w.store.cfg.ChunkSize || len(result) != w.store.cfg.ChunkSize {
		panic("chunkstore: PutPatch of what is no chunk")
	}
	put, stats, err := w.putPatch(ctx, below, result, belowFP, resultFP, math.MaxInt64)
	if err != nil {
		return Put{}, PatchStats{}, fmt.Errorf("store patch to %s: %w", resultFP, err)
	}
	return put, stats, nil
}

func (w *Writer) putPatch(ctx context.Context, below, result []byte, belowFP, resultFP Fingerprint, most int64) (Put, PatchStats, error) {
	c := w.store.coders.take()
	defer w.store.coders.give(c)

	h := w.store.cfg.Hasher
	if !h.matches(below, belowFP) || !h.matches(result, resultFP) {
		return Put{}, PatchStats{}, errFingerprint
	}
	plain, stats := AppendPatch(c.plain[:0], below, result, belowFP, resultFP)
	c.plain = plain
	c.chunk = append(c.chunk[:0], below...)
	if _, _, err := ApplyPatch(c.chunk, plain); err != nil {
		return Put{}, stats, err
	}
	if string(c.chunk) != string(result) {
		return Put{}, stats, errNotWhatPut
	}
	put, err := w.put(ctx, c, objectKey{h.PatchID(plain), Patch}, plain, most)
	return put, stats, err
}

// put stores an object, unless its frame is longer than most: that is errTooLong.
func (w *Writer) put(ctx context.Context, c *coder, key objectKey, plain []byte, most int64) (Put, error) {
	if err := w.failure(ctx); err != nil {
		return Put{}, err
	}
	if pack, ok := w.find(key); ok {
		return Put{Ref: Ref{key.id, pack}, Found: true}, nil
	}
	codec := w.cfg.Codec
	if !w.cfg.Dense {
		var err error
		if codec, err = c.choose(codec, plain); err != nil {
			return Put{}, err
		}
	}
	frame, err := c.encodeFrame(codec, key.kind, key.id, plain)
	if err != nil {
		return Put{}, err
	}
	if int64(len(frame)) > most {
		return Put{}, errTooLong
	}
	if err := c.verifyFrame(frame, key.kind, key.id, plain); err != nil {
		return Put{}, fmt.Errorf("verify what was encoded: %w", err)
	}
	return w.append(ctx, key, frame, len(plain))
}

// view is what the repository knows now.
func (w *Writer) view() View {
	if w.cfg.View == nil {
		return View{}
	}
	return w.cfg.View()
}

// failure tells why nothing more can be put.
func (w *Writer) failure(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	return w.err
}

func (w *Writer) broken() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

// fail records the first failure, which all later calls return.
func (w *Writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// Barrier seals what is open and makes durable all that was put or found so far:
// nil means that it survives a power failure.
func (w *Writer) Barrier(ctx context.Context) error {
	if err := w.failure(ctx); err != nil {
		return fmt.Errorf("make objects durable: %w", err)
	}
	w.mu.Lock()
	f := w.filling
	w.filling = nil
	w.mu.Unlock()
	if f != nil {
		w.seal(f)
	}
	w.sealing.Wait()
	if err := w.failure(ctx); err != nil {
		return fmt.Errorf("make objects durable: %w", err)
	}
	if err := w.syncDirs(); err != nil {
		return fmt.Errorf("make objects durable: %w", err)
	}
	return nil
}

// adoptOrphans names the orphaned packs that are relied on anew, before their
// directories are synced. A sync of those may have failed since the names were made,
// and the kernel have dropped them: the next sync would say that it is done, and
// write nothing. One that loses its name halfway is swept away: nobody relies on it yet.
func (w *Writer) adoptOrphans() error {
	w.mu.Lock()
	var packs []PackID
	for id := range w.orphaned {
		if w.relied[id] {
			packs = append(packs, id)
			delete(w.orphaned, id)
		}
	}
	w.mu.Unlock()
	slices.SortFunc(packs, PackID.Compare)
	for _, id := range packs {
		name, temp := PackName(id), w.cfg.Temps.In(packDir(id[0]))
		if err := w.store.cfg.FS.RenameNew(name, temp); err != nil {
			return err
		}
		if err := w.store.cfg.FS.RenameNew(temp, name); err != nil {
			return err
		}
	}
	return nil
}

// syncDirs syncs each directory with a pack relied on, found ones too: whoever
// renamed those may not have got that far.
func (w *Writer) syncDirs() error {
	if err := w.adoptOrphans(); err != nil {
		w.fail(err)
		return err
	}
	w.mu.Lock()
	dirs := w.unsynced
	w.unsynced = map[byte]bool{}
	w.mu.Unlock()
	for _, first := range slices.Sorted(maps.Keys(dirs)) {
		if err := w.store.cfg.FS.SyncDir(packDir(first)); err != nil {
			err = errors.Join(err, w.withdraw(first))
			w.fail(err)
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.Copy(w.firm, w.own)
	return nil
}

// withdraw removes this Writer's packs from a directory that could not be synced:
// nobody can tell any more whether their names are durable, and nobody else relies
// on those of an unfinished run. Those of an earlier barrier stay: they are durable.
func (w *Writer) withdraw(first byte) error {
	var errs []error
	var gone []PackID
	w.mu.Lock()
	for id := range w.own {
		if id[0] == first && !w.firm[id] {
			gone = append(gone, id)
		}
	}
	w.mu.Unlock()
	for _, id := range gone {
		errs = append(errs, w.store.cfg.FS.Remove(PackName(id)))
	}
	w.store.catalog.drop(gone)
	return errors.Join(errs...)
}

// Relied gives the packs that hold what was put and found so far, ascending.
func (w *Writer) Relied() []PackID {
	w.mu.Lock()
	defer w.mu.Unlock()
	packs := make([]PackID, 0, len(w.relied))
	for id := range w.relied {
		packs = append(packs, id)
	}
	slices.SortFunc(packs, PackID.Compare)
	return packs
}

// Close waits for packs being sealed and removes what is not sealed. Sealed packs
// stay, durable or not, for a later run to find. It may be called twice.
func (w *Writer) Close() error {
	w.mu.Lock()
	w.closed = true
	w.filling = nil
	w.mu.Unlock()
	w.sealing.Wait()
	w.mu.Lock()
	left := w.open
	w.open = nil
	w.unsealed = map[objectKey]PackID{}
	w.mu.Unlock()
	w.store.catalog.persist()
	var errs []error
	for f := range left {
		errs = append(errs, f.discard(w.store.cfg.FS))
	}
	return errors.Join(append(errs, w.packs.close())...)
}
