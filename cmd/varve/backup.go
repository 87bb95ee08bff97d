package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"varve/backup"
	"varve/chunkstore"
	"varve/hook"
	"varve/internal/human"
	"varve/job"
	"varve/repository"
	"varve/revision"
)

// backupName is also what the lease of a backup says.
const backupName = "backup"

func backupCommand(s *session) *command {
	f := backupFlags{time: moment{now: s.begun.In(s.zone)}}
	return &command{
		name: backupName, group: everyDay, args: "[VOLUME] [SOURCE]",
		summary: "store a volume as it is now, as a new revision",
		about: `Reads SOURCE, a raw file, a block device or a Ceph RBD image (rbd:POOL/IMAGE),
and stores what changed since the last revision of VOLUME. The first backup of a
VOLUME makes it; later ones may leave SOURCE out, and read what the
configuration names, or what the newest revision was read from. When it says
that the revision is safe, it is: it survives a power cut.

VOLUME can be a pattern such as 'vms/*': all volumes that it fits, of the
configuration and of the repository. --all is every volume of the
configuration, --due those whose schedule says so and whose window is open. Of
several volumes each is tried, whatever came of the others; the exit code is
the gravest, in the order 3, 1, 2, 4, 0, and 1 instead of 2 where another was
backed up. An entry of the configuration that finds nothing is a failure, too,
and so is a volume of a pattern whose source is gone, until it is retired.

--set backs up a set of the configuration: its volumes are frozen together,
and their revisions become visible all at once, or none does. A pattern, --all
and --due that reach a volume of a set take all of it; a single VOLUME of a set
is refused, unless --alone says that it is to be backed up without the others.

A SOURCE that is not the one of last time is compared in a few places first:
where hardly anything agrees, nothing is done without --source-changed.

With - as SOURCE, standard input is read to its end. Together with --time, which
says when it was so, history can be brought along from elsewhere, oldest first.

An interrupted backup leaves no revision, but what it stored is found again by
the next one.`,
		example: `varve backup db1 /dev/vg/db1-snap           # the first night
varve backup db1                            # every night after
varve backup db1 --tag before-upgrade --note "as 14.2 left it"
varve backup --all                          # everything that is configured
varve backup --set shop                     # its volumes, as of one moment
varve backup --due                          # from cron, every quarter of an hour
zstdcat db1-2025-03-01.img.zst | varve backup db1 - --time 2025-03-01T02:00`,
		codes: "3  the revision is good, but stored data is damaged, a tracker lied, or the source was not thawed",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Destination: &f.all, Usage: "every volume of the configuration"},
			&cli.BoolFlag{Name: "due", Destination: &f.due, Usage: "every volume of the configuration that is due now"},
			&cli.StringFlag{Name: "set", Destination: &f.set, Usage: "every volume of the `SET` of the configuration, together"},
			&cli.BoolFlag{Name: "alone", Destination: &f.alone, Usage: "VOLUME without the others of its set"},
			&cli.GenericFlag{Name: "tag", Value: &f.tags, Usage: "give the revision a `TAG`; may be repeated"},
			&cli.StringFlag{Name: "note", Destination: &f.note, Usage: "give the revision a note, a line of `TEXT`"},
			&cli.BoolFlag{Name: "full", Destination: &f.full, Usage: "no parent: read everything, trust nothing stored"},
			&cli.BoolFlag{Name: "read-all", Destination: &f.readAll, Usage: "read everything, holes too, and store what changed"},
			&cli.GenericFlag{Name: "limit-rate", Value: &f.limitRate, DefaultText: "no limit",
				Usage: "read at most `SIZE` a second"},
			&cli.StringFlag{Name: "compression", Destination: &f.codec, DefaultText: "as the repository was made",
				Usage: "how new data is compressed: `zstd|lz4|none`"},
			&cli.BoolFlag{Name: "source-changed", Destination: &f.sourceChanged,
				Usage: "SOURCE holds something else than last time, and is meant to"},
			&cli.StringFlag{Name: "before", Destination: &f.before, Usage: "run `COMMAND` before the source is opened; if it fails, there is no backup"},
			&cli.StringFlag{Name: "after", Destination: &f.after, Usage: "run `COMMAND` at the end, whatever came of it"},
			&cli.GenericFlag{Name: "size", Value: &f.size, DefaultText: "any",
				Usage: "standard input is `SIZE` long; if it is not, what writes it has failed, and nothing is stored"},
			&cli.GenericFlag{Name: "time", Value: &f.time, DefaultText: "now",
				Usage: "SOURCE was so at `TIME`: 2025-03-01T02:00; for history that is brought along"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runBackup(ctx, s, f, args) },
	}
}

type backupFlags struct {
	all, due      bool
	set           string
	alone         bool
	tags          tags
	note          string
	full          bool
	readAll       bool
	limitRate     size
	codec         string
	sourceChanged bool
	before, after string
	size          amount
	time          moment
}

// check refuses words that do not go together.
func (f backupFlags) check(args []string) error {
	several := f.several(args)
	switch {
	case f.all && f.due, f.set != "" && (f.all || f.due):
		return errors.New("--all, --due and --set exclude each other")
	case (f.all || f.due || f.set != "") && len(args) > 0:
		return fmt.Errorf("--all, --due and --set name the volumes: %q is too much", args[0])
	case f.alone && several:
		return errors.New("--alone is for one VOLUME of a set")
	case len(args) == 0 && !several:
		return errors.New("VOLUME is missing")
	case several && len(args) > 1:
		return errors.New("several volumes have no one SOURCE")
	case f.time.After(f.time.now):
		return fmt.Errorf("--time %s is in the future", f.time.Format(time.RFC3339))
	case f.size != 0 && optional(args, 1) != "-":
		return errors.New("--size says how long standard input is: SOURCE has to be -")
	case several && (!f.time.IsZero() || f.sourceChanged):
		return errors.New("--time and --source-changed are for one volume")
	}
	return nil
}

// several tells whether flags or a pattern name the volumes.
func (f backupFlags) several(args []string) bool {
	return f.all || f.due || f.set != "" || len(args) > 0 && revision.IsGlob(args[0])
}

// hooks are those that flags name.
func (f backupFlags) hooks() hook.Hooks { return hook.Hooks{Before: f.before, After: f.after} }

func (f backupFlags) options(s *session) (backup.CreateOptions, error) {
	opts := backup.CreateOptions{
		Tags: f.tags, Note: f.note, Full: f.full, ReadAll: f.readAll, SourceChanged: f.sourceChanged, Begun: f.time.Time, StreamSize: int64(f.size),
		BytesPerSecond: int64(f.limitRate), Wait: time.Duration(s.globals.wait), Meter: new(backup.Meter), Log: s.log,
	}
	if err := checkText(s.command, "--note", f.note); err != nil {
		return opts, err
	}
	if f.codec != "" {
		codec, err := chunkstore.ParseCodec(f.codec)
		if err != nil {
			return opts, &usageError{Text: err.Error(), Command: s.command}
		}
		opts.Codec = &codec
	}
	return opts, nil
}

func runBackup(ctx context.Context, s *session, f backupFlags, args []string) (result, error) {
	if err := f.check(args); err != nil {
		return nil, &usageError{Text: err.Error(), Command: s.command, Usage: "varve backup VOLUME [SOURCE] | --all | --due | --set SET | 'GLOB'"}
	}
	opts, err := f.options(s)
	if err != nil {
		return nil, err
	}
	repo, err := s.openRepository(toWrite)
	if err != nil {
		s.tellUnreachable(ctx, err)
		return nil, err
	}
	defer s.close("close the repository", repo)
	defer s.tellTroubles(ctx, repo)
	if f.several(args) {
		return s.backUpSeveral(ctx, repo, f, optional(args, 0), opts)
	}
	return s.backUpOne(ctx, repo, f, args, opts)
}

// backUpOne does the job of one volume that was named.
func (s *session) backUpOne(ctx context.Context, repo *repository.Repository, f backupFlags, args []string, opts backup.CreateOptions) (result, error) {
	j, err := s.jobOf(args[0], optional(args, 1), opts)
	if err != nil {
		return nil, err
	}
	if err := s.checkAlone(j, f.alone); err != nil {
		return nil, err
	}
	j.Hooks = f.hooks()
	s.doing = "backup of " + j.Volume.String()
	stop := func() {}
	done := job.Do(ctx, repo, j, s.jobOptions(func(e job.Event) {
		if e.Kind != job.Opened {
			s.follow(e)
			return
		}
		s.announceBackup(e, f.full)
		stop = s.watch("reading", meterOf(opts.Meter))
	}))
	stop()
	s.good = stillGood(done)
	if done.Err != nil {
		return nil, s.inWords(done.Err)
	}
	s.about.volume, s.about.id = j.Volume, done.Created.Statement.ID
	b, err := newBacked(done.Created, done.History)
	s.noteWarnings("", b.warnings, !s.globals.quiet || err != nil)
	return b, err
}

// announceBackup says what is about to be done. Nobody is told who does not watch:
// then all that went well is one line.
func (s *session) announceBackup(opened job.Event, full bool) {
	if !isTerminal(s.stderr.w) && !s.globals.verbose {
		return
	}
	source, newest, kind := opened.Source.Path, opened.Newest, "full"
	if newest != nil && newest.Source.Path == source {
		source += " (as last time)"
	}
	if newest != nil && !full {
		kind = fmt.Sprintf("delta on %s (%s)", newest.ID.Short(), formatDay(newest.Begun, s.begun.In(s.zone)))
	}
	s.say("%s  %s  %s", opened.Volume, source, kind)
}

// backed is the result of backup.
type backed struct {
	entry
	Usually  *uint64          `json:"usually_changed"` // the median of former deltas; null: too few
	Findings []backup.Finding `json:"findings"`
	warnings []string
	first    bool // of its volume
	plan     revision.PlanKind
}

func newBacked(done *backup.Result, history []repository.Revision) (*backed, error) {
	st := done.Statement
	b := &backed{
		entry: newEntry(repository.Revision{
			Volume: repository.Volume{Name: st.Volume.Name, UUID: st.Volume.UUID}, ID: st.ID, Statement: st,
			Info: repository.Info{State: repository.Good, Tags: st.Tags, Note: st.Note},
		}),
		Findings: done.Findings, warnings: done.Warnings, first: len(history) == 0, plan: st.Plan.Kind,
	}
	if b.Findings == nil {
		b.Findings = []backup.Finding{}
	}
	if done.Left != "" {
		b.warnings = append(slices.Clone(b.warnings), "of the snapshot on "+done.Left+": "+removalOf(done.Left))
	}
	if median, known := medianChange(history); known && st.Kind == revision.Delta {
		b.Usually = &median
	}
	if len(b.Findings) == 0 {
		return b, nil
	}
	found := new(findingsError)
	for _, f := range b.Findings {
		found.Texts = append(found.Texts, f.Text)
		found.Frozen = found.Frozen || f.Kind == backup.FoundFrozen
	}
	return b, found
}

// medianChange is how much deltas of the volume usually change; unknown below three.
func medianChange(history []repository.Revision) (median uint64, known bool) {
	var changes []uint64
	for _, rev := range history {
		if rev.Statement != nil && rev.Statement.Kind == revision.Delta {
			changes = append(changes, rev.Statement.Statistics.Changed)
		}
	}
	if len(changes) < 3 {
		return 0, false
	}
	slices.Sort(changes)
	return changes[len(changes)/2], true
}

const firstRevision = "first revision of a new volume"

func (b *backed) lasting() string { return address(b.Volume, b.ID) + " is safe" }

func (b *backed) print(p *page) {
	if p.terse {
		kind := string(b.Kind)
		if b.first {
			kind = firstRevision + ", " + kind
		}
		p.line("%s safe: %s, read %s, stored %s, %s", address(b.Volume, b.ID), kind,
			human.Size(int64(b.Read)), human.Size(int64(b.Stored)), formatDuration(b.took()))
	} else {
		b.printBlock(p)
	}
	for _, w := range b.warnings {
		p.line("%s    %s", p.yellow("WARNING"), w)
	}
	for _, f := range b.Findings {
		p.line("%s    %s", p.red("FINDING"), f.Text)
	}
}

func (b *backed) printBlock(p *page) {
	p.apart(b.lasting(), formatTime(b.Begun, p.now)+", took "+formatDuration(b.took()))
	if b.first {
		p.line("%s", firstRevision)
	}
	read := "at " + human.Rate(int64(b.Read), b.took())
	if b.Holes > 0 {
		read += ", " + human.Size(int64(b.Holes)) + " " + skippedText(b.plan)
	}
	row := func(name string, n uint64, text string) {
		p.line("%-8s %9s   %s", name, human.Size(int64(n)), text)
	}
	row("read", b.Read, read)
	changed := "in " + formatCount(b.Chunks, "chunk")
	if b.Usually != nil {
		changed += " (usually " + human.Size(int64(*b.Usually)) + ")"
	}
	name := "changed"
	if b.Kind == revision.Full {
		name = "data"
	}
	row(name, b.Changed, changed)
	stored := fmt.Sprintf("patches %d, new chunks %d", b.Patches, b.NewChunks)
	if b.Found > 0 {
		stored += "; " + human.Size(int64(b.Found)) + " were here already"
	}
	row("stored", b.Stored, stored)
}
