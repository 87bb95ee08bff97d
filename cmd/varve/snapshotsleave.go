package main

import (
	"context"
	"errors"

	"varve/internal/human"
	"varve/repository"
	"varve/volume"
)

// letGo removes what is kept on images for a volume that is not backed up any more. The command succeeds all the same where
// it cannot: it is said what stays, and what removes it. It returns what went, as rbd names it.
func (s *session) letGo(ctx context.Context, repo *repository.Repository, v repository.Volume, images []volume.Image) []string {
	went := []string{}
	stays := func(at volume.Image, err error) {
		s.warn("what is kept for %s on %s stays: %v; %s", v.Name, at, err, removalOf(at.String()))
	}
	for i := range images {
		images[i].Snapshot = ""
	}
	if len(images) == 0 {
		return went
	}
	cluster, err := s.placeOf(volume.Location{Scheme: volume.SchemeRBD, Image: images[0]})
	if err == nil {
		err = repo.WhileIdle(ctx, v, 0, func() error {
			for i, at := range images {
				gone, err := cluster.clear(ctx, at, volume.Label{Repository: repo.ID().String(), Volume: v.UUID.String()})
				went = append(went, gone...)
				switch missing := new(volume.NoImageError); {
				case err == nil, errors.As(err, &missing):
				case errors.As(err, new(*volume.NoClusterError)): // nor will it answer for the others
					for _, at := range images[i:] {
						stays(at, err)
					}
					return nil
				default:
					stays(at, err)
				}
			}
			return nil
		})
	}
	if err != nil {
		for _, at := range images {
			stays(at, err)
		}
	}
	return went
}

// removalOf says how to remove what stays on an image.
func removalOf(image string) string {
	return "varve snapshots " + human.ShellWord(string(volume.SchemeRBD)+":"+image) + " --orphans removes it"
}

// clear removes from an image what revisions of a volume count from, whichever they are. It returns what went.
func (p place) clear(ctx context.Context, at volume.Image, of volume.Label) (went []string, err error) {
	kept, err := p.kept(ctx, at)
	for _, k := range kept {
		if k.For != volume.ForRevision || k.Label.Repository != of.Repository || k.Label.Volume != of.Volume {
			continue
		}
		if derr := p.drop(ctx, k); derr != nil {
			err = errors.Join(err, derr)
			continue
		}
		went = append(went, k.At().String())
	}
	return went, err
}
