package main

import (
	"context"
	"fmt"
	"path"
	"slices"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// restoreSet restores the revisions of a set as [session.restoreSeveral] restores those of a pattern: * in
// the target stands for the last part of a volume's name.
func (s *session) restoreSet(ctx context.Context, f restoreFlags, text, targetText string) (result, error) {
	if f.part.given || f.lostMap != "" {
		return nil, &usageError{Text: "--range and --lost-map are for one volume, not for a set", Command: s.command}
	}
	to, err := s.templateOf(f, targetText)
	if err != nil {
		return nil, err
	}
	if !to.star {
		return nil, &usageError{
			Text: fmt.Sprintf("%q is to have one *, which stands for the volume: '/srv/restored/*.img'", targetText), Command: s.command,
		}
	}
	repo, err := s.openRepository(toRead)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	set, members, err := s.chooseSet(repo, text)
	if err != nil {
		return nil, err
	}
	dir, err := s.repositoryDir()
	if err != nil {
		return nil, err
	}
	var all []*restoring
	for i := range members {
		rev := &members[i]
		all = append(all, &restoring{restoration: restoration{s: s, f: f, repo: repo, dir: dir}, name: rev.Volume.Name, chosen: rev})
	}
	last := func(name revision.Name) (string, error) { return path.Base(name.String()), nil }
	if err := s.aim(all, to, last); err != nil {
		return nil, err
	}
	out, err := s.restoreChecked(ctx, f, repo, all, wanted{})
	if out != nil {
		out.Set, out.SetName = set.ID, set.Name
	}
	return out, err
}

// chooseSet finds the set that SET[@WHEN] names, and the revisions of it, all of which
// have to be there.
func (s *session) chooseSet(repo *repository.Repository, text string) (set repository.Set, members []repository.Revision, err error) {
	want, err := s.parseAddress(text)
	if err != nil {
		return set, nil, err
	}
	sets, err := repo.Sets()
	if err != nil {
		s.warn("%v", err) // those that can be read are there
	}
	sets = slices.DeleteFunc(sets, func(set repository.Set) bool { return set.Name != want.volume.String() })
	if len(sets) == 0 {
		return set, nil, &usageError{Text: fmt.Sprintf("the repository has no set %q", want.volume), Command: s.command}
	}
	there := s.revisionsOf(repo, sets)
	var candidates []revision.Candidate
	for i, set := range sets {
		c := revision.Candidate{ID: revision.ID(set.ID), Begun: set.Begun, Sequence: uint64(i + 1), Trusted: true}
		for _, m := range set.Members {
			rev, is := there[memberKey{m.Volume, m.Revision}]
			c.Trusted = c.Trusted && is && rev.Candidate().Trusted
		}
		candidates = append(candidates, c)
	}
	chosen, err := revision.Select(want.selector, candidates, revision.Nearest)
	if err != nil {
		return set, nil, &usageError{Text: fmt.Sprintf("set %q: %v", want.volume, err), Command: s.command}
	}
	set = sets[chosen.Sequence-1]
	for _, m := range set.Members {
		rev, is := there[memberKey{m.Volume, m.Revision}]
		if !is {
			return set, nil, &usageError{
				Text: fmt.Sprintf("of the set %s of %s, %s is gone", set.Name, inProse(set.Begun, s.begun.In(s.zone)), address(m.Name, m.Revision)),
				Near: "varve undelete " + human.ShellWord(address(m.Name, m.Revision)), Command: s.command,
			}
		}
		members = append(members, rev)
	}
	s.say("set %s (%s)  %s, %s", set.Name, revision.ID(set.ID).Short(), formatTime(set.Begun, s.begun.In(s.zone)), formatCount(len(members), "volume"))
	return set, members, nil
}

// memberKey names a revision of a volume, whatever that is called.
type memberKey struct {
	volume revision.UUID
	id     revision.ID
}

// revisionsOf lists the revisions of the volumes of some sets, as far as they can be read.
func (s *session) revisionsOf(repo *repository.Repository, sets []repository.Set) map[memberKey]repository.Revision {
	wanted := map[revision.UUID]bool{}
	for _, set := range sets {
		for _, m := range set.Members {
			wanted[m.Volume] = true
		}
	}
	volumes, err := repo.Volumes() // an error comes with all that can be read
	if err != nil {
		s.warn("%v", err)
	}
	there := map[memberKey]repository.Revision{}
	for _, v := range volumes {
		if !wanted[v.UUID] {
			continue
		}
		revisions, err := repo.Revisions(v)
		if err != nil {
			s.warn("%v", err)
		}
		for _, rev := range revisions {
			there[memberKey{v.UUID, rev.ID}] = rev
		}
	}
	return there
}
