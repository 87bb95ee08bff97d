package main

import (
	"context"

	"varve/repository"
)

// addUnique tells of each volume what only it uses.
func (v *volumes) addUnique(ctx context.Context, s *session, repo *repository.Repository) error {
	found, err := repo.UniqueToVolumes(ctx)
	if err != nil {
		return err
	}
	s.warnUnread(found)
	for i := range v.Volumes {
		n := found.Volumes[v.Volumes[i].UUID]
		v.Volumes[i].Unique = &n
	}
	return nil
}

// addUnique tells of each listed revision what only it uses, and what the volume does.
func (l *listed) addUnique(ctx context.Context, s *session, repo *repository.Repository, v repository.Volume) error {
	found, err := repo.UniqueToRevisions(ctx, v)
	if err != nil {
		return err
	}
	s.warnUnread(found)
	n := found.Volumes[v.UUID]
	l.Unique, l.Frees = &n, found.Revisions
	return nil
}

// warnUnread says that the numbers are the most that it can be, if they are.
func (s *session) warnUnread(found *repository.Unique) {
	if len(found.Unread) > 0 {
		s.warn("maps that cannot be read count as using nothing: what others use alone may be less (%v%s)",
			found.Unread[0], more(len(found.Unread)-1))
	}
}
