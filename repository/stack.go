package repository

import (
	"context"

	"varve/chunkstore"
)

// fullStack is the number of patches up to which another one is put on a chunk.
// Each costs every later read of the chunk one more object, and saves, against
// storing the chunk anew, most of a chunk.
const fullStack = 8

// TakesPatch tells whether a patch of so many blocks may be put on a stack of the
// image: not on a high one, not of more than three quarters of the chunk, and not if the
// patches would outweigh it.
func (im *Image) TakesPatch(ctx context.Context, s chunkstore.Stack, blocks int) (bool, error) {
	chunkSize := int64(im.ChunkSize())
	if blocks == 0 || len(s.Patches) >= fullStack || s.Base.ID.IsZero() || int64(blocks)*chunkstore.BlockSize*4 > chunkSize*3 {
		return false, nil
	}
	base, patches, err := im.StoredSize(ctx, s)
	if err != nil {
		return false, err
	}
	// The new patch is likely to shrink as its base did.
	expected := int64(blocks) * chunkstore.BlockSize * base / chunkSize
	return patches+expected <= base, nil
}
