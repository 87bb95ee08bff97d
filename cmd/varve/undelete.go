package main

import (
	"context"
	"time"

	"varve/revision"
)

func undeleteCommand(s *session) *command {
	return &command{
		name: "undelete", group: keepAndDelete, args: "VOLUME@ID",
		summary: "bring a revision back that was taken away",
		about: `Brings the revision back out of the trash, with its id, its tags and what was
noted of it. What is in the trash, varve log --deleted lists: what rm, prune and
merge took away, until its time is over. A volume that went with its last
revision comes back with it.`,
		example: `varve log db1 --deleted
varve undelete db1@k3f9`,
		codes: "3  its map, or one that it is built on, cannot be read any more\n4  the volume is being backed up",
		run:   func(ctx context.Context, args []string) (result, error) { return runUndelete(ctx, s, args[0]) },
	}
}

// undeleted is the result of undelete. Its fields are API.
type undeleted struct {
	entry
}

func runUndelete(ctx context.Context, s *session, text string) (result, error) {
	name, selector, err := revision.SplitAddress(text)
	if err != nil {
		return nil, &usageError{Text: err.Error(), Command: s.command}
	}
	if selector == "" {
		return nil, &usageError{Text: "which revision? varve log " + name.String() + " --deleted lists them", Command: s.command}
	}
	repo, err := s.openRepository(toWrite)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	t, err := repo.FindTrashed(name, selector)
	if err != nil {
		return nil, err
	}
	s.doing = "undelete of " + address(name, t.ID)
	rev, err := repo.Undelete(ctx, t, time.Duration(s.globals.wait))
	if rev == nil {
		return nil, err
	}
	if err != nil {
		s.warn("%v", err)
	}
	return &undeleted{newEntry(*rev)}, nil
}

func (u *undeleted) print(p *page) {
	p.line("%s, of %s", p.bold(address(u.Volume, u.ID)+" is back"), inProse(u.Begun, p.now))
}
