package chunkstore

import (
	"context"
	"fmt"
	"math"
)

// ReadObject reads one object, from its best copy, and holds it against its name. It is
// appended to nothing: buf is room that may be used for it.
func (r *Reader) ReadObject(ctx context.Context, ref Ref, kind Kind, buf []byte) ([]byte, error) {
	c := r.store.coders.take()
	defer r.store.coders.give(c)
	err := r.readObject(ctx, c, ref, kind, true, func(n int) []byte {
		buf = sized(buf, n)
		return buf
	})
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, ref.ID, err)
	}
	return buf, nil
}

// Finds tells whether the repository has a copy of an object that this run may rely on, and
// relies on it, as a put of the object would.
func (w *Writer) Finds(kind Kind, id ID) bool {
	_, found := w.find(objectKey{id, kind})
	return found
}

// PutObject makes sure that the repository holds an object again, of which the plain bytes
// came from somewhere else: they have to be what its name says.
func (w *Writer) PutObject(ctx context.Context, kind Kind, id ID, plain []byte) (Put, error) {
	c := w.store.coders.take()
	defer w.store.coders.give(c)
	put, err := w.putObject(ctx, c, objectKey{id, kind}, plain)
	if err != nil {
		return Put{}, fmt.Errorf("store %s %s again: %w", kind, id, err)
	}
	return put, nil
}

func (w *Writer) putObject(ctx context.Context, c *coder, key objectKey, plain []byte) (Put, error) {
	if !w.store.possible(Entry{Kind: key.kind, Plain: len(plain)}) || w.store.cfg.Hasher.name(key.kind, plain) != key.id {
		return Put{}, errWrongContent
	}
	if key.kind == Patch {
		if _, err := parsePatchHead(plain, w.store.cfg.ChunkSize, len(plain)); err != nil {
			return Put{}, err
		}
	}
	return w.put(ctx, c, key, plain, math.MaxInt64)
}
