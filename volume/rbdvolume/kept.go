//go:build ceph

package rbdvolume

import (
	"context"
	"errors"
	"time"

	"varve/volume"
)

// Kept lists the snapshots of an image that this program took, whoever for, the oldest first.
func Kept(ctx context.Context, cluster Cluster, at volume.Image) ([]volume.KeptSnapshot, error) {
	return ask(ctx, cluster, at, func(c *connection) ([]volume.KeptSnapshot, error) { return c.kept(at) }, forget)
}

func (c *connection) kept(at volume.Image) (all []volume.KeptSnapshot, err error) {
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
		k := volume.KeptSnapshot{
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
func Drop(ctx context.Context, cluster Cluster, k volume.KeptSnapshot) error {
	_, err := ask(ctx, cluster, k.Image, func(c *connection) (struct{}, error) { return struct{}{}, c.dropListed(k) }, forget)
	return err
}

func (c *connection) dropListed(k volume.KeptSnapshot) error {
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
