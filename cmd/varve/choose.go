package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// address writes a revision as people type it.
func address(v revision.Name, id revision.ID) string { return v.String() + "@" + id.Short() }

// typedAddress is an address for a shell.
func typedAddress(v revision.Name, id revision.ID) string { return human.ShellWord(address(v, id)) }

// wanted is what a person wrote to name a revision: VOLUME[@REV].
type wanted struct {
	volume   revision.Name
	selector revision.Selector
	latest   bool // no selector, or one that goes by place: a person did not look at it
	named    bool // there is a selector
}

func (s *session) parseAddress(text string) (wanted, error) {
	name, selector, err := revision.SplitAddress(text)
	if err != nil {
		return wanted{}, &usageError{Text: err.Error(), Command: s.command}
	}
	named := selector != ""
	if !named {
		selector = "latest"
	}
	sel, err := revision.ParseSelector(selector, s.begun, s.zone)
	if err != nil {
		return wanted{}, &usageError{Text: err.Error(), Command: s.command}
	}
	return wanted{volume: name, selector: sel, latest: selector == "latest", named: named}, nil
}

// parsePattern reads GLOB[@REV]: a revision of each of several volumes.
func (s *session) parsePattern(text string) (revision.Glob, wanted, error) {
	pattern, selector, found := strings.Cut(text, "@")
	want := wanted{latest: !found || selector == "latest", named: found}
	glob, err := revision.ParseGlob(pattern)
	switch {
	case err != nil:
	case found && selector == "":
		err = fmt.Errorf("no revision after the @ of %q", text)
	default:
		want.selector, err = revision.ParseSelector(cmp.Or(selector, "latest"), s.begun, s.zone)
	}
	if err != nil {
		err = &usageError{Text: err.Error(), Command: s.command}
	}
	return glob, want, err
}

// choose finds the revision that an address names, and says which it is.
func (s *session) choose(repo *repository.Repository, text string) (repository.Revision, error) {
	want, err := s.parseAddress(text)
	if err != nil {
		return repository.Revision{}, err
	}
	return s.find(repo, want, revision.Nearest)
}

// chooseExactly is choose for commands that change a revision or take it away: it must be
// named, and a time names only one of that very day, minute or second.
func (s *session) chooseExactly(repo *repository.Repository, text string) (repository.Revision, error) {
	want, err := s.parseAddress(text)
	if err != nil {
		return repository.Revision{}, err
	}
	if !want.named {
		return repository.Revision{}, &usageError{
			Text: fmt.Sprintf("which revision? %s@REV names one", want.volume), Near: "varve " + s.command + " " + human.ShellWord(text+"@latest"), Command: s.command,
		}
	}
	return s.find(repo, want, revision.Strict)
}

// find finds a revision, and says which it is.
func (s *session) find(repo *repository.Repository, want wanted, strictness revision.Strictness) (repository.Revision, error) {
	v, err := repo.Volume(want.volume)
	if errors.Is(err, repository.ErrNoVolume) {
		if trashed := inTrash(repo, want); trashed != "" {
			return repository.Revision{}, &selectionError{Volume: want.volume, Trashed: trashed, Err: err}
		}
	}
	if err != nil {
		return repository.Revision{}, err
	}
	all, err := repo.Revisions(v)
	if err != nil {
		return repository.Revision{}, err
	}
	rev, err := pick(all, want.selector, strictness)
	if err != nil {
		return repository.Revision{}, &selectionError{Volume: want.volume, Trashed: inTrash(repo, want), Err: err}
	}
	s.about.volume, s.about.id = rev.Volume.Name, rev.ID
	s.about.good = newestGood(slices.DeleteFunc(slices.Clone(all), func(r repository.Revision) bool { return r.ID == rev.ID }))
	s.announce(rev)
	if rev.Info.State == repository.Suspect {
		s.warnSuspect(rev, newestGood(all), want.latest)
	}
	return rev, nil
}

// inTrash is the revision in the trash that was named by its id; empty: there is none.
func inTrash(repo *repository.Repository, want wanted) revision.ID {
	t, err := repo.FindTrashed(want.volume, want.selector.String())
	if err != nil {
		return "" // it was not found, which is told already
	}
	return t.ID
}

// pick selects among revisions.
func pick(all []repository.Revision, sel revision.Selector, strictness revision.Strictness) (repository.Revision, error) {
	candidates := make([]revision.Candidate, len(all))
	for i := range all {
		candidates[i] = all[i].Candidate()
	}
	chosen, err := revision.Select(sel, candidates, strictness)
	if err != nil {
		return repository.Revision{}, err
	}
	i := slices.IndexFunc(all, func(r repository.Revision) bool { return r.ID == chosen.ID })
	return all[i], nil
}

// newestGood is the newest revision that is neither suspect nor damaged.
func newestGood(all []repository.Revision) revision.ID {
	for i := range slices.Backward(all) {
		if c := all[i].Candidate(); c.Trusted {
			return c.ID
		}
	}
	return ""
}

func (s *session) announce(rev repository.Revision) {
	name := address(rev.Volume.Name, rev.ID)
	if rev.Statement == nil {
		s.say("%s  %s, its file is damaged", name, formatTime(rev.ID.Begun(), s.begun.In(s.zone)))
		return
	}
	s.say("%s  %s, %s", name, formatTime(rev.Statement.Begun, s.begun.In(s.zone)), human.Size(int64(rev.Statement.Size)))
}

func (s *session) warnSuspect(rev repository.Revision, good revision.ID, latest bool) {
	instead := "no revision of this volume is good"
	if good != "" {
		instead = "the newest good one is " + address(rev.Volume.Name, good) + " (latest-good)"
	}
	name := address(rev.Volume.Name, rev.ID)
	if latest {
		name = "the latest, " + name + ","
	}
	s.warn("%s IS SUSPECT: %s; %s", name, rev.Info.Reason, instead)
}
