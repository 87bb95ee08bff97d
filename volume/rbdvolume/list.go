//go:build ceph

package rbdvolume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ceph/go-ceph/rbd"
	"golang.org/x/sync/errgroup"

	"varve/volume"
)

// Names gives the names of the images in the pool and namespace of at. What is in the trash, or not complete, is none.
func Names(ctx context.Context, cluster Cluster, at volume.Image) ([]string, error) {
	return ask(ctx, cluster, at, func(c *connection) ([]string, error) { return c.names(at) }, forget)
}

func (c *connection) names(at volume.Image) ([]string, error) {
	names, err := rbd.GetImageNames(c.ioctx)
	if err != nil {
		return nil, c.cluster.explain(errnoOf(err), at, "list the images of "+volume.Image{Pool: at.Pool, Namespace: at.Namespace}.String())
	}
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, partialSuffix) }), nil
}

// Found is an image that there is.
type Found struct {
	At       volume.Image
	Identity volume.Identity
	Size     int64 // bytes
	Err      error // it could not be looked at: then neither its size is known nor what stays when it is renamed
}

// Find looks which images a place names: with a name, that one, or where there is none and no namespace is given, those of
// the namespace of that name; without, those of the namespace; and without either, those of the pool and of all its
// namespaces. They are in the order of their names, those of no namespace first. It fails as [Open] does.
func Find(ctx context.Context, cluster Cluster, at volume.Image) ([]Found, error) {
	return askLong(ctx, cluster, at, func(c *connection) ([]Found, error) {
		switch {
		case at.Name != "":
			return c.findNamed(ctx, at)
		case at.Namespace == "":
			return c.findAll(ctx, at)
		}
		if exists, err := rbd.NamespaceExists(c.ioctx, at.Namespace); err == nil && !exists {
			return nil, &volume.NoImageError{Image: at, Missing: volume.MissingNamespace}
		}
		return c.find(ctx, at)
	})
}

// findNamed finds the image, or those of the namespace of its name.
func (c *connection) findNamed(ctx context.Context, at volume.Image) ([]Found, error) {
	one := c.look(at)
	missing := new(volume.NoImageError)
	if one.Err == nil || at.Namespace != "" || !errors.As(one.Err, &missing) {
		return []Found{one}, one.Err
	}
	if exists, err := rbd.NamespaceExists(c.ioctx, at.Name); err != nil || !exists {
		return nil, one.Err
	}
	c.ioctx.SetNamespace(at.Name)
	return c.find(ctx, volume.Image{Pool: at.Pool, Namespace: at.Name})
}

// findAll finds the images of a pool and of all its namespaces.
func (c *connection) findAll(ctx context.Context, at volume.Image) (all []Found, err error) {
	namespaces, err := rbd.NamespaceList(c.ioctx)
	if err != nil {
		return nil, c.cluster.explain(errnoOf(err), at, "list the namespaces of "+at.Pool)
	}
	slices.Sort(namespaces)
	for _, namespace := range append([]string{""}, namespaces...) {
		c.ioctx.SetNamespace(namespace)
		found, err := c.find(ctx, volume.Image{Pool: at.Pool, Namespace: namespace})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// lookers is how many images are looked at at a time.
const lookers = 8

// find looks at the images of one namespace, which is the connection's.
func (c *connection) find(ctx context.Context, in volume.Image) ([]Found, error) {
	names, err := c.names(in)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	found := make([]Found, len(names))
	var g errgroup.Group
	g.SetLimit(lookers)
	for i, name := range names {
		at := in
		at.Name = name
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			found[i] = c.look(at)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(f Found) bool { return errors.As(f.Err, new(*volume.NoImageError)) }), nil // it went meanwhile
}

func (c *connection) look(at volume.Image) Found {
	f := Found{At: at, Identity: volume.Identity{Kind: string(volume.SchemeRBD), Path: at.String()}}
	im, err := c.openToRead(at)
	if err != nil {
		f.Err = err
		return f
	}
	id, err := im.GetId()
	var size uint64
	if err == nil {
		size, err = im.GetSize()
	}
	if err = errors.Join(errnoOf(err), errnoOf(im.Close())); err != nil {
		f.Err = c.cluster.explain(err, at, "ask what "+at.String()+" is")
		return f
	}
	f.Identity, f.Size = c.identityOf(at, id), int64(size)
	return f
}

// identityOf tells the image that has this id from another that had its name before.
func (c *connection) identityOf(at volume.Image, id string) volume.Identity {
	stable := fmt.Sprintf("%s/%d/%s/%s", c.fsid, c.ioctx.GetPoolID(), at.Namespace, id)
	return volume.Identity{Kind: string(volume.SchemeRBD), Path: at.String(), Stable: stable}
}
