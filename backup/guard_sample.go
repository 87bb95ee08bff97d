package backup

import (
	"bytes"
	"context"
	"hash/fnv"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// A sample is a block of an image that tells it from other images.
type sample struct {
	offset int64
	data   []byte
}

// Around the place of a sample so many blocks are looked at, so many at once: a segment is decoded whole anyway.
const (
	sampleWindow = 64
	sampleAtOnce = 16
)

// sampleImage takes up to n blocks, spread over all of the image that is not zeros, the same each time. What cannot
// be read is left out. It reads little: one or two segments for each sample, and no more regions than samples.
func sampleImage(ctx context.Context, im *repository.Image, n int) []sample {
	rows, err := im.Regions()
	if err != nil {
		return nil
	}
	var samples []sample
	for i, row := range rows {
		share := (i+1)*n/len(rows) - i*n/len(rows)
		if share == 0 {
			continue
		}
		if ctx.Err() != nil {
			return nil // who asked looks at ctx too
		}
		if chunks, err := im.Chunks(row.Region); err == nil {
			samples = append(samples, sampleChunks(im, chunks, share)...)
		}
	}
	return samples
}

// sampleChunks takes up to n blocks of the chunks: it cuts them into n parts, and looks for one in each.
func sampleChunks(im *repository.Image, chunks []revision.Chunk, n int) (samples []sample) {
	perChunk := im.ChunkSize() / chunkstore.BlockSize
	blocks := len(chunks) * perChunk
	n = min(n, blocks)
	for part := range n {
		first, end := part*blocks/n, (part+1)*blocks/n
		at := first + scatter(chunks[0].Index, part)%(end-first)
		chunk := im.ChunkExtent(chunks[at/perChunk].Index)
		first, end = max(first, at-at%perChunk), min(end, at-at%perChunk+perChunk)
		// Block b of these chunks lies at offset + b blocks of the image.
		offset := chunk.Offset - int64(at-at%perChunk)*chunkstore.BlockSize
		if s, found := findSample(im, offset, chunk.End(), first, at, end); found {
			samples = append(samples, s)
		}
	}
	return samples
}

// findSample looks from block at on, to end and then from first, for one that tells something.
func findSample(im *repository.Image, offset, limit int64, first, at, end int) (sample, bool) {
	looked := 0
	for _, part := range [][2]int{{at, end}, {first, at}} {
		for b := part[0]; b < part[1] && looked < sampleWindow; b += sampleAtOnce {
			from := offset + int64(b)*chunkstore.BlockSize
			to := min(offset+int64(min(b+sampleAtOnce, part[1]))*chunkstore.BlockSize, limit)
			looked += sampleAtOnce
			if from >= to {
				break
			}
			buf := make([]byte, to-from)
			if n, _ := im.ReadAt(buf, from); n < len(buf) {
				continue // damaged; it is found, and told, by who needs it
			}
			for i := 0; i < len(buf); i += chunkstore.BlockSize {
				block := buf[i:min(i+chunkstore.BlockSize, len(buf))]
				if tells(block) {
					return sample{offset: from + int64(i), data: bytes.Clone(block)}, true
				}
			}
		}
	}
	return sample{}, false
}

// tells is false of a block of one byte repeated: any disk may have those.
func tells(block []byte) bool { return !bytes.Equal(block[1:], block[:len(block)-1]) }

// scatter is a number that has no pattern which a file system could share.
func scatter(index uint64, part int) int {
	h := fnv.New64a()
	var key [16]byte
	for i := range 8 {
		key[i], key[8+i] = byte(index>>(8*i)), byte(part>>(8*i))
	}
	_, _ = h.Write(key[:]) // it never fails
	return int(h.Sum64() >> 33)
}
