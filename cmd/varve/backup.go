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
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

func backupCommand(s *session) *command {
	var f backupFlags
	return &command{
		name: "backup", group: everyDay, args: "VOLUME [SOURCE]",
		summary: "store a volume as it is now, as a new revision",
		about: `Reads SOURCE, a raw file or a block device, and stores what changed since the
last revision of VOLUME. The first backup of a VOLUME makes it; later ones may
leave SOURCE out, and read what the newest revision was read from. When it
says that the revision is safe, it is: it survives a power cut.

A SOURCE that is not the one of last time is compared in a few places first:
where hardly anything agrees, nothing is done without --source-changed.

An interrupted backup leaves no revision, but what it stored is found again by
the next one.`,
		example: `varve backup db1 /dev/vg/db1-snap           # the first night
varve backup db1                            # every night after
varve backup db1 --tag before-upgrade --note "as 14.2 left it"`,
		codes: "3  the revision is good, but stored data that it was compared with is damaged, or a tracker lied",
		flags: []cli.Flag{
			&cli.GenericFlag{Name: "tag", Value: &f.tags, Usage: "give the revision a `TAG`; may be repeated"},
			&cli.StringFlag{Name: "note", Destination: &f.note, Usage: "give the revision a note, any `TEXT`"},
			&cli.BoolFlag{Name: "full", Destination: &f.full, Usage: "no parent: read everything, trust nothing stored"},
			&cli.BoolFlag{Name: "source-changed", Destination: &f.sourceChanged,
				Usage: "SOURCE holds something else than last time, and is meant to"},
			&cli.BoolFlag{Name: "read-all", Destination: &f.readAll, Usage: "read everything, holes too, and store what changed"},
			&cli.GenericFlag{Name: "limit-rate", Value: &f.limitRate, DefaultText: "no limit",
				Usage: "read at most `SIZE` a second"},
			&cli.StringFlag{Name: "compression", Destination: &f.codec, DefaultText: "as the repository was made",
				Usage: "how new data is compressed: `zstd|lz4|none`"},
		},
		run: func(ctx context.Context, args []string) (result, error) {
			return runBackup(ctx, s, f, args[0], optional(args, 1))
		},
	}
}

type backupFlags struct {
	tags      tags
	note      string
	full      bool
	readAll   bool
	limitRate size
	codec     string

	sourceChanged bool
}

func (f backupFlags) options(s *session, name revision.Name) (backup.CreateOptions, error) {
	opts := backup.CreateOptions{
		Volume: name, Tags: f.tags, Note: f.note, Full: f.full, ReadAll: f.readAll, SourceChanged: f.sourceChanged,
		BytesPerSecond: int64(f.limitRate), Wait: time.Duration(s.globals.wait), Meter: new(backup.Meter), Log: s.log,
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

func runBackup(ctx context.Context, s *session, f backupFlags, volumeName, sourceText string) (result, error) {
	name, err := revision.ParseName(volumeName)
	if err != nil {
		return nil, &usageError{Text: err.Error(), Command: s.command}
	}
	opts, err := f.options(s, name)
	if err != nil {
		return nil, err
	}
	repo, err := s.openRepository(toWrite)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	s.doing = "backup of " + name.String()
	newest, history, err := newestKnown(repo, name)
	if err != nil {
		return nil, err
	}
	if sourceText == "" {
		if newest == nil {
			return nil, s.needSource(repo, name)
		}
		sourceText = "file:" + newest.Source.Path
	}
	src, err := s.openBackupSource(sourceText)
	if err != nil {
		return nil, err
	}
	s.announceBackup(name, src, newest, f.full)
	stop := s.watch("reading", meterOf(opts.Meter))
	done, err := backup.Create(ctx, repo, src, opts)
	stop()
	if err != nil {
		switch {
		case errors.Is(err, repository.ErrUndecided):
			s.good = "the revisions there were are as they were; varve log " + name.String() + " tells whether there is a new one, which is whole then"
		case !isBusy(err):
			s.good = "all revisions are as they were; packs that were finished are used by the next run"
		}
		return nil, err
	}
	for _, text := range done.Warnings {
		s.warnings.add(text)
	}
	s.about.volume, s.about.id = name, done.Statement.ID
	s.good = address(name, done.Statement.ID) + " is safe: it relies on nothing that is hurt"
	return newBacked(done, history)
}

// needSource reports a backup without SOURCE of a volume that does not tell one.
func (s *session) needSource(repo *repository.Repository, name revision.Name) error {
	what := fmt.Sprintf("volume %q has no revision that tells its source", name)
	if _, err := repo.Volume(name); errors.Is(err, repository.ErrNoVolume) {
		what = fmt.Sprintf("no such volume %q", name)
	}
	return &usageError{
		Text: fmt.Sprintf("%s: a first backup needs its SOURCE: varve backup %s /dev/…", what, name), Command: s.command,
	}
}

// announceBackup says what is about to be done. Nobody is told who does not watch:
// then all that went well is one line.
func (s *session) announceBackup(name revision.Name, src volume.Source, newest *revision.Statement, full bool) {
	if !isTerminal(s.stderr.w) && !s.globals.verbose {
		return
	}
	source, kind := src.Describe().Path, "full"
	if newest != nil && newest.Source.Path == source {
		source += " (as last time)"
	}
	if newest != nil && !full {
		kind = fmt.Sprintf("delta on %s (%s)", newest.ID.Short(), formatDay(newest.Begun, s.begun.In(s.zone)))
	}
	s.say("%s  %s  %s", name, source, kind)
}

// backed is the result of backup.
type backed struct {
	entry
	Usually  *uint64          `json:"usually_changed"` // the median of former deltas; null: too few
	Findings []backup.Finding `json:"findings"`
	warnings []string
	first    bool // of its volume
}

func newBacked(done *backup.Result, history []repository.Revision) (result, error) {
	st := done.Statement
	b := &backed{
		entry: newEntry(repository.Revision{
			Volume: repository.Volume{Name: st.Volume.Name, UUID: st.Volume.UUID}, ID: st.ID, Statement: st,
			Info: repository.Info{State: repository.Good, Tags: st.Tags, Note: st.Note},
		}),
		Findings: done.Findings, warnings: done.Warnings, first: len(history) == 0,
	}
	if b.Findings == nil {
		b.Findings = []backup.Finding{}
	}
	if median, known := medianChange(history); known && st.Kind == revision.Delta {
		b.Usually = &median
	}
	if len(b.Findings) == 0 {
		return b, nil
	}
	var texts []string
	for _, f := range b.Findings {
		texts = append(texts, f.Text)
	}
	return b, &findingsError{Texts: texts}
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
	verdict := fmt.Sprintf("%-50s", address(b.Volume, b.ID)+" is safe")
	p.line("%s %s, took %s", p.bold(verdict), formatTime(b.Begun, p.now), formatDuration(b.took()))
	if b.first {
		p.line("%s", firstRevision)
	}
	read := "at " + human.Rate(int64(b.Read), b.took())
	if b.Holes > 0 {
		read += ", " + human.Size(int64(b.Holes)) + " of holes skipped"
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
