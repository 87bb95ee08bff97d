package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// RestoreOptions tunes [Restore]. The zero value restores everything and fails at
// the first damage.
type RestoreOptions struct {
	Range     *repository.Extent // of the image; nil: all of it
	Shift     int64              // where in the target the image's byte 0 would lie; negative to extract a range
	KeepGoing bool               // restore around damage
	Workers   int                // chunks in flight; zero chooses
	Meter     *Meter             // may be nil
}

// Restored says what a restore did.
type Restored struct {
	Written int64               // bytes of data
	Zeroed  int64               // bytes made zeros
	Same    int64               // bytes that the target held already
	Lost    []repository.Extent // of the image: damaged, and not restored
}

// Restore writes an image, or a range of it, to a target and commits the target.
// It returns nil only after the target is synced and the digest of what was read
// came out right. With KeepGoing, damage is a [*DamageError] after the rest was
// restored and committed.
//
// A target that is not fresh is compared first, and only what differs is written.
func Restore(ctx context.Context, im *repository.Image, target volume.Target, opts RestoreOptions) (*Restored, error) {
	r := &restore{im: im, target: target, opts: opts, fresh: target.Fresh()}
	w := newWalk(im, opts.Range, opts.Workers, opts.Meter, r)
	w.keepGoing = opts.KeepGoing
	err := w.run(ctx)
	damage := new(DamageError)
	if err != nil && !(opts.KeepGoing && errors.As(err, &damage)) {
		return nil, fmt.Errorf("restore revision %s: %w", im.Statement().ID, err)
	}
	if err := target.Commit(ctx); err != nil {
		return nil, fmt.Errorf("restore revision %s: finish the target: %w", im.Statement().ID, err)
	}
	done := &Restored{Written: r.written.Load(), Zeroed: r.zeroed.Load(), Same: r.same.Load(), Lost: damage.Lost}
	return done, err
}

// restore writes what it is given to a target.
type restore struct {
	im     *repository.Image
	target volume.Target
	opts   RestoreOptions
	fresh  bool

	written, zeroed, same atomic.Int64
}

// minHole is the shortest run of zeros that is left out of a fresh file: shorter
// ones would cost more in extents than they save.
const minHole = 64 << 10

func (r *restore) data(_ context.Context, off int64, p []byte) error {
	if r.fresh {
		return r.writeAroundZeros(off, p)
	}
	return r.writeDifferences(off, p)
}

// writeAroundZeros writes to a target that is zeros where nothing is written.
func (r *restore) writeAroundZeros(off int64, p []byte) error {
	for len(p) > 0 {
		n := min(minHole, len(p))
		hole := chunkstore.IsZeros(p[:n])
		for n < len(p) && chunkstore.IsZeros(p[n:min(n+minHole, len(p))]) == hole {
			n = min(n+minHole, len(p))
		}
		if !hole {
			if _, err := r.target.WriteAt(p[:n], off+r.opts.Shift); err != nil {
				return err
			}
			r.written.Add(int64(n))
		} else {
			r.zeroed.Add(int64(n))
		}
		off, p = off+int64(n), p[n:]
	}
	return nil
}

// writeDifferences compares with what the target holds, and writes the blocks that differ.
func (r *restore) writeDifferences(off int64, p []byte) error {
	old := make([]byte, len(p))
	if n, err := r.target.ReadAt(old, off+r.opts.Shift); n < len(old) {
		return fmt.Errorf("compare with the target: %w", err)
	}
	for len(p) > 0 {
		n := min(chunkstore.BlockSize, len(p))
		same := bytes.Equal(p[:n], old[:n])
		for n < len(p) {
			next := min(n+chunkstore.BlockSize, len(p))
			if bytes.Equal(p[n:next], old[n:next]) != same {
				break
			}
			n = next
		}
		if same {
			r.same.Add(int64(n))
		} else {
			if _, err := r.target.WriteAt(p[:n], off+r.opts.Shift); err != nil {
				return err
			}
			r.written.Add(int64(n))
		}
		off, p, old = off+int64(n), p[n:], old[n:]
	}
	return nil
}

// known tells whether the target holds a chunk already: then the repository need
// not be read for it. The content id is compared, as when the chunk is read.
func (r *restore) known(_ context.Context, c revision.Chunk, e repository.Extent, buf []byte) (bool, error) {
	if r.fresh {
		return false, nil
	}
	if n, err := r.target.ReadAt(buf[:e.Length], e.Offset+r.opts.Shift); int64(n) < e.Length {
		return false, fmt.Errorf("compare with the target: %w", err)
	}
	clear(buf[e.Length:])
	if r.im.Hasher().ChunkID(buf) != c.Content {
		return false, nil
	}
	r.same.Add(e.Length)
	return true, nil
}

// zeros makes a range zeros where it is not.
func (r *restore) zeros(ctx context.Context, e repository.Extent) error {
	if r.fresh {
		r.zeroed.Add(e.Length)
		return nil
	}
	buf := make([]byte, r.im.ChunkSize())
	for done := int64(0); done < e.Length; {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buf[:min(int64(len(buf)), e.Length-done)]
		off := e.Offset + done + r.opts.Shift
		if n, err := r.target.ReadAt(part, off); n < len(part) {
			return fmt.Errorf("compare with the target: %w", err)
		}
		if chunkstore.IsZeros(part) {
			r.same.Add(int64(len(part)))
		} else {
			if err := r.target.Zero(off, int64(len(part))); err != nil {
				return err
			}
			r.zeroed.Add(int64(len(part)))
		}
		done += int64(len(part))
	}
	return nil
}
