package chunkstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"varve/internal/durable"
)

// salvageStep is how many bytes are searched at a time for where a frame may begin.
const salvageStep = 256 << 10

// Salvage goes through a file that is, or was, a pack and cannot be opened: its header, its
// table of contents or its footer is damaged, or its end is gone. Use is given each object
// whose frame is whole, decoded and held against its name; plain is its until it returns.
// What use returns ends it. Frames are looked for where the one before ends and, after
// damage, at whatever looks like the beginning of one.
//
// Parts that the disk cannot read are passed over: the error tells of the first, after all
// else was gone through.
func (s *Store) Salvage(ctx context.Context, name string, use func(kind Kind, id ID, plain []byte) error) error {
	f, err := s.cfg.FS.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it is only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	c := s.coders.take()
	defer s.coders.give(c)
	v := &salvage{store: s, coder: c, file: f, size: info.Size()}
	for at := int64(packHeaderLen); at < v.size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		length, h := v.frameAt(at)
		if length == 0 {
			at = v.next(at + 1)
			continue
		}
		if h.id != (ID{}) {
			if err := use(h.kind, h.id, c.plain); err != nil {
				return err
			}
		}
		at += length
	}
	if v.trouble != nil {
		return fmt.Errorf("read %s: %w", name, v.trouble)
	}
	return nil
}

// salvage is a file that is searched for frames.
type salvage struct {
	store   *Store
	coder   *coder
	file    durable.File
	size    int64
	window  []byte
	trouble error // the first failure to read
}

// frameAt decodes the frame at an offset into the coder's plain, and tells how long it is. Of
// one whose head alone is whole, that is all there is to tell; where there is no frame, the
// length is 0.
func (v *salvage) frameAt(at int64) (length int64, h frameHeader) {
	var head [frameHeaderLen]byte
	if !v.read(head[:], at) {
		return 0, h
	}
	said, err := parseFrameHeader(head[:])
	if err != nil || int64(said.rest) > int64(maxStored(int(said.plain))) || at+frameHeaderLen+int64(said.rest) > v.size {
		return 0, h
	}
	c := v.coder
	c.frame = sized(c.frame, frameHeaderLen+int(said.rest))
	if !v.read(c.frame, at) {
		return 0, h
	}
	if _, err := parseFrameHead(c.frame); err != nil {
		return 0, h
	}
	length = int64(len(c.frame))
	c.plain = sized(c.plain, int(said.plain))
	if !v.store.possible(Entry{Kind: said.kind, Plain: int(said.plain)}) {
		return length, h
	}
	if _, err := c.decodeFrame(c.frame, c.plain); err != nil || v.store.cfg.Hasher.name(said.kind, c.plain) != said.id {
		return length, h
	}
	return length, said
}

// next finds where, from an offset on, a frame may begin.
func (v *salvage) next(at int64) int64 {
	magic := []byte(frameMagic)
	for at < v.size {
		v.window = sized(v.window, int(min(salvageStep, v.size-at)))
		if !v.read(v.window, at) {
			at += BlockSize
			continue
		}
		if i := bytes.Index(v.window, magic); i >= 0 {
			return at + int64(i)
		}
		if len(v.window) < salvageStep {
			return v.size
		}
		at += salvageStep - int64(len(magic)) + 1
	}
	return v.size
}

// read fills p, and tells whether it could.
func (v *salvage) read(p []byte, at int64) bool {
	n, err := v.file.ReadAt(p, at)
	if n == len(p) {
		return true
	}
	if v.trouble == nil && err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		v.trouble = err
	}
	return false
}
