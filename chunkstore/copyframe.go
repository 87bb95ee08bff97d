package chunkstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// Copy takes an object over from a sealed pack into the pack being filled, bit for
// bit, once its frame was decoded and has the content that its name says. Damage of
// the frame is a [*CorruptError], and does not hurt the Writer.
func (w *Writer) Copy(ctx context.Context, from PackID, e Entry) (Put, error) {
	if err := w.failure(ctx); err != nil {
		return Put{}, err
	}
	c := w.store.coders.take()
	defer w.store.coders.give(c)
	put, err := w.copyFrame(ctx, c, from, e)
	if err != nil {
		return Put{}, fmt.Errorf("copy %s %s: %w", e.Kind, e.ID, err)
	}
	return put, nil
}

func (w *Writer) copyFrame(ctx context.Context, c *coder, from PackID, e Entry) (Put, error) {
	p, err := w.packs.acquire(from)
	if err != nil {
		return Put{}, err
	}
	defer w.packs.release(p)
	if err := w.store.verify(p.file, c, e); err != nil {
		return Put{}, err
	}
	return w.append(ctx, objectKey{e.ID, e.Kind}, c.frame, e.Plain)
}

// verify reads a frame into c.frame, decodes it and holds the content against its name.
func (s *Store) verify(p *packFile, c *coder, e Entry) error {
	c.frame = sized(c.frame, e.Stored)
	if err := p.read(p.info.ID, c.frame, e.Offset); err != nil {
		return err
	}
	return s.checkFrame(p, c, e, c.frame)
}

// CheckObjects makes sure that a sealed pack has good copies of objects, of which the
// entries say id and kind: its table of contents, read now, lists them, and each is
// decoded and held against its name. Bad is told of each that is not there
// ([ErrNotFound]), is damaged or cannot be read; of the pack itself, the error tells.
func (s *Store) CheckObjects(ctx context.Context, pack PackID, objects []Entry, bad func(Entry, error)) error {
	p, err := openPack(s.cfg.FS, pack)
	if err != nil {
		return err
	}
	defer func() { _ = p.close() }() // it was only read
	c := s.coders.take()
	defer s.coders.give(c)
	for _, o := range objects {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, found := p.contents.find(objectKey{o.ID, o.Kind})
		if !found {
			bad(o, ErrNotFound)
			continue
		}
		if err := s.verify(p, c, e); err != nil {
			bad(o, err)
		}
	}
	return nil
}

// Withdraw removes the packs that this Writer sealed: nobody relies on those of an
// unfinished run. It is for after Close.
func (w *Writer) Withdraw() error {
	var errs []error
	own := slices.Collect(maps.Keys(w.own))
	for _, id := range own {
		if err := w.store.cfg.FS.Remove(PackName(id)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	w.store.catalog.drop(own)
	return errors.Join(errs...)
}

// ForgetPacks tells the catalog of this host of packs that are gone.
func (s *Store) ForgetPacks(packs []PackID) { s.catalog.drop(packs) }

// Err tells why nothing more can be put, or nil.
func (w *Writer) Err() error { return w.failure(context.Background()) }
