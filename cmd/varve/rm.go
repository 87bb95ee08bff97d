package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

func rmCommand(s *session) *command {
	f := &rmFlags{}
	return &command{
		name: "rm", group: keepAndDelete, args: "VOLUME@REV...",
		summary: "take revisions away",
		about: `Takes the revisions away. What builds on them stays whole: its map is written
anew without them, and no data is moved. A pinned revision is refused.

They go into the trash, out of which varve undelete brings them back as long as
the configuration's undelete says (7d unless it does). Only then does gc make
room of what nothing else uses.

With --all, every revision of VOLUME goes, the volume itself, and what is kept for
it on RBD images. That asks for its name, or needs --confirm VOLUME.

Here, a time names only a revision of that very day, minute or second.`,
		example: `varve rm db1@k3f9
varve rm db1@k3f9 db1@p7d1 --dry-run        # what would go?
varve rm --all db1 --confirm db1            # the volume, with all it has`,
		codes: "1  a revision is pinned, or could not be taken away\n3  what builds on a revision cannot be read, and so not be written anew\n" +
			"4  the volume is being backed up",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Destination: &f.all, Usage: "take every revision of VOLUME away, and the volume"},
			&cli.StringFlag{Name: "confirm", Destination: &f.confirm, Usage: "with --all: the name of `VOLUME`, instead of being asked"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Destination: &f.dryRun, Usage: "say what would go, and change nothing"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runRm(ctx, s, f, args) },
	}
}

func mergeCommand(s *session) *command {
	f := &rmFlags{}
	return &command{
		name: "merge", group: plumbing, args: "VOLUME@REV",
		summary: "fold a revision into those that build on it",
		about: `Folds the revision into those that build on it, which then build on what it built
on. It is what rm does with a revision that is not the newest; here it must be so.

Here, a time names only a revision of that very day, minute or second.`,
		example: "varve merge db1@k3f9",
		codes:   "1  the revision is pinned\n2  nothing builds on the revision\n3  what builds on it cannot be read\n4  the volume is being backed up",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Destination: &f.dryRun, Usage: "say what would go, and change nothing"},
		},
		run: func(ctx context.Context, args []string) (result, error) {
			f.op = repository.OpMerge
			return runRm(ctx, s, f, args)
		},
	}
}

type rmFlags struct {
	all     bool
	confirm string
	dryRun  bool
	op      string // empty: rm
}

// taken is the result of rm and merge. Its fields are API.
type taken struct {
	Volume    revision.Name `json:"volume"`
	DryRun    bool          `json:"dry_run"`
	Removed   []revision.ID `json:"removed"`           // newest first; with dry_run, in no particular order
	Rewritten []revision.ID `json:"rewritten"`         // that stay, and into which others were folded
	Until     *time.Time    `json:"until"`             // when they can no longer come back; null: with dry_run
	Frees     *int64        `json:"frees"`             // bytes in packs that only they use; null: not looked up
	All       bool          `json:"all"`               // the volume went, too
	Snapshots []string      `json:"removed_snapshots"` // of RBD images
}

func runRm(ctx context.Context, s *session, f *rmFlags, args []string) (result, error) {
	if _, err := s.configuration(); err != nil {
		return nil, err // it says how long what goes can come back
	}
	repo, err := s.openRepository(toWrite)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	v, ids, err := s.toTake(repo, f, args)
	if err != nil {
		return nil, err
	}
	var images []volume.Image
	if f.all && !f.dryRun {
		revisions, err := repo.Revisions(v)
		if err != nil {
			return nil, err
		}
		images = imagesOf(revisions)
	}
	s.doing = "rm of " + quote(v.Name.String())
	wanted, _ := s.wanted(v.Name)
	opts := repository.RemoveOptions{Op: repository.OpRemove, Undelete: wanted.Undelete, Wait: time.Duration(s.globals.wait), All: f.all, Listed: f.all}
	if opts.DryRun = f.dryRun; f.op != "" {
		s.doing, opts.Op = "merge into what builds on it", f.op
	}
	done, err := repo.Remove(ctx, v, ids, opts)
	out := &taken{
		Volume: v.Name, DryRun: f.dryRun, All: f.all, Until: timeOrNil(done.Until), Snapshots: []string{},
		Removed: append([]revision.ID{}, done.Revisions...), Rewritten: append([]revision.ID{}, done.Rewritten...),
	}
	if err == nil && f.dryRun {
		if out.Frees, err = s.freedBy(ctx, repo, v, ids); err != nil {
			return nil, err
		}
		return out, nil
	}
	if err != nil {
		if len(done.Revisions) == 0 {
			return nil, err
		}
		s.good = fmt.Sprintf("%s went, and can come back; the others are as they were", formatCount(len(done.Revisions), "revision"))
		return out, err
	}
	out.Snapshots = s.letGo(ctx, repo, v, images)
	return out, nil
}

// toTake finds the revisions that words name, all of one volume.
func (s *session) toTake(repo *repository.Repository, f *rmFlags, args []string) (v repository.Volume, ids []revision.ID, err error) {
	if len(args) == 0 {
		return v, nil, &usageError{Text: "VOLUME@REV is missing", Command: s.command}
	}
	if f.all {
		return s.wholeVolume(repo, f, args)
	}
	for i, word := range args {
		rev, err := s.chooseExactly(repo, word)
		if err != nil {
			return v, nil, err
		}
		if i > 0 && rev.Volume.UUID != v.UUID {
			return v, nil, &usageError{Text: "revisions of one volume at a time", Command: s.command}
		}
		if v = rev.Volume; !slices.Contains(ids, rev.ID) {
			ids = append(ids, rev.ID)
		}
	}
	return v, ids, nil
}

// wholeVolume is a volume with all of its revisions, if a person means it.
func (s *session) wholeVolume(repo *repository.Repository, f *rmFlags, args []string) (v repository.Volume, ids []revision.ID, err error) {
	if len(args) > 1 {
		return v, nil, &usageError{Text: "surplus argument " + quote(args[1]), Command: s.command}
	}
	name, err := revision.ParseName(args[0])
	if err != nil {
		return v, nil, &usageError{Text: err.Error(), Command: s.command}
	}
	if v, err = repo.Volume(name); err != nil {
		return v, nil, err
	}
	revisions, err := repo.Revisions(v)
	if err != nil {
		return v, nil, err
	}
	for _, rev := range revisions {
		ids = append(ids, rev.ID)
	}
	if f.dryRun {
		return v, ids, nil
	}
	return v, ids, s.confirm(f.confirm, name, len(ids))
}

// confirm makes sure that a person means the whole volume.
func (s *session) confirm(given string, name revision.Name, revisions int) (err error) {
	if given == "" {
		word := human.ShellWord(name.String())
		what := fmt.Sprintf("%s and the volume %s go.", formatCount(revisions, "revision"), name)
		if given, err = s.ask(what, "its name", "varve rm --all "+word+" --confirm "+word); err != nil {
			return err
		}
	}
	if given != name.String() {
		return s.notMeant(given, "the volume's name")
	}
	return nil
}

func (t *taken) print(p *page) {
	verb := "went"
	if t.DryRun {
		verb = "would go"
	}
	names := make([]string, len(t.Removed))
	for i, id := range t.Removed {
		names[i] = address(t.Volume, id)
	}
	what := strings.Join(names, ", ")
	switch {
	case t.All:
		what = fmt.Sprintf("volume %s and its %s", t.Volume, formatCount(len(names), "revision"))
	case len(names) > 3:
		what = fmt.Sprintf("%s of %s", formatCount(len(names), "revision"), t.Volume)
	}
	if t.DryRun {
		p.line("%s; nothing was changed", p.bold(what+" "+verb))
		p.line("about %s would be free, once the trash is empty and gc has run", human.Size(*t.Frees))
		return
	}
	p.line("%s, and can come back until %s", p.bold(what+" "+verb), inProse(*t.Until, p.now))
	if len(t.Rewritten) > 0 {
		p.line("%s written anew, and as whole as before: what built on them", formatThey(len(t.Rewritten), "map", "was", "were"))
	}
	printWent(p, t.Snapshots)
	if len(names) > 0 {
		p.line("%s varve undelete %s brings it back", p.arrow(), names[0])
	}
}
