package chunkstore

import (
	"context"
	"errors"
	"fmt"
)

var errTooLong = errors.New("it takes more room than it may")

// PutChunkWithin is [Writer.PutChunk] if the chunk takes no more than most bytes of a pack; else
// nothing is stored, and it is not within.
func (w *Writer) PutChunkWithin(ctx context.Context, id ID, plain []byte, most int64) (put Put, within bool, err error) {
	if len(plain) != w.store.cfg.ChunkSize {
		panic("chunkstore: PutChunkWithin of what is no chunk")
	}
	c := w.store.coders.take()
	defer w.store.coders.give(c)
	put, err = w.put(ctx, c, objectKey{id, Chunk}, plain, most)
	return asWithin(put, "store chunk "+id.String(), err)
}

// PutPatchWithin is [Writer.PutPatch] if the patch takes no more than most bytes of a pack; else
// nothing is stored, and it is not within.
func (w *Writer) PutPatchWithin(ctx context.Context, below, result []byte, belowFP, resultFP Fingerprint, most int64) (put Put, within bool, err error) {
	if len(below) != w.store.cfg.ChunkSize || len(result) != w.store.cfg.ChunkSize {
		panic("chunkstore: PutPatchWithin of what is no chunk")
	}
	put, _, err = w.putPatch(ctx, below, result, belowFP, resultFP, most)
	return asWithin(put, "store patch to "+resultFP.String(), err)
}

func asWithin(put Put, what string, err error) (Put, bool, error) {
	switch {
	case errors.Is(err, errTooLong):
		return Put{}, false, nil
	case err != nil:
		return Put{}, false, fmt.Errorf("%s: %w", what, err)
	}
	return put, true, nil
}
