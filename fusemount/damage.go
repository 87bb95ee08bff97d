package fusemount

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"varve/chunkstore"
	"varve/repository"
)

// failedRead makes an errno of a read that failed, having logged what is lost by it.
func (m *Mounted) failedRead(ctx context.Context, image *repository.Image, off, length int64, err error) syscall.Errno {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return syscall.EINTR
	}
	corrupt := new(chunkstore.CorruptError)
	if piece := new(pieceError); errors.As(err, &piece) {
		off, length = piece.off, piece.length
	}
	if !m.isFirstReport(image, off) {
		return syscall.EIO
	}
	args := []any{"volume", image.Volume().Name, "revision", image.Statement().ID, "offset", off, "length", length, "error", err}
	if !repository.IsDamage(err) {
		m.met(Mishap{Kind: Unreadable, Offset: off, Length: length, Cause: err.Error()})
		m.opts.Log.Warn("bytes of an image cannot be read", args...)
		return syscall.EIO
	}
	m.met(Mishap{Kind: Lost, Offset: off, Length: length, Cause: err.Error()})
	m.opts.Log.Error("bytes of an image are lost", args...)
	if errors.As(err, &corrupt) {
		if rerr := m.repo.RecordDamage(m.ctx, corrupt); rerr != nil && !errors.Is(rerr, repository.ErrReadOnly) && !errors.Is(rerr, fs.ErrPermission) {
			m.opts.Log.Warn("damage could not be noted", "error", rerr)
		}
	}
	return syscall.EIO
}

// isFirstReport tells whether it was not said before that these bytes cannot be read. The kernel
// asks for the same ones again and again.
func (m *Mounted) isFirstReport(image *repository.Image, off int64) bool {
	place := reportedPiece{imageKey{image.Volume().UUID, image.Statement().ID}, off / pieceSize}
	m.reportedMu.Lock()
	defer m.reportedMu.Unlock()
	if m.reported[place] {
		return false
	}
	if len(m.reported) >= maxReported {
		clear(m.reported)
	}
	m.reported[place] = true
	return true
}

// A reportedPiece is a piece of an image that could not be read.
type reportedPiece struct {
	image imageKey
	piece int64
}

// maxReported bounds how many places are remembered to have been told of.
const maxReported = 4096
