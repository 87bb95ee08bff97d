package filecopy

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"varve/internal/durable"
	"varve/loopmount"
)

// piece is how much is read at once.
const piece = 1 << 20

// content copies a regular file. Holes stay holes. One that cannot be read or written to its end is not made.
func (c *copier) content(ctx context.Context, n *loopmount.Node, to *durable.Dir, name string) (made bool, err error) {
	from, err := n.Open()
	if err != nil {
		c.unreadable(n.Path, err)
		return false, nil
	}
	defer func() { _ = from.Close() }() // it was only read
	out, err := to.Create(name)
	if err != nil {
		return false, err
	}
	written, failure := c.pieces(ctx, from, out, n)
	if err := out.Close(); err != nil && failure == nil {
		failure = &fatalError{err}
	}
	if failure == nil {
		c.report.Bytes += written
		return true, nil
	}
	c.opts.Meter.Bytes.Add(-written)
	var unreadable *loopmount.PathError
	if errors.As(failure, &unreadable) {
		c.unreadable(n.Path, failure)
		failure = nil
	}
	if err := to.RemoveAll(name); err != nil {
		return false, errors.Join(failure, &fatalError{err})
	}
	return false, failure
}

// pieces copies what holds data. An error of reading is a [*loopmount.PathError].
func (c *copier) pieces(ctx context.Context, from, to *os.File, n *loopmount.Node) (written int64, err error) {
	if c.buf == nil {
		c.buf = make([]byte, piece)
	}
	unreadable := func(err error) error { return &loopmount.PathError{Path: n.Path, Op: "read", Err: cause(err)} }
	for off := int64(0); off < n.Size; {
		begin, end, err := data(from, off, n.Size)
		if err != nil {
			return written, unreadable(err)
		}
		for off = begin; off < end; {
			if ctx.Err() != nil {
				return written, &fatalError{context.Cause(ctx)}
			}
			p := c.buf[:min(piece, end-off)]
			if got, err := from.ReadAt(p, off); got < len(p) {
				if err == nil || err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return written, unreadable(err)
			}
			if _, err := to.WriteAt(p, off); err != nil {
				return written, err
			}
			off += int64(len(p))
			written += int64(len(p))
			c.opts.Meter.Bytes.Add(int64(len(p)))
		}
	}
	return written, to.Truncate(n.Size)
}

// data is where the next data lie, from an offset on; at the end of the file, if nothing but a hole comes. A file system that
// does not tell its holes has none.
func data(f *os.File, off, size int64) (begin, end int64, err error) {
	begin, err = unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return size, size, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return off, size, nil
	case err != nil:
		return 0, 0, err
	}
	end, err = unix.Seek(int(f.Fd()), begin, unix.SEEK_HOLE)
	if end <= begin { // which is no hole at all
		end = size
	}
	return min(begin, size), min(end, size), err
}
