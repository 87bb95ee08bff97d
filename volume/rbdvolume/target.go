//go:build ceph

package rbdvolume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ceph/go-ceph/rados"
	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
)

// TargetOptions says how an image may be written. The zero value makes a new image and refuses all else.
type TargetOptions struct {
	InPlace   bool // an image that exists is opened as it is, to be compared and written in part
	Force     bool // one that exists is written in place, and where there is none, a new one made
	EvenInUse bool // one that is watched or locked may be written all the same
	NoUndo    bool // no snapshot is taken of an image before it is written in place
	// Range is the part of the volume that will be written; zero: all of it. An image in place then keeps its size.
	Range  volume.Extent
	Layout Layout // of a new image
	Now    time.Time
}

// partialSuffix is what a new image is called by until it is complete. Nobody else gives such a name.
const partialSuffix = ".varve-partial"

// Target is an image that is written.
type Target struct {
	cluster Cluster
	at      volume.Image
	size    int64 // of the volume
	has     int64 // of the image
	conn    *connection
	image   *rbd.Image
	fresh   bool
	undo    string // the snapshot that was taken first; empty: none
	guard   guard
	whole   atomic.Bool // Commit succeeded
}

var (
	_ volume.Target   = (*Target)(nil)
	_ volume.Larger   = (*Target)(nil)
	_ volume.Undoable = (*Target)(nil)
)

// OpenTarget opens an image to receive a volume of size bytes, after all checks that can be made before the first write.
//
// A cluster that does not answer in time is a [*volume.NoClusterError]; what was asked of it may come about all the same. Only
// the removal of what a dead run left takes as long as it has to.
//
// It refuses with [volume.ErrExists], [volume.ErrNoTarget], [*volume.InUseError], [*volume.SizeError],
// [*volume.LayoutError], and as [Open] does.
func OpenTarget(ctx context.Context, cluster Cluster, at volume.Image, size int64, opts TargetOptions) (*Target, error) {
	if at.Snapshot != "" {
		return nil, fmt.Errorf("target %s: a snapshot cannot be written", at)
	}
	t := &Target{cluster: cluster, at: at, size: size, has: size}
	t.guard.shut = t.shut
	step := func(do func() error) func() (*Target, error) {
		return func() (*Target, error) {
			err := do()
			if err != nil && t.conn != nil {
				t.conn.close()
			}
			return t, err
		}
	}
	hangUp := func(t *Target) { t.conn.close() }
	exists := false
	_, err := inTime(ctx, cluster, step(func() (err error) {
		if t.conn, err = cluster.dial(at); err == nil {
			exists, err = t.admit(opts)
		}
		return err
	}), hangUp)
	if err == nil && !exists { // to remove what is large may take long: only each operation has its limit
		_, err = abandonable(ctx, step(t.clear), hangUp)
	}
	if err != nil {
		return nil, err
	}
	if _, err = inTime(ctx, cluster, step(func() error { return t.open(exists, opts) }), func(t *Target) { _ = t.Close() }); err != nil {
		return nil, err
	}
	return t, nil
}

// CheckTarget makes the checks of [OpenTarget], and refuses what that would refuse. It changes nothing. Surplus is that of
// a [volume.Larger].
func CheckTarget(ctx context.Context, cluster Cluster, at volume.Image, size int64, opts TargetOptions) (surplus int64, err error) {
	return ask(ctx, cluster, at, func(c *connection) (int64, error) {
		t := &Target{cluster: cluster, at: at, size: size, has: size, conn: c}
		if _, err := t.admit(opts); err != nil {
			return 0, err
		}
		return t.Surplus(), nil
	}, forget)
}

// open opens what was admitted, or makes it.
func (t *Target) open(exists bool, opts TargetOptions) (err error) {
	if !exists {
		return t.make(opts)
	}
	if t.image, err = rbd.OpenImage(t.conn.ioctx, t.at.Name, rbd.NoSnapshot); err != nil {
		return t.conn.explainOpen(errnoOf(err), t.at)
	}
	if err := t.prepare(opts); err != nil {
		return errors.Join(err, errnoOf(t.image.Close()))
	}
	return nil
}

// prepare makes what there is ready to be written in place.
func (t *Target) prepare(opts TargetOptions) error {
	if !opts.NoUndo {
		name := undoPrefix + opts.Now.UTC().Format("20060102T150405Z")
		if _, err := t.image.CreateSnapshot(name); err != nil {
			return t.cluster.explain(errnoOf(err), t.at, "take the snapshot "+name+" of "+t.at.String())
		}
		t.undo = name
	}
	if opts.Range == (volume.Extent{}) && t.has < t.size {
		if err := t.image.Resize(uint64(t.size)); err != nil {
			return t.cluster.explain(errnoOf(err), t.at, "grow "+t.at.String())
		}
		t.has = t.size
	}
	return nil
}

// admit makes the checks, and tells whether the image exists.
func (t *Target) admit(opts TargetOptions) (exists bool, err error) {
	im, err := t.conn.openToRead(t.at)
	missing := new(volume.NoImageError)
	if errors.As(err, &missing) && (missing.Missing == volume.MissingImage || missing.Missing == volume.MissingTrashed) {
		if opts.InPlace {
			return false, fmt.Errorf("target %s: %w", t.at, volume.ErrNoTarget)
		}
		return false, t.admitLayout(opts.Layout)
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, errnoOf(im.Close())) }()
	if !opts.InPlace && !opts.Force {
		return true, fmt.Errorf("target %s: %w", t.at, volume.ErrExists)
	}
	size, err := im.GetSize()
	if err != nil {
		return true, t.cluster.explain(errnoOf(err), t.at, "ask for the size of "+t.at.String())
	}
	t.has = int64(size)
	if end := opts.Range.End(); end > t.has {
		return true, &volume.SizeError{Target: t.at.String(), Have: t.has, Need: end, Part: true}
	}
	if opts.EvenInUse {
		return true, nil
	}
	uses, err := usesOf(im)
	if err != nil {
		return true, t.cluster.explain(errnoOf(err), t.at, "ask who uses "+t.at.String())
	}
	if len(uses) > 0 {
		return true, &volume.InUseError{Target: t.at.String(), Uses: uses}
	}
	return true, nil
}

func (t *Target) admitLayout(l Layout) error {
	if err := l.check(t.at); err != nil {
		return err
	}
	if l.DataPool != "" && !hasPool(t.conn.conn, l.DataPool) {
		return &volume.LayoutError{Image: t.at, Part: volume.LayoutDataPool, Why: fmt.Sprintf("there is no pool %q for its data", l.DataPool)}
	}
	return nil
}

// usesOf tells who watches or locks an image that was opened to be read, and so is not watched by ourselves.
func usesOf(im *rbd.Image) (uses []volume.Use, err error) {
	watchers, err := im.ListWatchers()
	if err != nil {
		return nil, err
	}
	for _, w := range watchers {
		uses = append(uses, volume.Use{Kind: volume.Watched, By: w.Addr, Writing: true})
	}
	_, lockers, err := im.ListLockers()
	if err != nil && !isMissing(errnoOf(err)) {
		return nil, err
	}
	for _, l := range lockers {
		uses = append(uses, volume.Use{Kind: volume.Held, By: l.Client + " at " + l.Addr, Writing: true})
	}
	return uses, nil
}

// make makes a new image, under a name that says that it is not complete.
func (t *Target) make(opts TargetOptions) error {
	partial := t.partial()
	o, err := opts.Layout.options()
	if err != nil {
		return err
	}
	defer o.Destroy()
	if err := rbd.CreateImage(t.conn.ioctx, partial.Name, uint64(t.size), o); err != nil {
		return t.conn.explainMake(errnoOf(err), t.at, opts.Layout)
	}
	if t.image, err = rbd.OpenImage(t.conn.ioctx, partial.Name, rbd.NoSnapshot); err != nil {
		return errors.Join(t.conn.explainOpen(errnoOf(err), partial), errnoOf(rbd.RemoveImage(t.conn.ioctx, partial.Name)))
	}
	t.fresh = true
	return nil
}

// partial is what a new image is until it is complete.
func (t *Target) partial() volume.Image {
	at := t.at
	at.Name += partialSuffix
	return at
}

// clear removes what a run left that was killed. One that is at work is busy.
func (t *Target) clear() error {
	partial := t.partial()
	im, err := rbd.OpenImageReadOnly(t.conn.ioctx, partial.Name, rbd.NoSnapshot)
	if isMissing(errnoOf(err)) {
		return nil
	}
	if err != nil {
		return t.conn.explainOpen(errnoOf(err), partial)
	}
	watchers, err := im.ListWatchers()
	if err = errors.Join(errnoOf(err), errnoOf(im.Close())); err != nil {
		return t.cluster.explain(err, partial, "look who writes "+partial.String())
	}
	if len(watchers) > 0 {
		return fmt.Errorf("target %s: %w", t.at, volume.ErrBusy)
	}
	if err := rbd.RemoveImage(t.conn.ioctx, partial.Name); err != nil {
		return t.cluster.explain(errnoOf(err), partial, "remove "+partial.String()+", which a run that is no more left")
	}
	return nil
}

// Size implements [volume.Target].
func (t *Target) Size() int64 { return t.size }

// Fresh implements [volume.Target].
func (t *Target) Fresh() bool { return t.fresh }

// Surplus implements [volume.Larger].
func (t *Target) Surplus() int64 { return max(t.has-t.size, 0) }

// Undo implements [volume.Undoable].
func (t *Target) Undo() string { return t.undo }

// ReadAt implements [io.ReaderAt].
func (t *Target) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, &volume.ReadError{Volume: t.at.String(), Offset: off, Err: fs.ErrInvalid}
	}
	if off >= t.size {
		return 0, io.EOF
	}
	var end error
	if rest := t.size - off; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	own := make([]byte, len(p)) // a call that is given up may still write to it
	for n < len(p) {
		m, err := t.call(func() (int, error) { return t.image.ReadAt(own[n:], off+int64(n)) })
		copy(p[n:], own[n:n+m])
		n += m
		if err != nil && err != io.EOF || m == 0 {
			return n, &volume.ReadError{Volume: t.at.String(), Offset: off + int64(n), Err: t.cluster.explain(orShort(errnoOf(err)), t.at, "read")}
		}
	}
	return n, end
}

// WriteAt implements [io.WriterAt].
func (t *Target) WriteAt(p []byte, off int64) (int, error) {
	if err := t.within(off, int64(len(p))); err != nil {
		return 0, err
	}
	own := bytes.Clone(p) // a call that is given up may still write it
	n, err := t.call(func() (int, error) {
		n, err := t.image.WriteAt(own, off)
		if n < 0 { // the error of the library for Go is the same for all that can be wrong
			return 0, syscall.Errno(-n)
		}
		return n, err
	})
	if err != nil {
		return n, &volume.WriteError{Volume: t.at.String(), Offset: off, Err: t.cluster.explain(err, t.at, "write")}
	}
	return n, nil
}

// nothing is what is written again and again to make zeros, of which there may be less at the end.
var nothing [512]byte

// Zero implements [volume.Target]: what is zeroed takes no room, where that can be. It is no discard, of which the settings
// of the image, or of its pool, may leave out what is less than an object; librbd makes one of it that they do not concern.
func (t *Target) Zero(off, n int64) error {
	if err := t.within(off, n); err != nil {
		return err
	}
	const most = 1 << 30 // of one call, so that each ends within the time limit
	end := off + n
	for last := end - n%int64(len(nothing)); off < last; off = min(off+most, last) {
		at, length := off, min(most, last-off)
		_, err := t.call(func() (int, error) {
			n, err := t.image.WriteSame(uint64(at), uint64(length), nothing[:], rados.OpFlagNone)
			return int(n), err
		})
		if err != nil {
			return &volume.WriteError{Volume: t.at.String(), Offset: off, Err: t.cluster.explain(errnoOf(err), t.at, "zero")}
		}
	}
	if off == end {
		return nil
	}
	_, err := t.WriteAt(nothing[:end-off], off)
	return err
}

func (t *Target) within(off, n int64) error {
	if off < 0 || n < 0 || off > t.size || n > t.size-off {
		err := fmt.Errorf("%w: %d bytes from here do not lie within %d", fs.ErrInvalid, n, t.size)
		return &volume.WriteError{Volume: t.at.String(), Offset: off, Err: err}
	}
	return nil
}

// call calls librbd, unless the target is closed, and gives up when the patience with the cluster ends.
func (t *Target) call(do func() (int, error)) (int, error) {
	if err := t.guard.enter(); err != nil {
		return 0, err
	}
	return inTime(context.Background(), t.cluster, func() (int, error) {
		defer t.guard.leave()
		return do()
	}, forget)
}

// Commit implements [volume.Target]. A new image gets its name.
func (t *Target) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := t.call(func() (int, error) { return 0, t.image.Flush() }); err != nil {
		return t.cluster.explain(errnoOf(err), t.at, "make "+t.at.String()+" durable")
	}
	if t.fresh {
		partial := rbd.GetImage(t.conn.ioctx, t.partial().Name)
		if _, err := t.call(func() (int, error) { return 0, partial.Rename(t.at.Name) }); err != nil {
			return t.cluster.explain(errnoOf(err), t.at, "give "+t.at.String()+" its name")
		}
	}
	t.whole.Store(true)
	return nil
}

// Close implements [volume.Target]. A call that is under way does not hold it up: what is to be done is done when that ends.
func (t *Target) Close() error {
	_, err := t.guard.close()
	return err
}

func (t *Target) shut() error {
	_, err := inTime(context.Background(), t.cluster, func() (struct{}, error) { return struct{}{}, errnoOf(t.image.Close()) }, forget)
	if errors.As(err, new(*volume.NoClusterError)) {
		return err // what hangs in it is left to itself, and what is not complete to the next run
	}
	if t.fresh && !t.whole.Load() {
		if rerr := errnoOf(rbd.RemoveImage(t.conn.ioctx, t.partial().Name)); rerr != nil && !isMissing(rerr) {
			err = errors.Join(err, rerr)
		}
	}
	t.conn.close()
	return err
}
