package main

import (
	"context"
	"slices"

	"github.com/urfave/cli/v2"

	"varve/repository"
	"varve/revision"
)

func adoptCommand(s *session) *command {
	var f adoptFlags
	return &command{
		name: "adopt", group: plumbing,
		summary: "take over a repository whose directory was copied or moved",
		about: `Every repository has an id, by which hosts tell one from another.

--copied   this directory is a copy, and the original lives on. The copy gets
           an id of its own, so that no host takes one for the other; it keeps
           its lineage, its keys and all its revisions.
--moved    the directory, or its disk, came here from elsewhere, and there is
           no other. It keeps its id; the catalog of this host, which may be
           about another time of it, is made anew.`,
		example: `cp -a /srv/varve /mnt/usb/varve && varve -r /mnt/usb/varve adopt --copied
varve -r /srv/varve adopt --moved`,
		codes: "3  with --moved: some packs cannot be read; the catalog leaves them out",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "copied", Destination: &f.copied, Usage: "the original lives on elsewhere"},
			&cli.BoolFlag{Name: "moved", Destination: &f.moved, Usage: "there is no other"},
		},
		run: func(ctx context.Context, _ []string) (result, error) { return runAdopt(ctx, s, f) },
	}
}

type adoptFlags struct{ copied, moved bool }

// adopted is the result of adopt.
type adopted struct {
	UUID    revision.UUID  `json:"uuid"`   // of the repository
	Former  *revision.UUID `json:"former"` // null: it kept its id
	Lineage revision.UUID  `json:"lineage"`
	Catalog *rebuilt       `json:"catalog"` // null: not made anew
	place   string         // of the repository, as it is typed
}

func (a *adopted) print(p *page) {
	if a.Former != nil {
		p.line("%s: it is %s now, and was %s", p.bold("the copy has its own id"), a.UUID, *a.Former)
		p.line("all revisions are here, and are no longer taken for those of the original")
		p.line("%s varve -r %s rebuild   (so that what is stored already is found)", p.arrow(), a.place)
		return
	}
	p.line("%s, %s", p.bold("the repository is at home here"), a.UUID)
	a.Catalog.print(p)
}

func runAdopt(ctx context.Context, s *session, f adoptFlags) (result, error) {
	if f.copied == f.moved {
		return nil, &usageError{
			Text:    "say either --copied (the original lives on) or --moved (there is no other)",
			Command: s.command, Usage: "varve adopt --copied|--moved",
		}
	}
	s.doing = "adopt"
	repo, err := s.openRepository(toWrite)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	out := &adopted{UUID: repo.ID(), Lineage: repo.Lineage(), place: s.about.directory()}
	if f.copied {
		d, err := repo.AdoptCopy(ctx)
		if err != nil {
			return nil, err
		}
		former := slices.Clone(d.Former)
		out.UUID, out.Former = d.Repository, &former[len(former)-1]
	} else {
		res, err := rebuild(ctx, s, repo)
		if res == nil {
			return nil, err
		}
		out.Catalog = res.(*rebuilt)
		if err != nil {
			return out, err
		}
	}
	s.record(ctx, repo, repository.Event{Op: repository.OpAdopt}, nil)
	return out, nil
}
