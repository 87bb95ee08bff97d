package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
	"varve/scrub"
)

const scrubName = "scrub"

func scrubCommand(s *session) *command {
	f := new(scrubFlags)
	return &command{
		name: scrubName, group: areWe, args: "[VOLUME]...",
		summary: "look for damage in all that is stored, and say exactly what it means",
		about: `Looks first whether every file of the repository is there and whole, whether maps
and chains hold, and whether all they name is listed; --light ends there, and
takes as long as there is metadata. Then every stored byte is read once, however
many revisions share it, and patched chunks are put together and held against
their content ids. With VOLUMEs, only what these need is looked at.

Each finding says which bytes of which revisions are lost: none where another
copy stands in. Revisions that have lost something are damaged from then on, and
the next backup stores the lost chunks anew; those of which all is right are
proven. TROUBLE is what could not be read this time, and condemns nothing.

--repair then makes good what has good bytes still in the repository: files of
their copies, objects of packs that cannot be opened, or of other places that
hold the same. --repair-from-source also asks what each volume was last read
from, as far as it still holds what was lost, and --repair-from-repo another
repository, a copy of this one or one that backs up the same volumes. What a
revision holds never changes; one counts again once it was read back whole.
Damaged files are put aside in damage/evidence. Without these flags nothing is
repaired; nothing is ever removed.

The repository remembers when each pack was last proven. So --older-than 30d,
each night, reads about a thirtieth and comes round in a month; with
--max-duration too, what waits longest goes first. A scrub that was cut off,
or that could not read something, is gone on with by --resume. It runs beside
backups and gc.`,
		example: `varve scrub                                 # read everything
varve scrub --light                         # all but content: seconds to a minute
varve scrub --older-than 30d --max-duration 2h      # each night
varve scrub --sample 10% --limit-rate 100MiB
varve scrub db1                             # what one volume needs
varve scrub --resume                        # where the last one was cut off
varve scrub db1 --repair-from-source        # what its source still holds comes back
varve scrub --repair-from-repo /mnt/replica # what a second repository has`,
		codes: "1  something could not be read; no damage was found\n3  damage was found, whether or not it was repaired",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "light", Destination: &f.light, Usage: "read no content"},
			&cli.GenericFlag{Name: "sample", Value: &f.sample, DefaultText: "all", Usage: "read this `PERCENTAGE` of the packs, others each time"},
			&cli.GenericFlag{Name: "older-than", Value: &f.olderThan, DefaultText: "whatever its age",
				Usage: "read only what was not proven for `DURATION`"},
			&cli.GenericFlag{Name: "max-duration", Value: &f.maxDuration, DefaultText: "no limit", Usage: "begin with nothing more after `DURATION`"},
			&cli.GenericFlag{Name: "limit-rate", Value: &f.limitRate, DefaultText: "no limit", Usage: "read at most `SIZE` a second"},
			&cli.BoolFlag{Name: "resume", Destination: &f.resume, Usage: "go on with the scrub that was cut off, as it was asked for"},
			&cli.BoolFlag{Name: "repair", Destination: &f.repair, Usage: "make good what the repository itself has good copies of"},
			&cli.BoolFlag{Name: "repair-from-source", Destination: &f.fromSource, Usage: "and what the volumes' sources still hold"},
			&cli.StringFlag{Name: "repair-from-repo", Destination: &f.fromRepo, Usage: "and what the repository `REPO` has"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runScrub(ctx, s, f, args) },
	}
}

type scrubFlags struct {
	light       bool
	sample      percent
	olderThan   duration
	maxDuration duration
	limitRate   size
	resume      bool
	repair      bool
	fromSource  bool
	fromRepo    string
}

// check refuses flags that exclude each other.
func (f *scrubFlags) check(s *session, args []string) error {
	misuse := func(text string) error { return &usageError{Text: text, Command: s.command} }
	switch {
	case f.light && (f.sample != 0 || f.olderThan != 0 || f.maxDuration != 0 || f.limitRate != 0 || f.resume):
		return misuse("--light reads no content: the other flags say how much of that")
	case f.resume && (f.sample != 0 || f.olderThan != 0 || len(args) > 0):
		return misuse("--resume goes on with what was asked for: it takes no VOLUME, --sample or --older-than")
	case f.sample < 0 || f.sample > 100:
		return misuse("--sample is a part of all: 10%")
	}
	return nil
}

// goOn is the command that goes on with a scrub that was interrupted; empty: nothing was read that
// it could pass over.
func (f *scrubFlags) goOn(repo *repository.Repository) string {
	if left, err := repo.UnfinishedScrub(); f.light || left == nil || err != nil {
		return ""
	}
	text := "varve scrub --resume"
	if f.repair {
		text += " --repair"
	}
	if f.fromSource {
		text += " --repair-from-source"
	}
	if f.fromRepo != "" {
		text += " --repair-from-repo " + human.ShellWord(f.fromRepo)
	}
	return text
}

func (f *scrubFlags) options(s *session) scrub.Options {
	return scrub.Options{
		Light: f.light, Sample: float64(f.sample) / 100, OlderThan: time.Duration(f.olderThan), MaxDuration: time.Duration(f.maxDuration),
		Resume: f.resume, BytesPerSecond: int64(f.limitRate), Meter: new(scrub.Meter), Log: s.log,
		Step: func(what string) { s.log.Info("scrub", "step", what) },
	}
}

func runScrub(ctx context.Context, s *session, f *scrubFlags, args []string) (result, error) {
	if err := f.check(s, args); err != nil {
		return nil, err
	}
	why := toRead
	if f.wantsRepair() {
		why = toWrite
	}
	repo, err := s.openRepository(why)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	opts := f.options(s)
	if len(args) > 0 {
		if opts.Volumes, err = s.volumesNamed(repo, args); err != nil {
			return nil, err
		}
	}
	var other *repository.Repository
	if f.fromRepo != "" { // before anything is read, which may take hours
		if sameDirectory(s.globals.repo, f.fromRepo) {
			return nil, &usageError{Text: fmt.Sprintf("--repair-from-repo %q: this is the repository itself, and has nothing that it has not", f.fromRepo), Command: s.command}
		}
		if other, err = s.openOther(f.fromRepo); err != nil {
			return nil, err
		}
		defer s.close("close the other repository", other)
	}
	s.doing = scrubName
	begun := time.Now()
	stop := s.watch("scrubbing", func() sample {
		return sample{done: opts.Meter.Done.Load(), total: opts.Meter.Total.Load(), findings: opts.Meter.Findings.Load()}
	})
	report, err := scrub.Run(ctx, repo, opts)
	stop()
	if errors.Is(err, scrub.ErrNothingToResume) {
		return nil, &usageError{Text: "no scrub was cut off: there is nothing to go on with", Command: s.command}
	}
	if err != nil {
		s.about.goOn = f.goOn(repo)
		s.record(ctx, repo, repository.Event{Op: repository.OpScrub, Seconds: time.Since(begun).Seconds()}, err)
		return nil, err
	}
	if report.Unprotected != nil && !isFrozen(s.globals.repo, report.Unprotected) {
		s.warn("reading without a lease (%v): a gc that runs at the same time may take away what is being read", report.Unprotected)
	}
	r := newScrubbed(report, s.about.repo)
	failure := r.failure()
	if f.wantsRepair() {
		if r.Repair, err = f.runRepair(ctx, s, repo, other, opts.Volumes, report); err != nil {
			s.record(ctx, repo, r.event(time.Since(begun), false), err)
			return r, err
		}
		failure = r.failure()
	}
	s.record(ctx, repo, r.event(time.Since(begun), failure != nil), failure)
	return r, failure
}

// A scrubError reports that a scrub found something.
type scrubError struct {
	Text     string
	Damaged  bool   // else, something could not be read
	Lost     bool   // bytes of revisions are lost
	Repaired bool   // and all of it was repaired
	Next     string // the command that may repair the gravest of it; empty: none is known
}

func (e *scrubError) Error() string { return e.Text }

// scrubbed is the result of scrub. Its fields are API.
type scrubbed struct {
	Light       bool           `json:"light"`
	Finished    bool           `json:"finished"` // nothing is left of what was to be read
	Volumes     int            `json:"volumes"`
	Revisions   int            `json:"revisions"`
	Objects     int            `json:"objects"`
	Packs       int            `json:"packs"`
	Stored      int64          `json:"stored"` // bytes of these
	Images      int64          `json:"images"` // bytes of the newest image of each volume
	DuePacks    int            `json:"due_packs"`
	ReadPacks   int            `json:"read_packs"`
	Read        int64          `json:"read"` // bytes of packs
	LightTook   float64        `json:"light_seconds"`
	DeepTook    float64        `json:"deep_seconds"`
	Proven      int            `json:"proven"` // revisions that were marked so
	Oldest      *time.Time     `json:"oldest_unproven"`
	Damage      int            `json:"damage_count"`
	Trouble     int            `json:"trouble_count"`
	Findings    []scrubFinding `json:"findings"`
	Lost        []scrubLoss    `json:"lost"`   // by all findings together
	Repair      *scrubRepair   `json:"repair"` // null: it was not asked for
	unrecorded  bool
	place       string
	alone       bool // something is hurt, and nothing else here is like it
	wholeVolume int  // volumes that have lost nothing
}

// scrubFinding is one finding. Its fields are API.
type scrubFinding struct {
	Number   int                  `json:"number"`
	Grade    scrub.Grade          `json:"grade"`
	Kind     scrub.Kind           `json:"kind"`
	Path     known[string]        `json:"path"` // in the repository
	Offset   int64                `json:"offset"`
	Length   known[int64]         `json:"length"`
	Pack     known[string]        `json:"pack"`
	Objects  []scrubObject        `json:"objects"`
	Volume   known[revision.Name] `json:"volume"`
	Revision known[revision.ID]   `json:"revision"`
	Cause    string               `json:"cause"`
	Do       string               `json:"do"`    // the command that may repair it; empty: none is known
	Twice    bool                 `json:"twice"` // it was read again, and came out the same
	Found    time.Time            `json:"found"`
	Lost     []scrubLoss          `json:"lost"`
	from     string               // where good bytes may come from, for people
}

// scrubObject is a hurt or missing object. Its fields are API.
type scrubObject struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	Offset    int64    `json:"offset"`
	Length    int      `json:"length"`
	Elsewhere []string `json:"elsewhere"` // packs that have a good copy
}

// scrubLoss is what a revision has lost. Its fields are API.
type scrubLoss struct {
	Volume   revision.Name       `json:"volume"`
	Revision revision.ID         `json:"revision"`
	Begun    time.Time           `json:"begun"`
	Bytes    int64               `json:"bytes"`
	Whole    bool                `json:"whole"` // it cannot be opened
	Extents  []repository.Extent `json:"extents"`
}

func newScrubbed(r *scrub.Report, place string) *scrubbed {
	s := &scrubbed{
		Light: r.Light, Finished: r.Finished, Volumes: r.Volumes, Revisions: r.Revisions, Objects: r.Objects, Packs: r.Packs, Stored: r.Stored,
		Images: r.Images, DuePacks: r.Due, ReadPacks: r.Read, Read: r.ReadBytes, LightTook: r.LightTook.Seconds(), DeepTook: r.DeepTook.Seconds(),
		Proven: r.Proven, Oldest: timeOrNil(r.Oldest), Damage: r.Count(scrub.Damage), Trouble: r.Count(scrub.Trouble),
		Findings: []scrubFinding{}, Lost: newScrubLosses(r.Losses()), unrecorded: r.Unrecorded, place: place,
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		s.Findings = append(s.Findings, newScrubFinding(f))
		s.alone = s.alone || f.Grade == scrub.Damage && (f.Alone || f.Kind == scrub.Frame && len(f.Objects[0].Elsewhere) == 0)
	}
	hurt := map[revision.Name]bool{}
	for _, l := range s.Lost {
		hurt[l.Volume] = true
	}
	s.wholeVolume = max(s.Volumes-len(hurt), 0)
	return s
}

func newScrubFinding(f *scrub.Finding) scrubFinding {
	out := scrubFinding{
		Number: f.Number, Grade: f.Grade, Kind: f.Kind, Path: known[string]{f.Path}, Offset: f.Offset, Length: known[int64]{f.Length},
		Objects: []scrubObject{}, Volume: known[revision.Name]{f.Volume.Name}, Revision: known[revision.ID]{f.Revision},
		Cause: f.Cause, Twice: f.Twice, Found: f.Found, Lost: newScrubLosses(f.Lost),
	}
	if !f.Pack.IsZero() {
		out.Pack.is = f.Pack.String()
	}
	for _, o := range f.Objects {
		object := scrubObject{ID: o.ID.String(), Kind: o.Kind.String(), Offset: o.Offset, Length: o.Stored, Elsewhere: []string{}}
		for _, pack := range o.Elsewhere {
			object.Elsewhere = append(object.Elsewhere, pack.String())
		}
		out.Objects = append(out.Objects, object)
	}
	if f.Grade == scrub.Damage {
		out.from, out.Do = remedyOf(f)
	}
	return out
}

func newScrubLosses(losses []scrub.Loss) []scrubLoss {
	out := []scrubLoss{}
	for i := range losses {
		l := &losses[i]
		loss := scrubLoss{Volume: l.Volume.Name, Revision: l.Revision, Begun: l.Begun, Bytes: l.Bytes(), Whole: l.Whole, Extents: l.Extents}
		if loss.Extents == nil {
			loss.Extents = []repository.Extent{}
		}
		out = append(out, loss)
	}
	return out
}

// failure is what the scrub came to, as an error; nil: all is well.
func (r *scrubbed) failure() error {
	if r.Damage == 0 && r.Trouble == 0 && (r.Repair == nil || r.Repair.whole()) {
		return nil
	}
	failure := &scrubError{Text: r.sum(), Damaged: r.Damage > 0, Lost: len(r.Lost) > 0, Next: r.next()}
	if r.Repair != nil {
		failure.Text += "; " + r.Repair.sum()
		failure.Damaged = failure.Damaged || !r.Repair.whole()
		failure.Lost, failure.Repaired = failure.Lost && !r.isMended(), r.isMended()
	}
	return failure
}

// isMended tells whether a repair left nothing. Of a volume of which nothing is there, a repair knows
// nothing; a scrub does, by the journal.
func (r *scrubbed) isMended() bool {
	return r.Repair.whole() && !slices.ContainsFunc(r.Findings, func(f scrubFinding) bool {
		return f.Kind == scrub.Revision && !slices.ContainsFunc(r.Repair.Items, func(m scrubMending) bool { return m.Path == f.Path.is && m.From.is != "" })
	})
}

// next is the command that may repair the gravest of what is hurt still.
func (r *scrubbed) next() string {
	if r.Repair != nil {
		return r.Repair.next()
	}
	for i := range r.Findings {
		if do := r.Findings[i].Do; do != "" {
			return do
		}
	}
	return ""
}

// event is the line of the journal; told: with a failure, which has the verdict.
func (r *scrubbed) event(took time.Duration, told bool) repository.Event {
	what := "deep"
	if r.Light {
		what = "light"
	}
	event := repository.Event{
		Op: repository.OpScrub, Seconds: took.Seconds(), Read: r.Read,
		Detail: fmt.Sprintf("%s: read %d of %s, %s proven", what, r.ReadPacks, formatCount(r.Packs, "pack"), formatCount(r.Proven, "revision")),
	}
	if told {
		return event
	}
	event.Detail += "; " + r.sum()
	if r.Repair != nil {
		event.Detail += "; " + r.Repair.sum()
	}
	return event
}
