//go:build ceph

package rbdvolume

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
)

// Source is an RBD image, or a snapshot of one.
type Source struct {
	line     *line
	at       volume.Image
	identity volume.Identity
	layout   volume.Layout
}

var (
	_ volume.Keeper = (*Source)(nil)
	_ volume.Shaped = (*Source)(nil)
)

// Open returns the source at that place, after a look whether it is there. It fails with a [*volume.NoClusterError], a
// [*volume.DeniedError] or a [*volume.NoImageError].
func Open(ctx context.Context, cluster Cluster, at volume.Image) (*Source, error) {
	l := newLine(cluster, at)
	return askOn(ctx, l, func(c *connection) (*Source, error) {
		identity, layout, err := c.identify(at)
		if err != nil {
			return nil, err
		}
		return &Source{line: l, at: at, identity: identity, layout: layout}, nil
	}, forget)
}

// Describe implements [volume.Source]. Stable tells an image from another that had its name before.
func (s *Source) Describe() volume.Identity { return s.identity }

// Layout implements [volume.Shaped].
func (s *Source) Layout() volume.Layout { return s.layout }

// identify looks which image has the name, and how it is made.
func (c *connection) identify(at volume.Image) (volume.Identity, volume.Layout, error) {
	im, err := c.openToRead(at)
	if err != nil {
		return volume.Identity{}, nil, err
	}
	id, err := im.GetId()
	var layout volume.Layout
	if err == nil {
		layout, err = c.layoutOf(im)
	}
	if err = errors.Join(errnoOf(err), errnoOf(im.Close())); err != nil {
		return volume.Identity{}, nil, c.cluster.explain(err, at, "ask what "+at.String()+" is")
	}
	return c.identityOf(at, id), layout, nil
}

func (c *connection) openToRead(at volume.Image) (*rbd.Image, error) {
	snapshot := rbd.NoSnapshot
	if at.Snapshot != "" {
		snapshot = at.Snapshot
	}
	im, err := rbd.OpenImageReadOnly(c.ioctx, at.Name, snapshot)
	if err != nil {
		return nil, c.explainOpen(errnoOf(err), at)
	}
	return im, nil
}

// Snapshot takes a snapshot that goes with Close; of a source that is one, it opens that.
func (s *Source) Snapshot(ctx context.Context) (volume.Snapshot, error) {
	if s.at.Snapshot != "" {
		return s.open(ctx, s.at, false)
	}
	return s.take(ctx, temporaryPrefix+rand.Text(), false)
}

// SnapshotFor implements [volume.Keeper]. A source that is a snapshot is opened as it is.
func (s *Source) SnapshotFor(ctx context.Context, label volume.Label) (volume.Snapshot, error) {
	if s.at.Snapshot != "" {
		return s.open(ctx, s.at, false)
	}
	return s.take(ctx, nameOf(label), label.Revision != "")
}

// take makes a snapshot of the image, and opens it. Keepable tells whether a revision may count from it.
func (s *Source) take(ctx context.Context, name string, keepable bool) (volume.Snapshot, error) {
	take := func(c *connection) (struct{}, error) { return struct{}{}, c.take(s.at, name) }
	late := func(struct{}) { _ = s.drop(context.WithoutCancel(ctx), name) } // if it fails, the next run does it
	if _, err := askOn(ctx, s.line, take, late); err != nil {
		return nil, err
	}
	at := s.at
	at.Snapshot = name
	snap, err := s.open(ctx, at, true)
	if err != nil {
		return nil, errors.Join(err, s.drop(context.WithoutCancel(ctx), name))
	}
	snap.keepable = keepable
	return snap, nil
}

func (c *connection) take(at volume.Image, name string) error {
	im, err := rbd.OpenImage(c.ioctx, at.Name, rbd.NoSnapshot)
	if err != nil {
		return c.explainOpen(errnoOf(err), at)
	}
	_, err = im.CreateSnapshot(name)
	err = errnoOf(err)
	if cerr := im.Close(); err == nil {
		err = errnoOf(cerr)
	}
	if err != nil {
		return c.cluster.explain(err, at, "take a snapshot of "+at.String())
	}
	return nil
}

// drop removes a snapshot of the image, in time; that it is gone already is no error.
func (s *Source) drop(ctx context.Context, name string) error {
	_, err := askOn(ctx, s.line, func(c *connection) (struct{}, error) { return struct{}{}, c.drop(s.at, name) }, forget)
	return err
}

func (c *connection) drop(at volume.Image, names ...string) error {
	im, err := rbd.OpenImage(c.ioctx, at.Name, rbd.NoSnapshot)
	if err != nil {
		return c.explainOpen(errnoOf(err), at)
	}
	var errs []error
	for _, name := range names {
		if err := errnoOf(im.GetSnapshot(name).Remove()); err != nil && !isMissing(err) {
			errs = append(errs, c.cluster.explain(err, at, "remove snapshot "+name+" of "+at.String()))
		}
	}
	return errors.Join(append(errs, errnoOf(im.Close()))...)
}

// Tidy implements [volume.Keeper]. A cluster that does not answer in time is a [*volume.NoClusterError]; what was asked of it may
// come about all the same.
func (s *Source) Tidy(ctx context.Context, label volume.Label, but ...string) ([]string, error) {
	if s.at.Snapshot != "" {
		return nil, nil
	}
	return askOn(ctx, s.line, func(c *connection) ([]string, error) { return c.tidy(s.at, label, but) }, forget)
}

func (c *connection) tidy(at volume.Image, label volume.Label, but []string) ([]string, error) {
	snapshots, err := c.list(at)
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, snap := range snapshots {
		if is, ours := parseName(snap.Name); ours && is.Repository == label.Repository && is.Volume == label.Volume && !isNamed(snap, but) {
			gone = append(gone, snap.Name)
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	return gone, c.drop(at, gone...)
}

// list gives the snapshots of an image, the oldest first.
func (c *connection) list(at volume.Image) ([]rbd.SnapInfo, error) {
	im, err := rbd.OpenImageReadOnly(c.ioctx, at.Name, rbd.NoSnapshot)
	if err != nil {
		return nil, c.explainOpen(errnoOf(err), at)
	}
	snapshots, err := im.GetSnapshotNames()
	if err = errors.Join(errnoOf(err), errnoOf(im.Close())); err != nil {
		return nil, c.cluster.explain(err, at, "list the snapshots of "+at.String())
	}
	return snapshots, nil
}
