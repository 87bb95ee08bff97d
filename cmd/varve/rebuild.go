package main

import (
	"context"
	"errors"
	"sync/atomic"

	"varve/chunkstore"
	"varve/repository"
)

func rebuildCommand(s *session) *command {
	return &command{
		name: "rebuild", group: plumbing,
		summary: "make this host's catalog anew",
		about: `The catalog is a cache on this host that tells which pack holds which object,
so that what is stored already is not stored again. It is never believed, and
losing it loses nothing. This reads the tables of contents of all packs and
makes it anew: on a host that has not backed up to this repository before, or
when duplicates are not found.`,
		example: "varve rebuild",
		codes:   "3  some packs cannot be read; the catalog leaves them out",
		run:     func(ctx context.Context, _ []string) (result, error) { return runRebuild(ctx, s) },
	}
}

// rebuilt is the result of rebuild.
type rebuilt struct {
	Packs   int      `json:"packs"`
	Objects int      `json:"objects"`
	Damaged []string `json:"damaged"`
}

func (r *rebuilt) print(p *page) {
	p.line("%s: %s in %s", p.bold("the catalog is made anew"), formatCount(r.Objects, "object"), formatCount(r.Packs, "pack"))
	for _, text := range r.Damaged {
		p.line("%s  %s", p.red("DAMAGE"), text)
	}
}

func runRebuild(ctx context.Context, s *session) (result, error) {
	s.doing = "rebuild of the catalog"
	if stateDir() == "" {
		return nil, errors.New("there is no place for a catalog: set VARVE_STATE")
	}
	repo, err := s.openRepository(toWrite)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	return rebuild(ctx, s, repo)
}

// rebuild makes the catalog anew, and shows how far it is.
func rebuild(ctx context.Context, s *session, repo *repository.Repository) (result, error) {
	var done, total atomic.Int64
	stop := s.watch("reading", func() sample { return sample{done: done.Load(), total: total.Load(), packs: true} })
	found, err := repo.Rebuild(ctx, func(d, t int) { done.Store(int64(d)); total.Store(int64(t)) })
	stop()
	if err != nil {
		return nil, err
	}
	return newRebuilt(found)
}

func newRebuilt(found chunkstore.RebuildResult) (result, error) {
	r := &rebuilt{Packs: found.Packs, Objects: found.Objects, Damaged: []string{}}
	for _, err := range found.Damaged {
		r.Damaged = append(r.Damaged, err.Error())
	}
	if len(r.Damaged) > 0 {
		return r, &findingsError{Texts: r.Damaged}
	}
	return r, nil
}
