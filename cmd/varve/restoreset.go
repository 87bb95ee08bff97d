package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// restoredSet is the result of restore --set. Its fields are API.
type restoredSet struct {
	Set     string          `json:"set"` // its id
	Name    string          `json:"name"`
	Volumes []restoredEntry `json:"volumes"`
}

// restoredEntry is how one volume of it ended. Its fields are API.
type restoredEntry struct {
	Volume revision.Name `json:"volume"`
	OK     bool          `json:"ok"`
	Exit   int           `json:"exit"`
	Error  *jsonError    `json:"error"`
	Result *restored     `json:"result"`
}

// runRestoreSet restores each revision of a set, to the target in which * stands for the
// volume.
func runRestoreSet(ctx context.Context, s *session, f restoreFlags, text, template string) (result, error) {
	switch {
	case f.part.given || f.lostMap != "":
		return nil, &usageError{Text: "--range and --lost-map are for one volume, not for a set", Command: s.command}
	case strings.Count(template, "*") != 1:
		return nil, &usageError{
			Text: fmt.Sprintf("%q is to have one *, which stands for the volume: '/srv/restored/*.img'", template), Command: s.command,
		}
	}
	set, members, err := s.chooseSet(text)
	if err != nil {
		return nil, err
	}
	targets := map[string]revision.Name{}
	for _, rev := range members {
		to := targetOf(template, rev.Volume.Name)
		if other, taken := targets[to]; taken {
			return nil, &usageError{Text: fmt.Sprintf("%s and %s would both be restored to %s", other, rev.Volume.Name, to), Command: s.command}
		}
		targets[to] = rev.Volume.Name
	}
	out := &restoredSet{Set: set.ID, Name: set.Name, Volumes: []restoredEntry{}}
	var errs []error
	for _, rev := range members {
		e := restoredEntry{Volume: rev.Volume.Name}
		one, err := runRestore(ctx, s, f, rev.Volume.Name.String()+"@"+string(rev.ID), targetOf(template, rev.Volume.Name))
		if done, is := one.(*restored); is {
			e.Result = done
		}
		if e.Exit = exitCode(err); err != nil {
			e.Error = &jsonError{Message: err.Error(), Hint: hint(err, about{volume: rev.Volume.Name, repo: s.about.repo})}
			errs = append(errs, err)
			s.warn("%s was not restored: %v", rev.Volume.Name, err)
		}
		e.OK = err == nil
		out.Volumes = append(out.Volumes, e)
		if ctx.Err() != nil {
			break
		}
	}
	return out, out.judge(len(members), errs)
}

// targetOf is the target of a volume: * stands for the last part of its name.
func targetOf(template string, name revision.Name) string {
	return strings.Replace(template, "*", path.Base(name.String()), 1)
}

// judge gives an error unless all went well: with the gravest code of them.
func (r *restoredSet) judge(of int, errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	gravest := gravityOf(errs[0])
	for _, err := range errs {
		gravest = max(gravest, gravityOf(err))
	}
	return &severalError{Code: exitOf(gravest), Text: fmt.Sprintf("%d of %s of the set did not go well", len(errs), formatCount(of, "volume")), Err: errors.Join(errs...)}
}

func (r *restoredSet) print(p *page) {
	for _, e := range r.Volumes {
		if e.Result != nil {
			e.Result.print(p)
		}
	}
}

// chooseSet finds the set that SET[@WHEN] names, and the revisions of it, all of which
// have to be there.
func (s *session) chooseSet(text string) (set repository.Set, members []repository.Revision, err error) {
	want, err := s.parseAddress(text)
	if err != nil {
		return set, nil, err
	}
	repo, err := s.openRepository(toRead)
	if err != nil {
		return set, nil, err
	}
	defer s.close("close the repository", repo)
	sets, err := repo.Sets()
	if err != nil {
		s.warn("%v", err) // those that can be read are there
	}
	sets = slices.DeleteFunc(sets, func(set repository.Set) bool { return set.Name != want.volume.String() })
	if len(sets) == 0 {
		return set, nil, &usageError{Text: fmt.Sprintf("the repository has no set %q", want.volume), Command: s.command}
	}
	there, err := revisionsOf(repo, sets)
	if err != nil {
		return set, nil, err
	}
	var candidates []revision.Candidate
	for i, set := range sets {
		c := revision.Candidate{ID: revision.ID(set.ID), Begun: set.Begun, Sequence: uint64(i + 1), Trusted: true}
		for _, m := range set.Members {
			rev, is := there[memberKey{m.Volume, m.Revision}]
			c.Trusted = c.Trusted && is && isTrusted(rev)
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

func isTrusted(rev repository.Revision) bool {
	c := rev.Candidate()
	return c.Trusted
}

// memberKey names a revision of a volume, whatever that is called.
type memberKey struct {
	volume revision.UUID
	id     revision.ID
}

// revisionsOf lists the revisions of the volumes of some sets.
func revisionsOf(repo *repository.Repository, sets []repository.Set) (map[memberKey]repository.Revision, error) {
	wanted := map[revision.UUID]bool{}
	for _, set := range sets {
		for _, m := range set.Members {
			wanted[m.Volume] = true
		}
	}
	volumes, err := repo.Volumes()
	if err != nil {
		return nil, err
	}
	there := map[memberKey]repository.Revision{}
	for _, v := range volumes {
		if !wanted[v.UUID] {
			continue
		}
		revisions, err := repo.Revisions(v)
		if err != nil {
			return nil, err
		}
		for _, rev := range revisions {
			there[memberKey{v.UUID, rev.ID}] = rev
		}
	}
	return there, nil
}
