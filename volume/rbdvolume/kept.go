//go:build ceph

package rbdvolume

import (
	"context"
	"errors"
	"time"

	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
)

// Images lists the images that a place names: the image, or all of a pool or namespace where at has no name. A name alone
// that is no image's may be a namespace's: then it is all of that.
func Images(ctx context.Context, cluster Cluster, at volume.Image) ([]volume.Image, error) {
	if at.Name != "" {
		_, err := Open(ctx, cluster, at)
		missing := new(volume.NoImageError)
		if err == nil || at.Namespace != "" || !errors.As(err, &missing) || missing.Missing != volume.MissingImage {
			return []volume.Image{at}, err
		}
		in := volume.Image{Pool: at.Pool, Namespace: at.Name}
		exists, nerr := ask(ctx, cluster, volume.Image{Pool: at.Pool}, func(c *connection) (bool, error) {
			return rbd.NamespaceExists(c.ioctx, in.Namespace)
		}, forget)
		if nerr != nil || !exists {
			return nil, err
		}
		at = in
	}
	names, err := List(ctx, cluster, at)
	images := make([]volume.Image, len(names))
	for i, name := range names {
		images[i] = volume.Image{Pool: at.Pool, Namespace: at.Namespace, Name: name}
	}
	return images, err
}

// Kept lists the snapshots of an image that this program took, whoever for, the oldest first.
func Kept(ctx context.Context, cluster Cluster, at volume.Image) ([]volume.Kept, error) {
	return ask(ctx, cluster, at, func(c *connection) ([]volume.Kept, error) { return c.kept(at) }, forget)
}

func (c *connection) kept(at volume.Image) (all []volume.Kept, err error) {
	identity, _, err := c.identify(at)
	if err != nil {
		return nil, err
	}
	im, err := c.openToRead(at)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, errnoOf(im.Close())) }()
	snapshots, err := im.GetSnapshotNames()
	if err != nil {
		return nil, c.cluster.explain(errnoOf(err), at, "list the snapshots of "+at.String())
	}
	for _, info := range snapshots {
		label, taken, ours := parseAny(info.Name)
		if !ours {
			continue
		}
		k := volume.Kept{
			Image: at, Stable: identity.Stable, Name: info.Name, For: taken, Label: label, Size: int64(info.Size),
			Base: base{number: info.Id, name: info.Name}.String(),
		}
		if t, err := im.GetSnapTimestamp(info.Id); err == nil { // it may be gone, or an old cluster not tell
			k.Created = time.Unix(t.Sec, t.Nsec).UTC()
		}
		all = append(all, k)
	}
	return all, nil
}

// Drop removes a snapshot, if it is the one that was listed still; that it is gone is no error. It ends in time, as
// [Source.Tidy] does.
func Drop(ctx context.Context, cluster Cluster, k volume.Kept) error {
	_, err := ask(ctx, cluster, k.Image, func(c *connection) (struct{}, error) { return struct{}{}, c.dropListed(k) }, forget)
	return err
}

func (c *connection) dropListed(k volume.Kept) error {
	now, err := c.kept(k.Image)
	if err != nil {
		return err
	}
	for _, one := range now {
		if one.Base == k.Base && one.Stable == k.Stable {
			return c.drop(k.Image, k.Name)
		}
	}
	return nil
}
