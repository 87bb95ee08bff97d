package volume

import (
	"context"
	"errors"
	"io"
)

// A Sequence is a Snapshot of unknown size that can be read once, from its beginning to its end. Its Size is
// negative and its ReadAt fails.
type Sequence interface {
	Snapshot
	// Next fills p with the bytes that follow, as [io.ReadFull] does: fewer, with io.ErrUnexpectedEOF, where
	// the sequence ends; none, with io.EOF, behind its end. It is for one goroutine at a time. When the context
	// ends it returns: a read that cannot be called off goes on behind the error, into p, which is lost, and Next
	// must not be called again.
	Next(ctx context.Context, p []byte) (n int, err error)
}

// errSequential reports an attempt to read a stream at a place.
var errSequential = errors.New("a stream is read from its beginning to its end")

// NewStream gives a Source that is read from r, once. If r is an [io.Closer], it is closed to interrupt a read.
func NewStream(r io.Reader, name string) Source { return &stream{r: r, name: name} }

type stream struct {
	r    io.Reader
	name string
	read int64
}

func (s *stream) Describe() Identity { return Identity{Kind: "stream", Path: s.name} }

func (s *stream) Snapshot(context.Context) (Snapshot, error) { return s, nil }

func (s *stream) Size() int64 { return -1 }

func (s *stream) ReadAt([]byte, int64) (int, error) { return 0, errSequential }

// Consistency takes the word of whoever made the stream, and says that it does: nothing can be seen from here.
func (s *stream) Consistency() (Consistency, string, error) { return Still, onTrust, nil }

// onTrust is why a stream is Still.
const onTrust = "on the word of whoever wrote the stream, for what happens at its other end cannot be seen"

func (s *stream) Close() error { return nil }

func (s *stream) Next(ctx context.Context, p []byte) (int, error) {
	var n int
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, err = io.ReadFull(s.r, p)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		if closer, can := s.r.(io.Closer); can {
			_ = closer.Close() // so that the read ends, where it can be made to: of a pipe of a shell it cannot
		}
		return 0, ctx.Err()
	}
	at := s.read
	s.read += int64(n)
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return n, err
	}
	return n, &ReadError{Volume: s.name, Offset: at + int64(n), Err: err}
}
