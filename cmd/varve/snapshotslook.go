package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"varve/job"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// keeping is a look at the snapshots that are kept.
type keeping struct {
	s      *session
	repo   *repository.Repository
	flags  *snapshotsFlags
	typed  string // the place, for a shell; empty: none
	ledger *job.Ledger
	in     place
}

// parsePlace reads the place whose images are to be looked at; nil: none is given.
func (s *session) parsePlace(text string) (*volume.Location, error) {
	if text == "" {
		return nil, nil
	}
	at, err := volume.ParsePlace(text)
	if err != nil {
		return nil, err
	}
	if at.Scheme != volume.SchemeRBD {
		return nil, &usageError{Text: fmt.Sprintf("%q is not rbd:POOL, rbd:POOL/NAMESPACE or rbd:POOL/[NAMESPACE/]IMAGE", text), Command: s.command}
	}
	return &at, nil
}

// look lists what is kept.
func (k *keeping) look(ctx context.Context, at *volume.Location, out *snapshots) (err error) {
	wanted, err := k.named()
	if err != nil {
		return err
	}
	images, err := k.images(ctx, at, wanted, out)
	if err != nil {
		return err
	}
	silent := 0 // images for which the cluster did not answer, one after another
	for _, image := range images {
		kept, err := k.in.kept(ctx, image)
		missing := new(volume.NoImageError)
		switch {
		case errors.As(err, &missing):
			k.s.say("%v", err) // whoever read it once, or listed it a moment ago
			continue
		case err != nil:
			out.trouble(image.String(), err)
			if silent++; ctx.Err() != nil || silent > 1 && errors.As(err, new(*volume.NoClusterError)) {
				return ctx.Err()
			}
			continue
		}
		silent = 0
		for _, one := range kept {
			if wanted == nil || one.Label.Repository == k.repo.ID().String() && one.Label.Volume == wanted.UUID.String() {
				out.Snapshots = append(out.Snapshots, k.entry(one))
			}
		}
	}
	return nil
}

// images are those of a place, or without one those that matter to the repository.
func (k *keeping) images(ctx context.Context, at *volume.Location, only *repository.Volume, out *snapshots) (images []volume.Image, err error) {
	if at == nil {
		if images, err = k.places(ctx, only, out); err != nil || len(images) == 0 {
			return nil, err
		}
		k.in, err = k.s.placeOf(volume.Location{Scheme: volume.SchemeRBD, Image: images[0]})
		return images, err
	}
	if k.in, err = k.s.placeOf(*at); err != nil {
		return nil, err
	}
	all, err := k.in.find(ctx, *at)
	for _, one := range all {
		images = append(images, one.at.Image)
	}
	return images, err
}

// named is the volume that --remove names; nil: none.
func (k *keeping) named() (*repository.Volume, error) {
	if k.flags.remove == "" {
		return nil, nil
	}
	name, err := revision.ParseName(k.flags.remove)
	if err != nil {
		return nil, &usageError{Text: err.Error(), Command: k.s.command}
	}
	v, err := k.repo.Volume(name)
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// places are the images that volumes of the repository were read from, and are to be; of one volume, if it is given.
func (k *keeping) places(ctx context.Context, only *repository.Volume, out *snapshots) (images []volume.Image, err error) {
	histories := k.ledger.Histories()
	if only != nil {
		all, err := k.repo.Revisions(*only)
		if err != nil {
			k.s.warn("not all that %s was read from can be told: %v", only.Name, err)
		}
		histories = [][]repository.Revision{all}
	}
	for _, all := range histories {
		images = append(images, imagesOf(all)...)
	}
	conf, err := k.s.configuration()
	if err != nil {
		return nil, err
	}
	if conf != nil && !k.s.isElsewhere(conf) {
		volumes, problems := conf.Volumes(k.s.lister(ctx))
		for _, v := range volumes {
			if at, err := volume.ParseLocation(v.Source); err == nil && at.Scheme == volume.SchemeRBD && (only == nil || v.Name == only.Name) {
				images = append(images, at.Image)
			}
		}
		for _, err := range problems {
			unsupported := new(volume.UnsupportedError)
			switch {
			case errors.As(err, &unsupported) && unsupported.Ceph:
				return nil, unsupported
			case errors.As(err, new(*volume.NoClusterError)), errors.As(err, new(*volume.DeniedError)):
				out.trouble("the configuration", err)
			}
		}
	}
	for i := range images {
		images[i].Snapshot = "" // of one that a volume is read from, too, there may be snapshots from before
	}
	slices.SortFunc(images, func(a, b volume.Image) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(images), nil
}

// imagesOf are the images that revisions were read from.
func imagesOf(all []repository.Revision) (images []volume.Image) {
	for _, rev := range all {
		if rev.Statement == nil || rev.Statement.Source.Kind != string(volume.SchemeRBD) {
			continue
		}
		at, err := volume.ParseLocation(string(volume.SchemeRBD) + ":" + rev.Statement.Source.Path)
		if err == nil && !slices.Contains(images, at.Image) {
			images = append(images, at.Image)
		}
	}
	return images
}

func (k *keeping) entry(one volume.KeptSnapshot) keptEntry {
	e := keptEntry{
		Image: one.Image.String(), Snapshot: one.Name, Repository: one.Label.Repository, UUID: one.Label.Volume,
		Revision: one.Label.Revision, Size: one.Size, Created: timeOrNil(one.Created), kept: one,
	}
	e.Use, e.Why = k.ledger.Judge(one)
	if of, is := k.ledger.Owner(one); is {
		e.Volume = &of.Name
	}
	return e
}

func (r *snapshots) trouble(image string, err error) {
	r.Troubles = append(r.Troubles, imageTrouble{Image: image, Error: &jsonError{Message: err.Error(), Hint: hint(err, about{})}, err: err})
}

// isOld tells whether what was to be read once is so old that nobody is believed to read it.
func (k *keeping) isOld(one volume.KeptSnapshot) bool {
	age := time.Duration(k.flags.temporary)
	return age > 0 && !one.Created.IsZero() && k.s.begun.Sub(one.Created) >= age
}
