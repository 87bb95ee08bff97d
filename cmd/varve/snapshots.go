package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
	"varve/job"
	"varve/revision"
	"varve/volume"
)

func snapshotsCommand(s *session) *command {
	f := &snapshotsFlags{}
	return &command{
		name: "snapshots", group: sources, args: "[PLACE]", asks: true,
		summary: "list the snapshots that are kept on RBD images, and remove them",
		about: `Lists the snapshots that varve keeps on Ceph RBD images: those that the next
backup of a volume counts from, and those that nothing counts from any more
(orphans), each with why. PLACE is rbd:POOL, rbd:POOL/NAMESPACE or
rbd:POOL/[NAMESPACE/]IMAGE; a pool is looked at with its namespaces. Without it,
the images are looked at that volumes of the repository were read from, and those
of the configuration. What belongs to other repositories is shown, and never
removed.

--orphans removes the orphans, on the images of a volume that nobody backs up at
that moment. --remove VOLUME removes what is kept for VOLUME, the base of its next
backup too, which then reads everything. Both ask first, unless there is --yes.

What a verify reads is not seen to be in use: --orphans takes it only together
with --temporary AGE, if it is at least that old. What a restore in place can be
undone by is for you to remove, with rbd snap rm.

It needs a program that is built with Ceph, unless there is no image to look at.`,
		example: `varve snapshots
varve snapshots rbd:vms                     # on all images of the pool
varve snapshots --orphans --dry-run         # what would go?
varve snapshots --orphans --yes --temporary 2d
varve snapshots --remove db1                # the next backup of db1 reads everything`,
		codes: "1  an image could not be looked at, or a snapshot not be removed; all others were\n4  a volume is being backed up; what is kept for all others was removed",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "orphans", Destination: &f.orphans, Usage: "remove what nothing counts from any more"},
			&cli.StringFlag{Name: "remove", Destination: &f.remove, Usage: "remove what is kept for `VOLUME`"},
			&cli.GenericFlag{Name: "temporary", Value: &f.temporary, DefaultText: "never", Usage: "with --orphans: what was to be read once, too, if it is `AGE` old"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Destination: &f.dryRun, Usage: "say what would go, and change nothing"},
		},
		run: func(ctx context.Context, args []string) (result, error) {
			return runSnapshots(ctx, s, f, optional(args, 0))
		},
	}
}

type snapshotsFlags struct {
	orphans   bool
	remove    string
	temporary duration
	dryRun    bool
}

// removes tells whether anything is to go.
func (f *snapshotsFlags) removes() bool { return f.orphans || f.remove != "" }

func (f *snapshotsFlags) check() error {
	switch {
	case f.orphans && f.remove != "":
		return errors.New("--orphans and --remove exclude each other")
	case f.temporary != 0 && !f.orphans:
		return errors.New("--temporary is for --orphans")
	case f.dryRun && !f.removes():
		return errors.New("--dry-run is for --orphans and --remove")
	}
	return nil
}

// snapshots is the result of snapshots. Its fields are API.
type snapshots struct {
	DryRun    bool           `json:"dry_run"`
	Snapshots []keptEntry    `json:"snapshots"`
	Troubles  []imageTrouble `json:"troubles"`
	flags     *snapshotsFlags
}

// keptEntry is a snapshot. Its fields are API.
type keptEntry struct {
	Image      string          `json:"image"`
	Snapshot   string          `json:"snapshot"`
	Use        job.SnapshotUse `json:"use"`
	Why        string          `json:"why"`
	Repository string          `json:"repository"` // the id; empty: its name does not tell
	Volume     *revision.Name  `json:"volume"`     // null: it is none of the repository's
	UUID       string          `json:"uuid"`
	Revision   string          `json:"revision"`
	Size       int64           `json:"size"`
	Created    *time.Time      `json:"created"`
	Removed    bool            `json:"removed"` // or would be, with dry_run
	kept       volume.KeptSnapshot
}

// imageTrouble is what kept an image from being looked at, or a snapshot from being removed. Its fields are API.
type imageTrouble struct {
	Image string     `json:"image"`
	Error *jsonError `json:"error"`
	err   error
}

func runSnapshots(ctx context.Context, s *session, f *snapshotsFlags, text string) (result, error) {
	if err := f.check(); err != nil {
		return nil, &usageError{Text: err.Error(), Command: s.command}
	}
	at, err := s.parsePlace(text)
	if err != nil {
		return nil, err
	}
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	s.doing = "a look at the snapshots that are kept"
	k := &keeping{s: s, repo: repo, flags: f}
	if text != "" {
		k.typed = human.ShellWord(text)
	}
	if k.ledger, err = job.ReadLedger(repo, backupName); err != nil {
		return nil, err
	}
	out := &snapshots{DryRun: f.dryRun, flags: f, Snapshots: []keptEntry{}, Troubles: []imageTrouble{}}
	if err := k.look(ctx, at, out); err != nil {
		return nil, err
	}
	if f.removes() {
		s.doing = "removal of snapshots"
		if err := k.remove(ctx, out); err != nil {
			return nil, err
		}
	}
	return out, out.judge()
}

func (e *keptEntry) name() string {
	if e.Volume != nil && e.Revision != "" {
		if id, err := revision.ParseID(e.Revision); err == nil {
			return address(*e.Volume, id)
		}
	}
	return e.Snapshot
}

func (r *snapshots) print(p *page) {
	r.verdict(p)
	rows := [][]cell{{left("IMAGE"), left("FOR"), left("USE"), right("SIZE"), left("TAKEN"), left("WHY")}}
	for i := range r.Snapshots {
		e := &r.Snapshots[i]
		taken, use := "", string(e.Use)
		if e.Created != nil {
			taken = inProse(*e.Created, p.now)
		}
		if e.Removed {
			use = "removed"
			if r.DryRun {
				use = "would go"
			}
		}
		rows = append(rows, []cell{left(e.Image), left(e.name()), left(use), right(human.Size(e.Size)), left(taken), left(e.Why)})
	}
	if len(r.Snapshots) > 0 {
		p.table(rows)
	}
	for _, t := range r.Troubles {
		p.line("%s: %s", p.red(t.Image), t.Error.Message)
		if t.Error.Hint != "" {
			p.line("  next   %s", t.Error.Hint)
		}
	}
	base := r.count(func(e *keptEntry) bool { return e.Removed && e.Use == job.UseBase }) > 0
	switch {
	case base && r.DryRun:
		p.line("%s the next backup of %s would read everything", p.arrow(), r.flags.remove)
	case base:
		p.line("%s the next backup of %s reads everything", p.arrow(), r.flags.remove)
	case r.orphans() > 0 && !r.flags.removes():
		p.line("%s varve snapshots --orphans removes what nothing counts from any more", p.arrow())
	}
}

// verdict says what there is, or what was done.
func (r *snapshots) verdict(p *page) {
	all := formatCount(len(r.Snapshots), "snapshot")
	switch orphans := r.orphans(); {
	case r.DryRun:
		p.line("%s; nothing was changed", p.bold(formatCount(r.removed(), "snapshot")+" would go"))
	case r.flags.removes():
		p.line("%s", p.bold(r.lasting()))
	case len(r.Snapshots) == 0 && len(r.Troubles) > 0: // which say it
	case len(r.Snapshots) == 0:
		p.line("no snapshots are kept on the images that were looked at")
	case orphans > 0:
		p.line("%s", p.yellow(fmt.Sprintf("nothing counts from %d of %s any more", orphans, all)))
	default:
		p.line("%s", p.bold(all+", and no orphan among them"))
	}
}

func (r *snapshots) count(is func(*keptEntry) bool) (n int) {
	for i := range r.Snapshots {
		if is(&r.Snapshots[i]) {
			n++
		}
	}
	return n
}

func (r *snapshots) orphans() int {
	return r.count(func(e *keptEntry) bool { return e.Use == job.UseOrphan })
}

func (r *snapshots) removed() int { return r.count(func(e *keptEntry) bool { return e.Removed }) }

// lasting says what was done, where nobody can be told of it otherwise.
func (r *snapshots) lasting() string {
	n := r.removed()
	if r.DryRun {
		n = 0
	}
	return formatThey(n, "snapshot", "was removed", "were removed")
}

// judge gives an error unless all images were looked at, and all was removed that was to be.
func (r *snapshots) judge() error {
	if len(r.Troubles) == 0 {
		return nil
	}
	gravest := exitBusy
	for _, t := range r.Troubles {
		if exitOf(gravityOf(t.err)) != exitBusy {
			gravest = exitFailed
		}
	}
	return &severalError{Code: gravest, Text: fmt.Sprintf("%s: the rest was done", formatThey(len(r.Troubles), "image", "was in trouble", "were in trouble"))}
}
