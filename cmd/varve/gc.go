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

func gcCommand(s *session) *command {
	f := gcFlags{threshold: percent(repository.DefaultThreshold * 100)}
	return &command{
		name: "gc", group: keepAndDelete,
		summary: "free the room of what nothing needs any more",
		about: `Removes from the repository what no revision needs: packs that none names, and
revisions whose time in the trash is over. Where at least --threshold of a pack
is not needed, the rest is copied to a new pack, and the old one goes; so it does
with the sparsest packs while half of that is not needed of all. Chunks that take
more than they need, now that other revisions are gone, are stored anew.

It runs beside backups and restores. What one that was begun before may still
read stays until the next gc, and the result says who that is. On a full disk it
works too: what can go at once goes first. As long as a revision cannot be read,
nothing is removed, for it may need anything.`,
		example: `varve gc --dry-run                          # what would be freed
varve gc
varve gc --threshold 50%                    # copies less, leaves more
varve gc --empty-trash                      # nothing in the trash can come back then`,
		codes: "3  something is damaged; what is sure not to be needed was removed all the same,\n   unless the first line says that nothing was",
		flags: []cli.Flag{
			&cli.GenericFlag{Name: "threshold", Value: &f.threshold, DefaultText: "20%",
				Usage: "compact packs of which at least this `PERCENTAGE` is not needed"},
			&cli.BoolFlag{Name: "empty-trash", Destination: &f.emptyTrash, Usage: "remove all that is in the trash, for good"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Destination: &f.dryRun, Usage: "tell what would be freed, and change nothing"},
		},
		run: func(ctx context.Context, _ []string) (result, error) { return runGC(ctx, s, f) },
	}
}

type gcFlags struct {
	threshold  percent
	emptyTrash bool
	dryRun     bool
}

// share is the threshold as a part of 1: at 0%, whatever holds a dead byte is compacted.
func (f gcFlags) share() float64 { return max(float64(f.threshold)/100, 1e-9) }

// collected is the result of gc. Its fields are API. Sizes are those of packs, or of
// what lies in them.
type collected struct {
	DryRun     bool        `json:"dry_run"`
	Freed      int64       `json:"freed"`
	Removed    int         `json:"removed_packs"`
	Compacted  int         `json:"compacted_packs"`
	Copied     int64       `json:"copied"`
	Anew       int         `json:"rebuilt_chunks"`
	Rebuilt    int64       `json:"rebuilt"`
	Needed     int64       `json:"needed"`
	Dead       int64       `json:"dead"` // in packs that stay
	Purged     []gone      `json:"purged"`
	InTrash    int         `json:"in_trash"`
	Waiting    int64       `json:"waiting"`
	WaitPacks  int         `json:"waiting_packs"`
	WaitingFor []waitedFor `json:"waiting_for"`
	Revisions  int         `json:"revisions"`
	Objects    int         `json:"objects"`
	Generation uint64      `json:"generation"`
	NoRoom     bool        `json:"no_room"`
	Incomplete bool        `json:"incomplete"`
	Findings   []string    `json:"findings"`
	Seconds    float64     `json:"seconds"`
	threshold  percent
	failed     bool
}

// gone is a revision that cannot come back any more.
type gone struct {
	Volume   revision.Name `json:"volume"`
	Revision revision.ID   `json:"revision"`
	Since    *time.Time    `json:"since"` // it was taken away
}

// waitedFor is who holds up the removal of packs.
type waitedFor struct {
	Command string         `json:"command"` // empty: its lease cannot be read
	Volume  *revision.Name `json:"volume"`
	Host    string         `json:"host"`
	User    string         `json:"user"`
	PID     int            `json:"pid"`
	Since   *time.Time     `json:"since"`
}

func runGC(ctx context.Context, s *session, f gcFlags) (result, error) {
	s.doing = "gc"
	why := toWrite
	if f.dryRun {
		why = toRead
	}
	repo, err := s.openRepository(why)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	opts := repository.GCOptions{
		Threshold: f.share(), EmptyTrash: f.emptyTrash, DryRun: f.dryRun, Wait: time.Duration(s.globals.wait), Now: s.begun,
		Step: func(what string) { s.log.Info(what) },
	}
	begun := time.Now()
	found, err := repo.CollectGarbage(ctx, opts)
	if busy := new(repository.BusyError); errors.As(err, &busy) {
		return nil, err
	}
	c := newCollected(found, f, time.Since(begun))
	if c.failed = err != nil; err == nil && len(c.Findings) > 0 {
		err = &findingsError{Texts: c.Findings}
	}
	if !f.dryRun {
		s.record(ctx, repo, c.event(), err)
	}
	return c, err
}

func newCollected(r *repository.GCResult, f gcFlags, took time.Duration) *collected {
	c := &collected{
		DryRun: f.dryRun, Freed: r.FreedBytes, Removed: r.FreedPacks, Compacted: r.Compacted, Copied: r.Copied, Anew: r.Rebuilt, Rebuilt: r.RebuiltBytes, Needed: r.Live, Dead: r.Dead,
		Purged: []gone{}, InTrash: r.Kept, Waiting: r.WaitingBytes, WaitPacks: r.WaitingPacks, WaitingFor: []waitedFor{},
		Revisions: r.Revisions, Objects: r.Objects, Generation: r.After, NoRoom: r.NoRoom, Incomplete: r.Incomplete,
		Findings: []string{}, Seconds: took.Seconds(), threshold: f.threshold,
	}
	for _, t := range r.Purged {
		c.Purged = append(c.Purged, gone{t.Volume.Name, t.ID, timeOrNil(t.Since)})
	}
	for _, b := range r.Blockers {
		w := waitedFor{Command: b.Holder.Command, Host: b.Holder.Host, User: b.Holder.User, PID: b.Holder.PID, Since: timeOrNil(b.Holder.Since)}
		if b.Volume != "" {
			w.Volume = &b.Volume
		}
		c.WaitingFor = append(c.WaitingFor, w)
	}
	for _, err := range r.Findings {
		c.Findings = append(c.Findings, err.Error())
	}
	return c
}

// event is the line of the journal.
func (c *collected) event() repository.Event {
	return repository.Event{
		Op: repository.OpGC, Seconds: c.Seconds,
		Detail: fmt.Sprintf("freed %d bytes, removed %d packs, compacted %d, took %d revisions out of the trash; %d bytes wait",
			c.Freed, c.Removed, c.Compacted, len(c.Purged), c.Waiting),
	}
}

func (c *collected) print(p *page) {
	c.verdict(p)
	c.printTrash(p)
	if c.Compacted > 0 && !c.DryRun {
		p.facts("compacted", fmt.Sprintf("%s; %s of them were needed, and copied", formatCount(c.Compacted, "pack"), human.Size(c.Copied)))
	}
	if c.Anew > 0 {
		p.facts("rebuilt", fmt.Sprintf("%s stored anew, in %s", formatCount(c.Anew, "chunk"), human.Size(c.Rebuilt)))
	}
	switch {
	case c.Incomplete || c.failed:
	case c.NoRoom:
		p.line("%s  there was no room to compact more: %s that are not needed stay", p.yellow("WARNING"), human.Size(c.Dead))
	case c.Dead > 0:
		p.facts("stays", fmt.Sprintf("%s that are not needed, in packs of which they are less than %s", human.Size(c.Dead), c.threshold.String()))
	}
	c.printWaiting(p)
	for _, text := range c.Findings {
		p.line("%s    %s", p.red("FINDING"), text)
	}
}

// balance is how much more is free now.
func (c *collected) balance() string { return human.Size(max(c.Freed-c.Copied-c.Rebuilt, 0)) }

func (c *collected) verdict(p *page) {
	took := formatDuration(time.Duration(c.Seconds * float64(time.Second)))
	packs := formatCount(c.Removed, "pack")
	switch {
	case c.failed:
		p.line("%s %s before it failed: %s are removed", p.red("gc freed"), c.balance(), packs)
	case c.Incomplete:
		p.line("%s: what a revision needs cannot be read, and that may be anything", p.red("gc freed NOTHING"))
	case c.DryRun && c.Removed == 0:
		p.line("%s: %s are needed. Nothing was changed", p.bold("gc would free nothing"), human.Size(c.Needed))
	case c.DryRun:
		p.line("%s, from %s. Nothing was changed", p.bold("gc would free "+c.balance()), packs)
	case c.Removed == 0 && c.Waiting > 0:
		p.line("%s: %s wait for others to end", p.bold("gc freed nothing yet"), human.Size(c.Waiting))
	case c.Removed == 0:
		p.line("%s: there is nothing to free; %s are needed", p.bold("gc is done"), human.Size(c.Needed))
	default:
		p.line("%s: removed %s in %s; %s are needed", p.bold("gc freed "+c.balance()), packs, took, human.Size(c.Needed))
	}
}

func (c *collected) printTrash(p *page) {
	text := ""
	switch purged := formatCount(len(c.Purged), "revision"); {
	case len(c.Purged) > 0 && c.DryRun:
		text = purged + " would go for good"
	case len(c.Purged) > 0:
		text = purged + " went for good"
	}
	if c.InTrash > 0 {
		text += prefixed(map[bool]string{true: "; "}[text != ""], formatCount(c.InTrash, "revision")+" can still come back")
	}
	p.facts("trash", text)
}

func (c *collected) printWaiting(p *page) {
	if c.WaitPacks == 0 {
		return
	}
	p.facts("waiting", fmt.Sprintf("%s in %s, which these may still read:", human.Size(c.Waiting), formatCount(c.WaitPacks, "pack")))
	for _, w := range c.WaitingFor {
		what := "somebody whose lease cannot be read"
		if w.Command != "" {
			what = w.Command
			if w.Volume != nil {
				what += " of " + w.Volume.String()
			}
			what += fmt.Sprintf(", pid %d on %s, user %s", w.PID, w.Host, w.User)
			if w.Since != nil {
				what += ", since " + inProse(*w.Since, p.now)
			}
		}
		p.line("%-*s %s", factsAt-1, "", what)
	}
	p.line("%s the next gc removes them, once these have ended", p.arrow())
}
