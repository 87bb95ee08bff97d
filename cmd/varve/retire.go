package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

func retireCommand(s *session) *command {
	var undo bool
	return &command{
		name: "retire", group: keepAndDelete, args: "VOLUME",
		summary: "say that a volume is not backed up any more",
		about: `Says that VOLUME is not expected to be backed up any more: what watches over
backups does not miss it. Its revisions stay and can be restored; retention
applies to them as before. The next backup of it ends that, and so does --undo.
What is kept on RBD images for its next backup goes: should there be one, it reads
everything.`,
		example: `varve retire vms/vm-113
varve retire vms/vm-113 --undo              # it is expected again`,
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "undo", Destination: &undo, Usage: "expect it to be backed up again"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runRetire(ctx, s, undo, args[0]) },
	}
}

// retiredVolume is the result of retire. Its fields are API.
type retiredVolume struct {
	Volume  revision.Name `json:"volume"`
	UUID    revision.UUID `json:"uuid"`
	Retired *time.Time    `json:"retired"` // since when; null: it is not
	Changed bool          `json:"changed"`
	Removed []string      `json:"removed_snapshots"` // of RBD images
}

func runRetire(ctx context.Context, s *session, undo bool, text string) (result, error) {
	name, err := revision.ParseName(text)
	if err != nil {
		return nil, &usageError{Text: err.Error(), Command: s.command}
	}
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	v, err := repo.Volume(name)
	if _, named := s.wanted(name); named && errors.Is(err, repository.ErrNoVolume) {
		return nil, &usageError{Text: fmt.Sprintf("volume %q never had a revision: to expect none, take it out of the configuration", name), Command: s.command}
	}
	if err != nil {
		return nil, err
	}
	s.doing = "retirement of " + quote(text)
	since, err := retiredSince(repo, v, nil)
	if err != nil {
		return nil, err
	}
	out := &retiredVolume{Volume: v.Name, UUID: v.UUID, Retired: since, Removed: []string{}}
	if undo == (since == nil) {
		return out, nil
	}
	out.Changed = true
	begun := time.Now()
	e := repository.Event{Op: repository.OpRetire, Volume: v.Name, UUID: &v.UUID}
	if undo {
		e.Op, out.Retired = repository.OpUnretire, nil
		err = repo.Unretire(ctx, v)
	} else {
		var t *repository.Retirement
		if t, err = repo.Retire(ctx, v); err == nil {
			out.Retired = timeOrNil(t.At)
		}
	}
	if err != nil {
		return nil, err
	}
	e.Seconds = time.Since(begun).Seconds()
	s.record(ctx, repo, e, nil)
	if !undo {
		all, err := repo.Revisions(v)
		if err != nil {
			s.warn("where it was read from cannot be told: %v", err)
		}
		out.Removed = s.letGo(ctx, repo, v, imagesOf(all))
	}
	return out, nil
}

// retiredSince tells since when a volume has been retired; nil: it is not. The
// revisions are looked up unless they are given.
func retiredSince(repo *repository.Repository, v repository.Volume, all []repository.Revision) (*time.Time, error) {
	t, err := repo.Retirement(v)
	if t == nil || err != nil {
		return nil, err
	}
	if all == nil {
		if all, err = repo.Revisions(v); err != nil {
			return nil, err
		}
	}
	var newest *repository.Revision
	if len(all) > 0 {
		newest = &all[len(all)-1]
	}
	if !t.InForce(newest) {
		return nil, nil
	}
	return timeOrNil(t.At), nil
}

func (r *retiredVolume) print(p *page) {
	switch {
	case r.Retired == nil && !r.Changed:
		p.line("%s, and was expected to be backed up", p.bold(r.Volume.String()+" is not retired"))
	case r.Retired == nil:
		p.line("%s any more: it is expected to be backed up", p.bold(r.Volume.String()+" is not retired"))
	case !r.Changed:
		p.line("%s already, since %s", p.bold(r.Volume.String()+" is retired"), inProse(*r.Retired, p.now))
	default:
		p.line("%s: it is not expected to be backed up any more. Its revisions stay", p.bold(r.Volume.String()+" is retired"))
		printWent(p, r.Removed)
		p.line("%s varve retire %s --undo ends that, and so does a backup of it", p.arrow(), human.ShellWord(r.Volume.String()))
	}
}

// printWent tells which snapshots of images were removed.
func printWent(p *page, snapshots []string) {
	for _, name := range snapshots {
		p.line("snapshot %s was removed", name)
	}
}
