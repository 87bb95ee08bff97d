package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// VerifyOptions tunes [Verify]. The zero value reads and checks everything.
type VerifyOptions struct {
	Against volume.Source // compare with this too; nil: with nothing
	SHA256  bool          // also compute the SHA-256 of the whole image
	Workers int           // chunks in flight; zero chooses
	Meter   *Meter        // may be nil
}

// Verified says what Verify found.
type Verified struct {
	Bytes       int64 // of chunks, read and checked
	SHA256      string
	Lost        []repository.Extent // damaged
	Differing   []repository.Extent // of the source, in whole blocks
	SourceSize  int64               // in bytes; 0 without a source
	Consistency volume.Consistency  // of the source, as it was read; empty without one
	Reason      string
}

// Verify reads every byte of an image and checks it; it writes nothing. Damage is
// a [*DamageError], a source that differs a [*DifferenceError]; both come with
// what was found, after everything was read.
func Verify(ctx context.Context, im *repository.Image, opts VerifyOptions) (_ *Verified, err error) {
	var result Verified
	v := &verification{im: im}
	if opts.Against != nil {
		if v.source, err = v.snapshot(ctx, opts.Against); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, v.source.Close()) }()
		v.size = v.source.Size()
	}
	w := newWalk(im, nil, opts.Workers, opts.Meter, v)
	w.keepGoing = true
	err = w.run(ctx)
	damage := new(DamageError)
	if err != nil && !errors.As(err, &damage) {
		return nil, fmt.Errorf("verify revision %s: %w", im.Statement().ID, err)
	}
	result.SourceSize = v.size
	result.Bytes, result.Lost = w.meter.Read.Load(), damage.Lost
	if opts.Against != nil {
		result.Differing = v.differences()
		var cerr error
		if result.Consistency, result.Reason, cerr = v.source.Consistency(); cerr != nil {
			return nil, cerr
		}
	}
	if err == nil && opts.SHA256 {
		if result.SHA256, err = sumSHA256(ctx, im, opts); err != nil {
			return nil, err
		}
	}
	if err == nil && len(result.Differing) > 0 {
		err = &DifferenceError{Differing: result.Differing}
	}
	return &result, err
}

// sumSHA256 computes the checksum that sha256sum gives for the restored image.
func sumSHA256(ctx context.Context, im *repository.Image, opts VerifyOptions) (string, error) {
	sum := sha256.New()
	if err := Stream(ctx, im, sum, StreamOptions{Workers: opts.Workers}); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// verification compares what it is given with a source, if there is one.
type verification struct {
	im     *repository.Image
	source volume.Snapshot // nil: nothing to compare with
	size   int64           // of the source

	mu   sync.Mutex
	diff []repository.Extent
}

// snapshot takes the snapshot of a source that goes when it was read. Where it can bear a name, that says who reads it.
func (v *verification) snapshot(ctx context.Context, src volume.Source) (volume.Snapshot, error) {
	if keeper, can := src.(volume.Keeper); can {
		return keeper.SnapshotFor(ctx, volume.Label{Repository: v.im.Repository().String(), Volume: v.im.Volume().UUID.String()})
	}
	return src.Snapshot(ctx)
}

func (v *verification) known(context.Context, revision.Chunk, repository.Extent, []byte) (bool, error) {
	return false, nil
}

func (v *verification) data(_ context.Context, off int64, p []byte) error {
	if v.source == nil {
		return nil
	}
	there, err := v.read(off, int64(len(p)))
	if err != nil {
		return err
	}
	var diff []repository.Extent // touching blocks as one: many chunks may differ
	for at := 0; at < len(p); at += chunkstore.BlockSize {
		end := min(at+chunkstore.BlockSize, len(p))
		if end <= len(there) && bytes.Equal(p[at:end], there[at:end]) {
			continue
		}
		e := repository.Extent{Offset: off + int64(at), Length: int64(end - at)}
		if n := len(diff); n > 0 && diff[n-1].End() == e.Offset {
			diff[n-1].Length += e.Length
		} else {
			diff = append(diff, e)
		}
	}
	v.differs(diff...)
	return nil
}

func (v *verification) zeros(ctx context.Context, e repository.Extent) error {
	if v.source == nil {
		return nil
	}
	zero := make([]byte, v.im.ChunkSize())
	for done := int64(0); done < e.Length; done += int64(len(zero)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := v.data(ctx, e.Offset+done, zero[:min(int64(len(zero)), e.Length-done)]); err != nil {
			return err
		}
	}
	return nil
}

// read reads the source, as far as it goes.
func (v *verification) read(off, length int64) ([]byte, error) {
	p := make([]byte, max(0, min(length, v.size-off)))
	if n, err := v.source.ReadAt(p, off); n < len(p) {
		return nil, err
	}
	return p, nil
}

func (v *verification) differs(diff ...repository.Extent) {
	if len(diff) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.diff = append(v.diff, diff...)
}

// differences gives the ranges that differ; what only the source has differs too.
func (v *verification) differences() []repository.Extent {
	if v.size > v.im.Size() {
		v.differs(repository.Extent{Offset: v.im.Size(), Length: v.size - v.im.Size()})
	}
	return repository.JoinExtents(v.diff)
}
