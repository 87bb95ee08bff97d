package chunkstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// proveAtOnce is how many bytes of frames are read at once, in bytes; a longer frame is
// read alone.
const proveAtOnce = 2 << 20

// ProveOptions tunes [Store.ProvePack]. The functions may be nil.
type ProveOptions struct {
	Workers int                                    // frames decoded at once; zero means one
	Wait    func(ctx context.Context, n int) error // is asked before n bytes are read
	Done    func(stored, plain int)                // is told of each frame that was read; called by many goroutines
	Bad     func(BadFrame)                         // is told of each frame that is not good, by one goroutine at a time
}

// A BadFrame is a frame that does not give the object that the table of contents says.
type BadFrame struct {
	Entry
	// Err is a [*CorruptError] if the bytes are wrong, and a [*FlickerError] if they were
	// wrong at first, and right when they were read again. Anything else is trouble that
	// says nothing about them.
	Err   error
	Twice bool // it was read again, and the same bytes came
}

// A FlickerError reports bytes that came out wrong, and right when they were read again:
// something between the disk and this program is not to be trusted.
type FlickerError struct{ Cause error }

func (e *FlickerError) Error() string {
	return fmt.Sprintf("read wrong at first, and right the second time: %v", e.Cause)
}

func (e *FlickerError) Unwrap() error { return e.Cause }

// ProvePack reads every frame of a sealed pack once, in the order of the file, decodes
// it and holds the content against its name. What is not good is read again. Frames that
// are bad do not end it; a pack of which the header, the length or the table of contents
// is wrong does, with a [*CorruptError], and one that is gone with fs.ErrNotExist.
func (s *Store) ProvePack(ctx context.Context, id PackID, opts ProveOptions) error {
	p, err := openPack(s.cfg.FS, id)
	if err != nil {
		return err
	}
	defer func() { _ = p.close() }() // it was only read
	entries := make([]Entry, p.contents.len())
	for i := range entries {
		entries[i] = p.contents.at(i)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Offset, b.Offset) })
	at := int64(packHeaderLen)
	for _, e := range entries {
		if e.Offset != at { // frames overlap, and so there is a gap
			return p.corrupt(id, at, errPackLength)
		}
		at += int64(e.Stored)
	}
	return (&packProof{store: s, pack: p, opts: opts}).run(ctx, entries)
}

// packProof is one pack being proven.
type packProof struct {
	store *Store
	pack  *packFile
	opts  ProveOptions

	buffers sync.Pool
	mu      sync.Mutex // of Bad
}

// run reads ahead of the workers, a few frames at a time.
func (p *packProof) run(ctx context.Context, entries []Entry) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(p.opts.Workers, 1))
	for len(entries) > 0 && gctx.Err() == nil {
		n, length := 1, entries[0].Stored
		for n < len(entries) && length+entries[n].Stored <= proveAtOnce {
			length += entries[n].Stored
			n++
		}
		if p.opts.Wait != nil {
			if err := p.opts.Wait(gctx, length); err != nil {
				break
			}
		}
		batch := entries[:n]
		entries = entries[n:]
		buf, _ := p.buffers.Get().(*[]byte)
		if buf == nil {
			buf = new([]byte)
		}
		*buf = sized(*buf, length)
		read := p.pack.read(p.pack.info.ID, *buf, batch[0].Offset) == nil // else one by one: which of them it is, that tells
		g.Go(func() error {
			c := p.store.coders.take()
			defer p.store.coders.give(c)
			from := 0
			for _, e := range batch {
				var frame []byte
				if read {
					frame = (*buf)[from : from+e.Stored]
				}
				from += e.Stored
				p.prove(c, e, frame)
			}
			p.buffers.Put(buf)
			return gctx.Err()
		})
	}
	return errors.Join(g.Wait(), ctx.Err())
}

// prove checks one frame, of which the bytes were read unless they are nil.
func (p *packProof) prove(c *coder, e Entry, frame []byte) {
	var first error
	if frame != nil {
		if first = p.store.checkFrame(p.pack, c, e, frame); first == nil {
			p.done(e)
			return
		}
	}
	again := make([]byte, e.Stored)
	err := p.pack.read(p.pack.info.ID, again, e.Offset)
	if err == nil {
		err = p.store.checkFrame(p.pack, c, e, again)
	}
	if err == nil {
		if first != nil {
			p.bad(BadFrame{Entry: e, Err: &FlickerError{Cause: first}})
		}
		p.done(e)
		return
	}
	p.bad(BadFrame{Entry: e, Err: err, Twice: frame != nil && bytes.Equal(frame, again)})
}

func (p *packProof) done(e Entry) {
	if p.opts.Done != nil {
		p.opts.Done(e.Stored, e.Plain)
	}
}

func (p *packProof) bad(b BadFrame) {
	if p.opts.Bad == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opts.Bad(b)
}

// checkFrame decodes the frame of an object and holds its content against its name.
func (s *Store) checkFrame(p *packFile, c *coder, e Entry, frame []byte) error {
	if !s.possible(e) {
		return p.corruptObject(e, errTableRow)
	}
	c.plain = sized(c.plain, e.Plain)
	if err := p.decodeObject(c, e, frame, c.plain); err != nil {
		return err
	}
	if s.cfg.Hasher.name(e.Kind, c.plain) != e.ID {
		return p.corruptObject(e, errWrongContent)
	}
	return nil
}
