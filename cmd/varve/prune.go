package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"varve/job"
	"varve/repository"
	"varve/retention"
	"varve/revision"
)

func pruneCommand(s *session) *command {
	f := &pruneFlags{}
	return &command{
		name: "prune", group: keepAndDelete, args: "[VOLUME]...",
		summary: "take away what the rules do not keep",
		about: `Takes away, of each VOLUME or else of all, the revisions that no rule keeps. The
rules are those under keep in the configuration; flags stand for all of them.
Pinned revisions stay, and so do the newest and the newest good one. What is
suspect or damaged pushes nothing out. varve.yaml(5) and docs/retention.md say
exactly what stays.

What goes can come back for a while: varve log --deleted lists it. gc makes room
after that. Chains that are longer than max_chain get a full, without a read.

With --dry-run, a calendar shows what would go and why the rest stays.`,
		example: `varve prune --dry-run db1                   # what would go, and why does the rest stay?
varve prune                                 # all volumes, by the configuration
varve prune db1 --keep-last 3 --keep-daily 7 --keep-tag release`,
		codes: "2  no rule says what to keep of a VOLUME, or of none at all\n3  what builds on a revision cannot be read, and so not be written anew\n" +
			"4  a volume is being backed up: it was passed over, the others were not",
		flags: append(f.rules.flags(),
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Destination: &f.dryRun, Usage: "show the calendar, and change nothing"}),
		run: func(ctx context.Context, args []string) (result, error) { return runPrune(ctx, s, f, args) },
	}
}

type pruneFlags struct {
	dryRun bool
	rules  ruleFlags
}

// ruleFlags are keep rules as they are typed.
type ruleFlags struct {
	counts map[string]*int
	within duration
	tags   cli.StringSlice
}

// counted are the rules that are numbers, as their flags end.
var counted = []string{"last", "hourly", "daily", "weekly", "monthly", "yearly"}

func (f *ruleFlags) flags() (flags []cli.Flag) {
	f.counts = map[string]*int{}
	for _, name := range counted {
		n := new(int)
		f.counts[name] = n
		usage := "keep the newest of each of `N` " + map[string]string{
			"hourly": "hours", "daily": "days", "weekly": "weeks", "monthly": "months", "yearly": "years",
		}[name]
		if name == "last" {
			usage = "keep the newest `N`"
		}
		flags = append(flags, &cli.IntFlag{Name: "keep-" + name, Destination: n, Usage: usage})
	}
	return append(flags,
		&cli.GenericFlag{Name: "keep-within", Value: &f.within, Usage: "keep all of the last `DURATION`, such as 48h"},
		&cli.StringSliceFlag{Name: "keep-tag", Destination: &f.tags, Usage: "keep what has the tag `T`"})
}

// typed gives the rules that were typed; none: is zero.
func (f *ruleFlags) typed() (retention.Rules, error) {
	r := retention.Rules{
		Last: *f.counts["last"], Hourly: *f.counts["hourly"], Daily: *f.counts["daily"], Weekly: *f.counts["weekly"],
		Monthly: *f.counts["monthly"], Yearly: *f.counts["yearly"], Within: time.Duration(f.within),
	}
	for _, tag := range f.tags.Value() {
		if _, err := retention.ParseTag(tag); err != nil {
			return r, err
		}
		r.Tags = append(r.Tags, tag)
	}
	return r, nil
}

// pruned is the result of prune. Its fields are API.
type pruned struct {
	DryRun  bool           `json:"dry_run"`
	Volumes []prunedVolume `json:"volumes"`
}

// prunedVolume is what was done, or would be, to one volume.
type prunedVolume struct {
	Volume    revision.Name  `json:"volume"`
	Rules     string         `json:"rules"`
	From      string         `json:"rules_from"` // where they stand
	Removed   []revision.ID  `json:"removed"`    // newest first; with dry_run, what would go, oldest first
	Kept      []keptRevision `json:"kept"`
	Rewritten []revision.ID  `json:"rewritten"`
	Fulls     []revision.ID  `json:"fulls"` // made of deltas, without a read
	Until     *time.Time     `json:"until"` // when what went can no longer come back; null: nothing went
	Frees     *int64         `json:"frees"` // bytes in packs that only they use; null: not looked up
	Error     *string        `json:"error"`
	plan      retention.Plan
	undelete  time.Duration
	err       error
}

// keptRevision is one that stays, and why.
type keptRevision struct {
	Revision revision.ID `json:"revision"`
	Reasons  []string    `json:"reasons"`
}

func runPrune(ctx context.Context, s *session, f *pruneFlags, args []string) (result, error) {
	typed, err := f.rules.typed()
	if err != nil {
		return nil, &usageError{Text: err.Error(), Command: s.command}
	}
	if _, err := s.configuration(); err != nil {
		return nil, err // it says what stays, and how long what goes can come back
	}
	mode := toWrite
	if f.dryRun {
		mode = toList
	}
	repo, err := s.openRepository(mode)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	volumes, err := s.volumesNamed(repo, args)
	if err != nil {
		return nil, err
	}
	s.doing = "prune"
	out := &pruned{DryRun: f.dryRun, Volumes: []prunedVolume{}}
	ruled := 0
	for _, v := range volumes {
		p, from := s.pruning(v.Name, typed)
		if p.DryRun = f.dryRun; p.Rules.IsZero() && len(args) == 0 {
			continue
		}
		ruled++
		one := newPrunedVolume(job.Prune(ctx, repo, v, p, s.begun.In(s.zone)), p, from)
		if f.dryRun && one.err == nil && len(volumes) == 1 {
			if one.Frees, err = s.freedBy(ctx, repo, v, one.Removed); err != nil {
				return nil, err
			}
		}
		out.Volumes = append(out.Volumes, one)
		if ctx.Err() != nil {
			break
		}
	}
	if ruled == 0 {
		return nil, noRules(s.command)
	}
	return out, out.judge(s.command)
}

func noRules(command string) error {
	return &usageError{
		Text:    "no rule says what to keep: write keep into the configuration, or type --keep-last 3 --keep-daily 7 and the like",
		Command: command, Usage: "varve prune [VOLUME]... --keep-last N --keep-daily N",
	}
}

// volumesNamed finds the volumes that are named; if none is, all that can be read.
func (s *session) volumesNamed(repo *repository.Repository, args []string) (volumes []repository.Volume, err error) {
	if len(args) == 0 {
		volumes, err = repo.Volumes()
		if err != nil {
			s.warn("%v", err) // the others are there
		}
		return volumes, nil
	}
	for _, word := range args {
		name, err := revision.ParseName(word)
		if err != nil {
			return nil, &usageError{Text: err.Error(), Command: s.command}
		}
		v, err := repo.Volume(name)
		if err != nil {
			return nil, err
		}
		volumes = append(volumes, v)
	}
	return volumes, nil
}

// pruning is what is configured of a volume; rules that were typed stand for those.
func (s *session) pruning(name revision.Name, typed retention.Rules) (p job.Pruning, from string) {
	wanted, configured := s.wanted(name)
	p = job.Pruning{
		Rules: wanted.Keep, Undelete: wanted.Undelete, MaxChain: wanted.MaxChain, FullEvery: wanted.FullEvery,
		Wait: time.Duration(s.globals.wait),
	}
	switch {
	case !typed.IsZero():
		p.Rules, from = typed, "the command line"
	case configured:
		from = "the configuration"
	}
	return p, from
}

func newPrunedVolume(done job.Pruned, p job.Pruning, from string) prunedVolume {
	one := prunedVolume{
		Volume: done.Volume.Name, Rules: p.Rules.String(), From: from, plan: done.Plan, undelete: p.Undelete, err: done.Err,
		Removed: []revision.ID{}, Kept: []keptRevision{}, Rewritten: []revision.ID{}, Fulls: append([]revision.ID{}, done.Fulls...),
	}
	if p.DryRun {
		one.Removed = append(one.Removed, done.Plan.Going()...)
	}
	for _, d := range done.Plan.Decisions {
		if !d.Stays() {
			continue
		}
		kept := keptRevision{Revision: d.ID}
		for _, r := range d.Reasons {
			kept.Reasons = append(kept.Reasons, r.String())
		}
		one.Kept = append(one.Kept, kept)
	}
	if r := done.Removed; r != nil {
		one.Removed, one.Rewritten = append(one.Removed, r.Revisions...), append(one.Rewritten, r.Rewritten...)
		if len(r.Revisions) > 0 {
			one.Until = timeOrNil(r.Until)
		}
	}
	if done.Err != nil {
		text := done.Err.Error()
		one.Error = &text
	}
	return one
}

// freedBy tells what revisions free if they go together.
func (s *session) freedBy(ctx context.Context, repo *repository.Repository, v repository.Volume, ids []revision.ID) (*int64, error) {
	freed, unique, err := repo.Freed(ctx, v, ids)
	if err != nil {
		return nil, err
	}
	for _, unread := range unique.Unread {
		s.warn("what is freed is told too large: %v", unread)
	}
	return &freed, nil
}

// judge gives the gravest error.
func (r *pruned) judge(command string) error {
	worst, failed := job.Well, []error{}
	for i := range r.Volumes {
		err := r.Volumes[i].err
		if err == nil {
			continue
		}
		if errors.Is(err, retention.ErrNoRules) {
			err = fmt.Errorf("volume %s: %w", quote(r.Volumes[i].Volume.String()), noRules(command))
		}
		failed = append(failed, err)
		worst = max(worst, gravityOf(err))
	}
	if len(failed) == 0 || len(r.Volumes) == 1 {
		return errors.Join(failed...)
	}
	if worst == job.Misuse && len(failed) < len(r.Volumes) {
		worst = job.Failed // misuse is that nothing was done
	}
	return &severalError{
		Code: exitOf(worst), Err: errors.Join(failed...),
		Text: fmt.Sprintf("%d of %s did not go well: %v", len(failed), formatCount(len(r.Volumes), "volume"), errors.Join(failed...)),
	}
}

func (r *pruned) print(p *page) {
	for i := range r.Volumes {
		if r.DryRun && r.Volumes[i].err == nil {
			r.Volumes[i].calendar(p, len(r.Volumes) > 1)
		} else {
			r.Volumes[i].print(p)
		}
	}
}

func (v *prunedVolume) print(p *page) {
	switch {
	case v.err != nil && len(v.Removed) == 0:
		p.line("%s was left as it was", p.red(v.Volume.String()))
		return
	case len(v.Removed) == 0:
		p.line("%s: nothing goes, %s", p.bold(v.Volume.String()), formatThey(len(v.Kept), "revision", "stays", "stay"))
	default:
		p.line("%s: %s went, %s; they can come back until %s",
			p.bold(v.Volume.String()), formatCount(len(v.Removed), "revision"), formatThey(len(v.Kept), "revision", "stays", "stay"), inProse(*v.Until, p.now))
	}
	if len(v.Fulls) > 0 {
		p.line("   %s made of deltas, without a read: chains stay short", formatCount(len(v.Fulls), "full"))
	}
}
