package chunkstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

const (
	// catchUpTime bounds what a new Writer spends on learning of others' packs.
	catchUpTime = 5 * time.Second
	// batchObjects is how many claims are collected before they are written.
	batchObjects = 65536
	// wastedObjects is how many rows of dropped packs a catalog may hold, beyond as
	// many as it has living ones.
	wastedObjects = 1 << 20
	// settledAge is how long a directory must have been left alone before its mtime
	// stands for its content: file systems stamp changes with a coarse clock.
	settledAge = 2 * time.Second
)

// RebuildResult says what [Store.Rebuild] found.
type RebuildResult struct {
	Packs   int // whose contents the catalog now has
	Objects int
	Damaged []error // one for each pack whose table of contents could not be read
}

// Rebuild makes the catalog anew from the packs' tables of contents. progress, if
// not nil, is told how many of how many packs are done.
func (s *Store) Rebuild(ctx context.Context, progress func(done, total int)) (RebuildResult, error) {
	if s.catalog == nil {
		return RebuildResult{}, ErrNoCatalog
	}
	if err := s.catalog.clear(); err != nil {
		return RebuildResult{}, fmt.Errorf("rebuild catalog: %w", err)
	}
	result, err := s.catchUp(ctx, progress)
	s.catalog.persist()
	if err != nil {
		return result, fmt.Errorf("rebuild catalog: %w", err)
	}
	return result, nil
}

// DropCatalogClaims makes the catalog forget all packs that no longer exist. It is
// called when a commit found that a pack relied on is gone.
func (w *Writer) DropCatalogClaims() error {
	s := w.store
	if s.catalog == nil {
		return nil
	}
	ids, err := s.PackIDs()
	if err != nil {
		return fmt.Errorf("drop claims of the catalog: %w", err)
	}
	present := make(map[PackID]bool, len(ids))
	for _, id := range ids {
		present[id] = true
	}
	var gone []PackID
	state, ok := s.catalog.state()
	for id := range state.packs {
		if !present[id] {
			gone = append(gone, id)
		}
	}
	if !ok || !s.catalog.drop(gone) {
		return fmt.Errorf("drop claims of the catalog: %w", ErrCatalogBusy)
	}
	return nil
}

// difference is how the packs that there are differ from those the catalog knows.
type difference struct {
	unknown []PackID
	gone    []PackID
	dirs    map[byte]uint64 // directories to settle once their unknown packs are known
}

// catchUp tells the catalog of packs that it has not seen, and of those that are
// gone. What it did before an error stays.
func (s *Store) catchUp(ctx context.Context, progress func(done, total int)) (RebuildResult, error) {
	state, ok := s.catalog.state()
	if !ok {
		return RebuildResult{}, ErrCatalogBusy
	}
	if state.dropped > state.objects+wastedObjects {
		if err := s.catalog.clear(); err != nil {
			return RebuildResult{}, err
		}
		state = catalogState{}
	}
	diff, err := s.compare(ctx, state)
	if err != nil {
		return RebuildResult{}, err
	}
	if !s.catalog.drop(diff.gone) {
		return RebuildResult{}, ErrCatalogBusy
	}
	result, err := s.learn(ctx, diff.unknown, progress)
	if err != nil {
		return result, err
	}
	if !s.catalog.settle(diff.dirs) {
		return result, ErrCatalogBusy
	}
	return result, nil
}

// compare lists the directories that changed since all of their packs were known.
func (s *Store) compare(ctx context.Context, state catalogState) (difference, error) {
	diff := difference{dirs: map[byte]uint64{}}
	listed := map[byte]bool{}
	present := map[PackID]bool{}
	for i := range 256 {
		first := byte(i)
		if err := ctx.Err(); err != nil {
			return diff, err
		}
		stat, err := s.cfg.FS.Lstat(packDir(first))
		if errors.Is(err, fs.ErrNotExist) {
			listed[first] = true
			continue
		}
		if err != nil {
			return diff, err
		}
		mtime := stat.ModTime()
		if seen, ok := state.dirs[first]; ok && seen == uint64(mtime.UnixNano()) {
			continue
		}
		ids, err := listPacks(s.cfg.FS, first)
		if err != nil {
			return diff, err
		}
		listed[first] = true
		for _, id := range ids {
			present[id] = true
			if !state.packs[id] {
				diff.unknown = append(diff.unknown, id)
			}
		}
		if time.Since(mtime) > settledAge {
			diff.dirs[first] = uint64(mtime.UnixNano())
		}
	}
	for id := range state.packs {
		if listed[id[0]] && !present[id] {
			diff.gone = append(diff.gone, id)
		}
	}
	return diff, nil
}

// learn reads the tables of contents of packs and tells the catalog, in batches.
func (s *Store) learn(ctx context.Context, packs []PackID, progress func(done, total int)) (RebuildResult, error) {
	var result RebuildResult
	var batch []packClaims
	objects := 0
	flush := func() error {
		if len(batch) > 0 && !s.catalog.add(batch) {
			return ErrCatalogBusy
		}
		result.Packs += len(batch)
		result.Objects += objects
		batch, objects = nil, 0
		return nil
	}
	for i, id := range packs {
		if err := ctx.Err(); err != nil {
			return result, errors.Join(err, flush())
		}
		claims, err := s.claimsOf(id)
		var corrupt *CorruptError
		switch {
		case err == nil:
			batch = append(batch, claims)
			objects += len(claims.keys)
		case errors.As(err, &corrupt) || fromFuture(err):
			result.Damaged = append(result.Damaged, err)
		case errors.Is(err, fs.ErrNotExist): // gone since it was listed
		default:
			return result, errors.Join(err, flush())
		}
		if objects >= batchObjects {
			if err := flush(); err != nil {
				return result, err
			}
		}
		if progress != nil {
			progress(i+1, len(packs))
		}
	}
	return result, flush()
}

func (s *Store) claimsOf(id PackID) (packClaims, error) {
	p, err := s.readPack(id)
	if err != nil {
		return packClaims{}, err
	}
	claims := packClaims{pack: id, size: p.Size, keys: make([]objectKey, 0, p.Objects)}
	for e := range p.Entries() {
		claims.keys = append(claims.keys, objectKey{e.ID, e.Kind})
	}
	return claims, nil
}
