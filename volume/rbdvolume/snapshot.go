//go:build ceph

package rbdvolume

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"sync/atomic"

	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
)

// Snapshot is a snapshot of an image, open to be read.
type Snapshot struct {
	source   *Source
	conn     *connection
	image    *rbd.Image // the snapshot
	at       volume.Image
	info     rbd.SnapInfo
	own      bool // it was taken for this, and goes with Close
	keepable bool // a revision may count from it
	older    bool // see [base]
	kept     atomic.Bool
	guard    guard
}

var (
	_ volume.Differ      = (*Snapshot)(nil)
	_ volume.HoleFinder  = (*Snapshot)(nil)
	_ volume.Independent = (*Snapshot)(nil)
)

// open opens a snapshot, which has a part in the source's connection until it is shut.
func (s *Source) open(ctx context.Context, at volume.Image, own bool) (*Snapshot, error) {
	return askOn(ctx, s.line, func(c *connection) (*Snapshot, error) {
		snap, err := c.openSnapshot(at)
		if err != nil {
			return nil, err
		}
		s.line.share(c)
		snap.source, snap.own = s, own
		return snap, nil
	}, func(snap *Snapshot) { _, _ = snap.guard.close() })
}

func (c *connection) openSnapshot(at volume.Image) (*Snapshot, error) {
	im, err := c.openToRead(at)
	if err != nil {
		return nil, err
	}
	snapshots, err := im.GetSnapshotNames()
	if err != nil {
		return nil, errors.Join(c.cluster.explain(errnoOf(err), at, "list the snapshots of "+at.String()), im.Close())
	}
	i := slices.IndexFunc(snapshots, func(info rbd.SnapInfo) bool { return info.Name == at.Snapshot })
	if i < 0 {
		return nil, errors.Join(&volume.NoImageError{Image: at, Missing: volume.MissingSnapshot}, im.Close())
	}
	older, err := c.canMislead(at, snapshots[:i])
	if err != nil {
		return nil, errors.Join(err, im.Close())
	}
	snap := &Snapshot{conn: c, image: im, at: at, info: snapshots[i], older: older}
	snap.guard.shut = snap.shutInTime
	return snap, nil
}

// canMislead tells whether the image's object maps may call unchanged what it gets by being rolled back to one of these
// snapshots, which are older than the one at that place. The oldest of all snapshots cannot do that: its map calls nothing
// unchanged, for what was before it is merged into it. That is said of the one that a volume has, and of no others.
func (c *connection) canMislead(at volume.Image, older []rbd.SnapInfo) (bool, error) {
	if len(older) == 0 {
		return false, nil
	}
	label, _ := parseName(at.Snapshot)
	is, ours := parseName(older[0].Name)
	if len(older) > 1 || !ours || is.Repository != label.Repository || is.Volume != label.Volume {
		return true, nil
	}
	invalid, err := mapIsInvalid(c.ioctx, at.Name, older[0].Name)
	if isMissing(err) {
		return true, nil // it went meanwhile
	}
	if err != nil {
		return false, c.cluster.explain(err, at, "ask for the flags of "+at.String())
	}
	return invalid, nil
}

// ReadAt implements [io.ReaderAt].
func (s *Snapshot) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, &volume.ReadError{Volume: s.at.String(), Offset: off, Err: fs.ErrInvalid}
	}
	if off >= s.Size() {
		return 0, io.EOF
	}
	var end error
	if rest := s.Size() - off; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	if err := s.guard.enter(); err != nil {
		return 0, &volume.ReadError{Volume: s.at.String(), Offset: off, Err: err}
	}
	defer s.guard.leave()
	for n < len(p) {
		m, err := s.image.ReadAt(p[n:], off+int64(n))
		n += m
		if err != nil && err != io.EOF || m == 0 {
			return n, &volume.ReadError{Volume: s.at.String(), Offset: off + int64(n), Err: s.conn.cluster.explain(orShort(errnoOf(err)), s.at, "read")}
		}
	}
	return n, end
}

// orShort is the error of a read that gave nothing and did not say why.
func orShort(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Size implements [volume.Snapshot].
func (s *Snapshot) Size() int64 { return int64(s.info.Size) }

// Consistency implements [volume.Snapshot]: an image is frozen by its cluster.
func (s *Snapshot) Consistency() (volume.Consistency, string, error) {
	return volume.Snapshotted, "", nil
}

// Independent implements [volume.Independent].
func (s *Snapshot) Independent() bool { return true }

// Base implements [volume.Differ].
func (s *Snapshot) Base() string {
	if !s.keepable {
		return ""
	}
	return base{number: s.info.Id, name: s.info.Name, older: s.older}.String()
}

// Keep implements [volume.Differ].
func (s *Snapshot) Keep() { s.kept.Store(true) }

// Close closes the snapshot, and removes it if it is nobody's any more, each in time. A call that was called off and has
// not ended does not hold it up: the snapshot is closed when that ends. It may be called twice.
func (s *Snapshot) Close() error {
	first, err := s.guard.close()
	if first && s.own && !s.kept.Load() {
		err = errors.Join(err, s.source.drop(context.Background(), s.at.Snapshot))
	}
	return err
}

// shutInTime is shut, and left to itself when the patience with the cluster ends.
func (s *Snapshot) shutInTime() error {
	_, err := inTime(context.Background(), s.conn.cluster, func() (struct{}, error) { return struct{}{}, s.shut() }, forget)
	return err
}

func (s *Snapshot) shut() error {
	defer s.source.line.give(s.conn)
	return errnoOf(s.image.Close())
}
