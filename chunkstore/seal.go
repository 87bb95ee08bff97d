package chunkstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"varve/internal/durable"
)

// filling is a pack that takes frames: a temporary file in the directory where the
// sealed pack will be.
type filling struct {
	info PackInfo
	temp string
	file durable.File

	writes sync.WaitGroup // into the room reserved

	// Guarded by the Writer's mutex until the pack is full.
	size    int64
	entries []Entry
}

// room is a frame's place in the pack being filled.
type room struct {
	pack   *filling // nil: none needed, put says where the object is
	offset int64
	last   bool // the pack is full: whoever got this room seals it
	put    Put
}

// append adds a frame to the pack being filled, unless another goroutine has put
// the same object meanwhile. Room is reserved under the mutex; the bytes are
// written outside of it.
func (w *Writer) append(ctx context.Context, key objectKey, frame []byte, plain int) (Put, error) {
	r, err := w.reserve(key, len(frame), plain)
	if r.pack == nil {
		return r.put, err
	}
	if _, err := r.pack.file.WriteAt(frame, r.offset); err != nil {
		w.fail(fmt.Errorf("write pack %s: %w", r.pack.info.ID, err))
	}
	w.pending.Add(-int64(len(frame)))
	r.pack.writes.Done()
	if r.last {
		w.seal(r.pack)
	}
	if err := w.failure(ctx); err != nil {
		return Put{}, err
	}
	return r.put, nil
}

func (w *Writer) reserve(key objectKey, length, plain int) (room, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return room{}, ErrClosed
	case w.err != nil:
		return room{}, w.err
	}
	if pack, ok := w.unsealed[key]; ok {
		return room{put: Put{Ref: Ref{key.id, pack}, Found: true}}, nil
	}
	if err := w.askForRoom(int64(length)); err != nil {
		return room{}, err
	}
	if w.filling == nil {
		f, err := w.begin()
		if err != nil {
			w.err = fmt.Errorf("begin a pack: %w", err)
			return room{}, w.err
		}
		w.filling = f
	}
	f := w.filling
	r := room{pack: f, offset: f.size, put: Put{Ref: Ref{key.id, f.info.ID}, Stored: int64(length)}}
	f.size += int64(length)
	f.entries = append(f.entries, Entry{ID: key.id, Kind: key.kind, Offset: r.offset, Stored: length, Plain: plain})
	f.writes.Add(1)
	w.pending.Add(int64(length) + tableRowLen)
	w.unsealed[key] = f.info.ID
	if f.size >= w.cfg.PackSize || len(f.entries) >= maxPackObjects {
		r.last = true
		w.filling = nil
	}
	return r, nil
}

// askForRoom tells why a frame of that length may not be written. It is no failure of
// the Writer: the packs that are full are good, and the next run goes on with them.
// w.mu is held.
func (w *Writer) askForRoom(length int64) error {
	if w.unasked += length; w.cfg.Room == nil || w.filling != nil && w.unasked < RoomStep {
		return nil
	}
	if err := w.cfg.Room(w.pending.Load() + length); err != nil {
		w.unasked = RoomStep // so that the next one asks too
		return err
	}
	w.unasked = 0
	return nil
}

// begin makes a new pack. w.mu is held.
func (w *Writer) begin() (*filling, error) {
	f := &filling{info: PackInfo{
		Run: w.cfg.Run, Repository: w.store.cfg.Repository, Encoder: encoderVersion,
	}}
	rand.Read(f.info.ID[:]) // never fails, as the package promises
	f.temp = w.cfg.Temps.In(packDir(f.info.ID[0]))
	var err error
	if f.file, err = w.store.cfg.FS.Create(f.temp); err != nil {
		return nil, err
	}
	w.open[f] = true
	header := appendPackHeader(nil, f.info)
	if _, err := f.file.WriteAt(header, 0); err != nil {
		return nil, err
	}
	f.size = int64(len(header))
	return f, nil
}

// seal finishes a pack in the background. It waits while too many are being
// sealed, which is what holds a run back to the speed of the disk.
func (w *Writer) seal(f *filling) {
	w.slots <- struct{}{}
	w.sealing.Go(func() {
		defer func() { <-w.slots }()
		f.writes.Wait()
		if w.broken() {
			return // Close removes it
		}
		err := f.finish(w.store.cfg.FS)
		if err != nil {
			w.fail(fmt.Errorf("seal pack %s: %w", f.info.ID, err))
			return
		}
		w.pending.Add(-tableRowLen * int64(len(f.entries)))
		w.sealed(f)
	})
}

// finish makes a pack whole, durable and visible, in this order. A sync that
// failed is not tried again: what it left is unknown, and Close removes it.
func (f *filling) finish(fsys durable.FS) error {
	tail := appendContents(nil, f.entries)
	footer := packFooter{
		tableOffset: f.size, tableLen: int64(len(tail)),
		tableSum:  binary.LittleEndian.Uint64(tail[len(tail)-checksumLen:]),
		headerSum: checksum(appendPackHeader(nil, f.info)[:packHeaderLen-checksumLen]),
		fileLen:   f.size + int64(len(tail)) + footerLen,
	}
	if _, err := f.file.WriteAt(footer.append(tail), f.size); err != nil {
		return err
	}
	f.size = footer.fileLen
	if err := f.file.Sync(); err != nil {
		return err
	}
	file := f.file
	f.file = nil // closed, whatever Close says
	if err := file.Close(); err != nil {
		return err
	}
	return fsys.RenameNew(f.temp, PackName(f.info.ID))
}

// sealed lets others know of a pack: the catalog first, so that its objects are
// found without interruption.
func (w *Writer) sealed(f *filling) {
	claims := packClaims{pack: f.info.ID, size: f.size, keys: make([]objectKey, len(f.entries))}
	for i, e := range f.entries {
		claims.keys[i] = objectKey{e.ID, e.Kind}
	}
	w.store.catalog.add([]packClaims{claims})

	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range claims.keys {
		delete(w.unsealed, key)
	}
	delete(w.open, f)
	w.own[f.info.ID] = true
	w.rely(f.info.ID)
}

// rely notes that the run's revision will name objects in a pack. w.mu is held.
func (w *Writer) rely(pack PackID) {
	if !w.relied[pack] {
		w.relied[pack] = true
		w.unsynced[pack[0]] = true
	}
}

// discard removes a pack that will not be sealed.
func (f *filling) discard(fsys durable.FS) error {
	var err error
	if f.file != nil {
		err = f.file.Close()
	}
	if rerr := fsys.Remove(f.temp); !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}
