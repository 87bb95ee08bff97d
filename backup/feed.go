package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"varve/revision"
	"varve/volume"
)

// ErrEmptyStream reports a stream without a single byte, as a pipe gives whose other
// end failed.
var ErrEmptyStream = errors.New("nothing came: the stream was empty")

// A StreamSizeError reports a stream that is not as long as it was to be: perhaps
// what wrote it failed halfway.
type StreamSizeError struct{ Got, Want int64 }

func (e *StreamSizeError) Error() string {
	return fmt.Sprintf("the stream was %d bytes long, and was to be %d", e.Got, e.Want)
}

// feed gives the chunks of a [volume.Sequence] to workers, who ask in any order: each
// waits until it is its chunk's turn. Every chunk has to be asked for, once.
type feed struct {
	from      volume.Sequence
	chunkSize int64

	mu   sync.Mutex
	turn *sync.Cond
	next uint64
	size int64 // read so far
	over bool  // and that is all
	err  error
	head []byte // the beginning, which tells a format
}

func newFeed(from volume.Sequence, chunkSize int64) *feed {
	f := &feed{from: from, chunkSize: chunkSize}
	f.turn = sync.NewCond(&f.mu)
	return f
}

// read fills buf with a chunk and returns how much there was of it: less where the
// sequence ends, and nothing behind that.
func (f *feed) read(ctx context.Context, index uint64, buf []byte) (int, error) {
	wake := context.AfterFunc(ctx, f.turn.Broadcast)
	defer wake()
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.next != index && f.err == nil && ctx.Err() == nil {
		f.turn.Wait()
	}
	defer f.turn.Broadcast()
	if f.err == nil {
		f.err = ctx.Err()
	}
	if f.err != nil {
		return 0, f.err
	}
	f.next++
	if f.over {
		return 0, nil
	}
	n, err := f.from.Next(ctx, buf)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.over = true
	case err != nil:
		f.err = err
		return 0, err
	}
	if index == 0 {
		f.head = bytes.Clone(buf[:n])
	}
	f.size += int64(n)
	return n, nil
}

// sizeBefore is the size to go on with once all chunks of some regions were read:
// that of the volume, if it has ended, or one that makes another region of it.
func (f *feed) sizeBefore(region uint64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return f.size
	}
	return int64(region+1) * revision.RegionChunks * f.chunkSize
}

// checkStream refuses what is not all of a stream, once it was read.
func (c *creation) checkStream() error {
	switch {
	case c.feed == nil:
		return nil
	case c.geo.size == 0:
		return ErrEmptyStream
	case c.opts.StreamSize > 0 && c.geo.size != c.opts.StreamSize:
		return &StreamSizeError{Got: c.geo.size, Want: c.opts.StreamSize}
	}
	return c.warnOfFormat(bytes.NewReader(c.feed.head), int64(len(c.feed.head)))
}
