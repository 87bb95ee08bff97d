package repository

import (
	"context"
	"errors"
	"sync/atomic"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// Reader reads revisions. While it lives, nothing that it may read is unlinked.
// It is safe for concurrent use. Its Images are to be closed before it is.
type Reader struct {
	repo   *Repository
	lease  *lease // nil where none was to be had
	chunks *chunkstore.Reader
	view   atomic.Pointer[chunkstore.View]
	noted  error // why there is no lease
}

// NewReader takes a lease and gives a Reader. Where a lease cannot be had (a
// read-only repository, no permission, no space) the Reader works without one,
// and Unprotected says so. Reads then still find what is there, and fail
// loudly when a collector running at the same moment took something away.
func (r *Repository) NewReader(ctx context.Context) (*Reader, error) {
	rd := &Reader{repo: r}
	l, err := r.bear(ctx, readerGateWait, "", "", false)
	switch {
	case err == nil:
		rd.lease = l
	case ctx.Err() != nil:
		return nil, err
	default:
		rd.noted = err
	}
	if err := rd.open(); err != nil {
		return nil, errors.Join(err, rd.Close())
	}
	return rd, nil
}

// readerOn gives a Reader that lives on somebody else's lease.
func (r *Repository) readerOn(l *lease) (*Reader, error) {
	rd := &Reader{repo: r, lease: l}
	return rd, rd.open()
}

func (rd *Reader) open() error {
	if err := rd.refresh(); err != nil {
		return err
	}
	rd.chunks = rd.repo.store.Reader(rd.currentView)
	return nil
}

// Unprotected tells why the Reader has no lease, or nil if it has one.
func (rd *Reader) Unprotected() error { return rd.noted }

// Close ends the lease. It may be called twice.
func (rd *Reader) Close() error {
	err := rd.closeChunks()
	if rd.lease != nil {
		err = errors.Join(err, rd.lease.bury())
		rd.lease = nil
	}
	return err
}

func (rd *Reader) closeChunks() error {
	if rd.chunks == nil {
		return nil
	}
	err := rd.chunks.Close()
	rd.chunks = nil
	return err
}

// Progress tells those who ask what is running how far the Reader's owner is, as
// [Backup.Progress] does.
func (rd *Reader) Progress(done, total int64) error {
	if rd.lease == nil {
		return nil
	}
	return rd.lease.progress(done, total)
}

// refresh looks again at which packs are condemned and which copies are hurt.
func (rd *Reader) refresh() error {
	g, err := rd.repo.currentGeneration()
	if err != nil {
		return err
	}
	damaged, err := rd.repo.loadDamage()
	if err != nil {
		return err
	}
	rd.view.Store(&chunkstore.View{Condemned: condemnedSet(g), Damaged: damaged, Moved: rd.repo.moved})
	return nil
}

func condemnedSet(g generation) map[chunkstore.PackID]bool {
	set := make(map[chunkstore.PackID]bool, len(g.Condemned))
	for pack := range g.Condemned {
		set[pack] = true
	}
	return set
}

// currentView is what the chunk store asks before it looks for an object.
func (rd *Reader) currentView() chunkstore.View {
	v := *rd.view.Load()
	v.Damaged = rd.repo.damageNow()
	return v
}

// movedRecord is gc/moved/<pack id>: which packs took a compacted pack's frames.
type movedRecord struct {
	To []chunkstore.PackID `json:"to"`
}

func (r *Repository) moved(pack chunkstore.PackID) []chunkstore.PackID {
	var record movedRecord
	file, err := durable.ReadFile(r.fsys, movedName(pack), maxMovedFile)
	if err != nil || unseal(file, &record) != nil {
		return nil // a hint; the catalog and the tables of contents come next
	}
	return record.To
}

// maxMovedFile bounds a record of moves, which is read for every object looked for:
// it has room for 64 packs, and compaction makes one or two of one.
const maxMovedFile = 4 << 10

// chain opens the maps of a revision and of all that it builds on, newest first.
func (rd *Reader) chain(v Volume, id revision.ID) (maps []*mapFile, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(maps))
			maps = nil
		}
	}()
	open := rd.repo.openVisible
	for next := id; next != ""; open = rd.repo.openRevision {
		m, err := open(v, next)
		if err != nil {
			return maps, err
		}
		maps = append(maps, m)
		if len(maps) > 1 {
			if err := revision.CheckLink(maps[len(maps)-2].Statement(), m.Statement()); err != nil {
				return maps, &DamagedFileError{Path: m.name, Cause: err}
			}
		}
		next = ""
		if p := m.Statement().Parent; p != nil {
			next = p.ID
		}
	}
	return maps, nil
}

func closeAll(maps []*mapFile) error {
	var errs []error
	for _, m := range maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
