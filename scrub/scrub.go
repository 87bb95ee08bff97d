package scrub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// Run looks through a repository. It runs beside backups and gc, and holds a lease. What is
// found does not fail it: it is in the report, and in the repository, as far as that takes
// writes: hurt copies are remembered, revisions that lost something are damaged, and those
// of which all was read and found right are proven. After an error, and after ctx has ended,
// what was proven stays so.
func Run(ctx context.Context, repo *repository.Repository, opts Options) (_ *Report, err error) {
	s := &scrub{repo: repo, opts: opts.withDefaults(), damaged: map[chunkstore.Copy]bool{}, doubted: map[chunkstore.ID]bool{}, packs: map[chunkstore.PackID]*Finding{}}
	s.begun = s.opts.Now().UTC().Truncate(time.Second)
	s.report = &Report{Begun: s.begun, Light: opts.Light}
	if opts.Resume {
		if err := s.resume(); err != nil {
			return nil, err
		}
	}
	if s.reader, err = repo.NewReader(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.reader.Close()) }()
	s.born, s.report.Unprotected = s.opts.Now(), s.reader.Unprotected()
	if err := s.told(); err != nil {
		return nil, err
	}
	if err := s.light(ctx); err != nil {
		return nil, fmt.Errorf("look through the repository: %w", err)
	}
	if !opts.Light {
		if err := s.deep(ctx); err != nil {
			return nil, fmt.Errorf("read the packs: %w", err)
		}
	}
	if err := s.conclude(ctx); err != nil {
		return nil, fmt.Errorf("find out what is lost: %w", err)
	}
	return s.report, nil
}

// scrub is one run.
type scrub struct {
	repo   *repository.Repository
	opts   Options
	begun  time.Time // of what counts as this scrub: with Resume, the one that was cut off
	report *Report

	reader *repository.Reader
	born   time.Time // when the reader was
	in     *repository.Inspection
	limit  *rate.Limiter // nil: none

	proofs  repository.Proofs
	seed    uint64                     // of the sample
	resumed bool                       // with proofs since begun
	fresh   proofBatch                 // of packs, that are not recorded yet
	read    map[chunkstore.PackID]bool // whole, by this run
	end     time.Time                  // when to begin with nothing more; zero: never

	findings []*Finding
	packs    map[chunkstore.PackID]*Finding // about packs as a whole
	hurt     []hurtCopy                     // found now, or known before
	recorded int                            // of these, that are remembered
	damaged  map[chunkstore.Copy]bool       // of these
	doubted  map[chunkstore.ID]bool         // objects of which other copies could not be read
	before   map[chunkstore.Copy]bool       // that were known before this scrub
	wrong    []repository.BadStack          // chunks that come out wrong, of objects that are right
	unseen   bool                           // packs, or some of them, could not be listed or looked into
	troubled bool                           // something could not be read: a scrub that comes later has to
}

// hurtCopy is a copy of an object that is not what it should be.
type hurtCopy struct {
	object  Object
	pack    chunkstore.PackID
	finding *Finding
}

// find adds a finding.
func (s *scrub) find(f Finding) *Finding {
	if f.Found.IsZero() {
		f.Found = s.opts.Now().UTC().Truncate(time.Second)
	}
	if f.Grade != Note {
		s.opts.Meter.Findings.Add(1)
	}
	s.troubled = s.troubled || f.Grade == Trouble
	s.findings = append(s.findings, &f)
	return &f
}

// light is all but content.
func (s *scrub) light(ctx context.Context) (err error) {
	begun := s.opts.Now()
	s.in, err = s.reader.Inspect(ctx, repository.InspectOptions{Volumes: s.opts.Volumes, Fault: s.fault, Step: s.opts.Step})
	if err != nil {
		return err
	}
	missing, err := s.in.Missing(ctx)
	if err != nil {
		return err
	}
	s.miss(missing)
	r := s.report
	r.Volumes, r.Revisions, r.Objects, r.Images = s.in.Volumes, s.in.Revisions, s.in.Objects, s.in.Images
	r.Packs = len(s.in.Packs)
	for _, p := range s.in.Packs {
		r.Stored += p.Size
	}
	r.LightTook = s.opts.Now().Sub(begun)
	return nil
}

// fault makes a finding of what the repository says of itself.
func (s *scrub) fault(f repository.Fault) {
	finding := Finding{
		Grade: gradeOf(f.Err), Kind: Kind(f.Kind), Path: f.Path, Pack: f.Pack, Volume: f.Volume, Revision: f.Revision, Alone: f.Alone, Cause: causeOf(f.Err),
	}
	if f.Harmless {
		finding.Grade = Note
	}
	if corrupt := new(chunkstore.CorruptError); errors.As(f.Err, &corrupt) {
		finding.Offset = corrupt.Offset
	}
	if corrupt := new(revision.CorruptError); errors.As(f.Err, &corrupt) {
		finding.Offset = corrupt.Offset
	}
	if f.Kind == repository.FaultRevision {
		finding.Lost = []Loss{{Volume: f.Volume, Revision: f.Revision, Begun: f.Revision.Begun(), Whole: true}}
	}
	made := s.find(finding)
	if f.Kind == repository.FaultPack && made.Grade != Note {
		s.unseen = s.unseen || made.Grade == Trouble
		if !f.Pack.IsZero() {
			s.packs[f.Pack] = made
		}
	}
}

// miss makes findings of objects that no pack lists: of the pack that had them, where that
// is hurt, or else of the one in which maps believe them. As long as some pack could not be
// looked into, they may lie there.
func (s *scrub) miss(missing []repository.MissingObject) {
	byPack := map[chunkstore.PackID]*Finding{}
	for _, m := range missing {
		o := Object{ID: m.ID, Kind: m.Kind}
		f := s.packs[s.repo.MovedTo(m.Pack, func(p chunkstore.PackID) bool { return s.packs[p] != nil })]
		if f == nil {
			f = byPack[m.Pack]
		}
		if f == nil {
			grade := Damage
			if s.unseen {
				grade = Trouble
			}
			f = s.find(Finding{Grade: grade, Kind: Missing, Path: chunkstore.PackName(m.Pack), Pack: m.Pack})
			byPack[m.Pack] = f
		}
		f.Objects = append(f.Objects, o)
	}
	for pack, f := range byPack {
		if s.unseen {
			f.Cause = "no pack that could be looked into lists what maps name"
			continue
		}
		f.Cause = "no pack lists what maps name"
		if !s.repo.HasPack(pack) {
			f.Cause = "the pack is gone, and no other has what maps name"
		}
	}
}

// compareLost puts what takes something away before what does not, and by whose it is.
func compareLost(a, b []Loss) int {
	if len(a) == 0 || len(b) == 0 {
		return -cmp.Compare(len(a), len(b))
	}
	return cmp.Or(cmp.Compare(a[0].Volume.Name, b[0].Volume.Name), cmp.Compare(a[0].Sequence, b[0].Sequence))
}

// finish puts the findings in their order.
func (s *scrub) finish() {
	rank := map[Grade]int{Damage: 0, Trouble: 1, Note: 2}
	slices.SortStableFunc(s.findings, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Grade], rank[b.Grade]), compareLost(a.Lost, b.Lost))
	})
	for i, f := range s.findings {
		f.Number = i + 1
		s.report.Findings = append(s.report.Findings, *f)
	}
}
