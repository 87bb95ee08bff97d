package main

import (
	"context"
	"fmt"
	"time"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

func renameCommand(s *session) *command {
	return &command{
		name: "rename", group: keepAndDelete, args: "OLD NEW",
		summary: "give a volume another name",
		about: `Renames the volume OLD to NEW, with all of its revisions. Nothing is copied, and
who reads it at that moment goes on reading. While OLD is backed up, it waits, if
--wait says so. A name that a volume has is refused, also if all revisions of
that one are in the trash.

NEW cannot hold what patterns are written with: * ? [ \

Whoever backs OLD up from then on makes a new volume of that name: change the
cron line or the configuration too.`,
		example: "varve rename db1 customers/db1",
		run: func(ctx context.Context, args []string) (result, error) {
			return runRename(ctx, s, args[0], args[1])
		},
	}
}

// renamed is the result of rename. Its fields are API.
type renamed struct {
	Was       revision.Name `json:"was"`
	Volume    revision.Name `json:"volume"`
	UUID      revision.UUID `json:"uuid"`
	Revisions int           `json:"revision_count"`
	path      string        // of its source; empty: not known
}

func runRename(ctx context.Context, s *session, oldText, newText string) (result, error) {
	var names [2]revision.Name
	for i, text := range []string{oldText, newText} {
		name, err := revision.ParseName(text)
		if err != nil {
			return nil, &usageError{Text: err.Error(), Command: s.command}
		}
		names[i] = name
	}
	if revision.IsGlob(newText) {
		return nil, &usageError{Text: fmt.Sprintf("%q would be taken for a pattern: a name has none of * ? [ \\", newText), Command: s.command}
	}
	if names[0] == names[1] {
		return nil, &usageError{Text: "that is its name already", Command: s.command}
	}
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	s.doing = "rename of " + quote(oldText)
	begun := time.Now()
	v, err := repo.Rename(ctx, names[0], names[1], time.Duration(s.globals.wait))
	if err != nil {
		return nil, err
	}
	s.record(ctx, repo, repository.Event{
		Op: repository.OpRename, Volume: v.Name, UUID: &v.UUID, Seconds: time.Since(begun).Seconds(), Detail: "was " + oldText,
	}, nil)
	out := &renamed{Was: names[0], Volume: v.Name, UUID: v.UUID}
	all, err := repo.Revisions(v)
	if err != nil {
		s.warn("its revisions cannot be listed: %v", err)
	}
	out.Revisions = len(all)
	if len(all) > 0 && all[len(all)-1].Statement != nil {
		out.path = all[len(all)-1].Statement.Source.Path
	}
	return out, nil
}

func (r *renamed) print(p *page) {
	path := ""
	if r.path != "" {
		path = human.ShellWord(r.path)
	}
	p.line("%s now, with its %s", p.bold(r.Was.String()+" is "+r.Volume.String()), formatCount(r.Revisions, "revision"))
	p.line("%s change your cron line or configuration: varve backup %s", p.arrow(), human.ShellWord(r.Volume.String())+prefixed(" ", path))
	p.line("   (varve backup %s would make a new volume of the old name)", human.ShellWord(r.Was.String()))
}
