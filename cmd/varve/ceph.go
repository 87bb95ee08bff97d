//go:build ceph

package main

import (
	"context"
	"os"
	"strings"
	"time"

	"varve/volume"
	"varve/volume/rbdvolume"
)

// What a build with Ceph knows; see noceph.go for the other one.

const knownVolumes = "raw files, block devices and RBD images"

// ceph is the cluster of the configuration, or of the environment.
func (s *session) ceph(volume.Location) (place, error) {
	cluster, err := s.cluster()
	if err != nil {
		return place{}, err
	}
	return place{
		open: func(ctx context.Context, at volume.Location) (volume.Source, error) {
			src, err := rbdvolume.Open(ctx, cluster, at.Image)
			if err != nil {
				return nil, err
			}
			return src, nil
		},
		match: func(ctx context.Context, at volume.Location) ([]string, error) {
			return matchImages(ctx, cluster, at.Image)
		},
		find: func(ctx context.Context, at volume.Location) ([]found, error) {
			return findImages(ctx, cluster, at.Image)
		},
		check: func(ctx context.Context, at volume.Location, _ string) error {
			_, err := rbdvolume.Open(ctx, cluster, at.Image)
			return err
		},
		kept: func(ctx context.Context, at volume.Image) ([]volume.KeptSnapshot, error) {
			return rbdvolume.Kept(ctx, cluster, at)
		},
		drop: func(ctx context.Context, k volume.KeptSnapshot) error { return rbdvolume.Drop(ctx, cluster, k) },
	}, nil
}

// cluster is the one of the configuration, or of the environment. A configuration that
// cannot be used may name another one than the environment does: then nothing is done.
func (s *session) cluster() (rbdvolume.Cluster, error) {
	var cluster rbdvolume.Cluster
	conf, err := s.configuration()
	if err != nil {
		return cluster, err
	}
	if conf != nil {
		cluster = rbdvolume.Cluster(conf.Ceph)
	}
	confs, user := namedIn(os.Getenv("CEPH_ARGS"))
	for _, conf := range []string{confs, os.Getenv("CEPH_CONF")} {
		if cluster.Conf == "" {
			cluster.Conf = conf
		}
	}
	if cluster.User == "" {
		cluster.User = user
	}
	return cluster, nil
}

// namedIn is the configuration and the user that arguments for Ceph's commands name, of several the last one; empty: none.
// The other arguments librados reads by itself.
func namedIn(arguments string) (conf, user string) {
	words := strings.Fields(arguments)
	for i := 0; i < len(words) && words[i] != "--"; i++ {
		var to *string
		name, value, joined := strings.Cut(words[i], "=")
		switch name {
		case "--conf", "-c":
			to = &conf
		case "--id", "--user", "--name", "-n":
			to = &user
		}
		if to == nil {
			continue
		}
		if !joined {
			if i++; i == len(words) {
				break
			}
			value = words[i]
		}
		*to = value
	}
	return conf, user
}

// matchImages gives what the * of a pattern stands for in the names of a pool's images.
func matchImages(ctx context.Context, cluster rbdvolume.Cluster, at volume.Image) ([]string, error) {
	names, err := rbdvolume.Names(ctx, cluster, at)
	if err != nil {
		return nil, err
	}
	prefix, suffix, _ := strings.Cut(at.Name, "*")
	var parts []string
	for _, name := range names {
		if part, fits := cutPattern(name, prefix, suffix); fits {
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// findImages gives the images of a pool or namespace, or the one of a name.
func findImages(ctx context.Context, cluster rbdvolume.Cluster, at volume.Image) ([]found, error) {
	images, err := rbdvolume.Find(ctx, cluster, at)
	if err != nil {
		return nil, err
	}
	var all []found
	for _, im := range images {
		one := found{at: volume.Location{Scheme: volume.SchemeRBD, Image: im.At}, identity: im.Identity, size: im.Size, err: im.Err}
		if im.Err != nil {
			one.size = -1
		}
		all = append(all, one)
	}
	return all, nil
}

// layout is what the flags say of how an image is made.
func (f *imageFlags) layout() rbdvolume.Layout {
	return rbdvolume.Layout{
		ObjectSize: int64(f.objectSize), Features: f.features, DataPool: string(f.dataPool),
		StripeUnit: int64(f.stripeUnit), StripeCount: int64(f.stripeCount),
	}
}

// imageDestination says how an RBD image may be written. A new one is made like the one that was backed up, but for what
// flags say.
func (r *restoration) imageDestination() (destination, error) {
	cluster, err := r.s.cluster()
	if err != nil {
		return destination{}, err
	}
	size, part, opts := r.settled()
	to := rbdvolume.TargetOptions{
		InPlace: r.f.inPlace, Force: r.f.force && r.part == nil, EvenInUse: r.f.evenInUse, Range: part, Now: time.Now(),
	}
	if source := r.rev.Statement.Source; source.Kind == string(volume.SchemeRBD) {
		if to.Layout, err = rbdvolume.ParseLayout(volume.Layout(source.Layout)); err != nil {
			return destination{}, err
		}
	}
	to.Layout = r.f.image.layout().Over(to.Layout)
	return destination{
		opts: opts,
		check: func(ctx context.Context) (int64, error) {
			return rbdvolume.CheckTarget(ctx, cluster, r.target.Image, size, to)
		},
		open: func(ctx context.Context) (volume.Target, error) {
			return rbdvolume.OpenTarget(ctx, cluster, r.target.Image, size, to)
		},
	}, nil
}
