package filevolume

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"varve/volume"
)

// deviceTarget is a block device, written in place and past the page cache: what is compared is what the storage
// holds, and a write that fails says so at once and where.
type deviceTarget struct {
	name     string
	size     int64
	geometry geometry
	direct   *directFile
}

var (
	_ volume.Target = (*deviceTarget)(nil)
	_ volume.Larger = (*deviceTarget)(nil)
)

func openDeviceTarget(path string, size int64, opts TargetOptions) (*deviceTarget, error) {
	flags := os.O_RDWR
	if !opts.EvenInUse {
		flags |= unix.O_EXCL // nobody can mount or hold it while we write
	}
	direct, geometry, err := openDirect(path, flags)
	if errors.Is(err, unix.EBUSY) {
		return nil, &volume.InUseError{Target: path, Uses: []volume.Use{{Kind: volume.Held}}}
	}
	if err != nil {
		return nil, err
	}
	if need := opts.end(size); geometry.size < need {
		err := &volume.SizeError{Target: path, Have: geometry.size, Need: need, Part: opts.Range != (volume.Extent{})}
		return nil, errors.Join(err, direct.f.Close())
	}
	return &deviceTarget{name: path, size: size, geometry: geometry, direct: direct}, nil
}

// Size implements [volume.Target].
func (t *deviceTarget) Size() int64 { return t.size }

// Surplus implements [volume.Larger].
func (t *deviceTarget) Surplus() int64 { return max(0, t.geometry.size-t.size) }

// Fresh implements [volume.Target].
func (t *deviceTarget) Fresh() bool { return false }

// ReadAt implements [volume.Target].
func (t *deviceTarget) ReadAt(p []byte, off int64) (int, error) {
	return readFixed(t.name, t.size, t.direct, p, off)
}

// WriteAt implements [volume.Target].
func (t *deviceTarget) WriteAt(p []byte, off int64) (int, error) {
	if err := checkRange(t.name, t.size, off, int64(len(p))); err != nil {
		return 0, err
	}
	n, err := t.direct.WriteAt(p, off)
	if err != nil {
		return n, &volume.WriteError{Volume: t.name, Offset: off + int64(n), Err: err}
	}
	return n, nil
}

// zeroAtOnce bounds one request to the kernel, so that an error has a place.
const zeroAtOnce = 1 << 30

// Zero implements [volume.Target]. ZERO_RANGE lets the device make zeros its own way, or else the kernel write them.
// It never discards, which promises nothing of what is read afterwards.
func (t *deviceTarget) Zero(off, n int64) error {
	if err := checkRange(t.name, t.size, off, n); err != nil {
		return err
	}
	end := off + n
	first, last := t.direct.down(off+t.geometry.block-1), t.direct.down(end)
	if first >= last {
		return t.writeZeros(off, n)
	}
	if err := t.writeZeros(off, first-off); err != nil {
		return err
	}
	for at := first; at < last; at += zeroAtOnce {
		piece := min(zeroAtOnce, last-at)
		err := fallocate(t.direct.f.Fd(), unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, at, piece)
		if isUnsupported(err) {
			err = t.writeZeros(at, piece)
		} else if err != nil {
			err = &volume.WriteError{Volume: t.name, Offset: at, Err: err}
		}
		if err != nil {
			return err
		}
	}
	return t.writeZeros(last, end-last)
}

func (t *deviceTarget) writeZeros(off, n int64) error {
	if n == 0 {
		return nil
	}
	done, err := writeZeros(t.direct.WriteAt, off, n)
	if err != nil {
		return &volume.WriteError{Volume: t.name, Offset: off + done, Err: err}
	}
	return nil
}

// Commit implements [volume.Target]: the device's own cache is flushed too.
func (t *deviceTarget) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.direct.f.Sync(); err != nil {
		return fmt.Errorf("complete target %q: %w", t.name, err)
	}
	return nil
}

// Close implements [volume.Target].
func (t *deviceTarget) Close() error { return t.direct.f.Close() }
