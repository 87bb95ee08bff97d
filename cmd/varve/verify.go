package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"varve/backup"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

func verifyCommand(s *session) *command {
	var f verifyFlags
	return &command{
		name: "verify", group: areWe, args: "VOLUME[@REV]",
		summary: "read a revision back, and prove that it is good",
		about: `Reads every byte of the revision and checks it, down to the content id of each
chunk and the digest of the image. When all is well, the revision is proven;
when not, it is damaged, and what is lost is listed.

--against also compares it with SOURCE, byte by byte. That makes sense only
while SOURCE still holds what it held then; it is also what turns a suspect
revision into a proven one.`,
		example: `varve verify db1                            # the newest
varve verify db1@k3f9 --against /dev/vg/db1-snap
varve verify db1 --sha256                   # what sha256sum says of the restored image`,
		codes: "3  stored data is damaged, or SOURCE differs",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "against", Destination: &f.against, Usage: "compare with `SOURCE` too"},
			&cli.BoolFlag{Name: "sha256", Destination: &f.sha256, Usage: "also compute the SHA-256 of the image; reads it twice"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runVerify(ctx, s, f, args[0]) },
	}
}

type verifyFlags struct {
	against string
	sha256  bool
}

func runVerify(ctx context.Context, s *session, f verifyFlags, text string) (result, error) {
	opts := backup.VerifyOptions{SHA256: f.sha256, Meter: new(backup.Meter)}
	if f.against != "" {
		src, err := s.openSource(ctx, f.against)
		if err != nil {
			return nil, err
		}
		opts.Against = src
	}
	repo, err := s.openRepository(toRead)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	rev, err := s.choose(repo, text)
	if err != nil {
		return nil, err
	}
	s.doing = "verify of " + address(rev.Volume.Name, rev.ID)
	rd, err := s.openReader(ctx, repo)
	if err != nil {
		return nil, err
	}
	defer s.close("end the lease", rd)
	begun := time.Now()
	found, err := s.readBack(ctx, rd, rev, opts)
	v := newVerified(rev, found, f.against, time.Since(begun))
	proof := &proof{s: s, repo: repo, rev: rev, result: v}
	proof.note(ctx, err)
	if v == nil {
		return nil, err
	}
	return v, err
}

// readBack reads a revision, and shows how far it is.
func (s *session) readBack(
	ctx context.Context, rd *repository.Reader, rev repository.Revision, opts backup.VerifyOptions,
) (*backup.Verified, error) {
	im, err := rd.Image(ctx, rev.Volume, rev.ID)
	if err != nil {
		return nil, err
	}
	defer s.watch("verifying", meterOf(opts.Meter))()
	return backup.Verify(ctx, im, opts)
}

// proof writes down what a verify came to.
type proof struct {
	s      *session
	repo   *repository.Repository
	rev    repository.Revision
	result *verified // nil: it came to nothing
}

// note marks the revision and writes the journal. The work is done: that either
// cannot be written is a warning, and none where nothing can be written.
func (p *proof) note(ctx context.Context, failure error) {
	ctx = afterSignals(ctx)
	if failure == nil {
		p.mark(ctx, p.prove)
	} else if lost, cause := lostOf(p.rev, failure); cause != nil {
		p.mark(ctx, markLost(lost, cause))
		p.s.noteDamage(ctx, p.repo, failure)
	}
	e := repository.Event{
		Op: repository.OpVerify, Volume: p.rev.Volume.Name, UUID: &p.rev.Volume.UUID, Revision: p.rev.ID,
	}
	if p.result != nil {
		e.Read, e.Seconds = p.result.Read, p.result.Seconds
	}
	p.s.record(ctx, p.repo, e, failure)
}

// prove notes a clean verify. What a source held is what it was compared with.
func (p *proof) prove(info *repository.Info) {
	if info.Prove(p.rev.Info, p.s.begun) && p.result.Against != "" {
		info.Clear()
	}
	p.result.State, p.result.Proven = info.State, &info.Proven
}

func (p *proof) mark(ctx context.Context, change func(*repository.Info)) {
	err := p.repo.Mark(ctx, p.rev, change)
	if errors.Is(err, repository.ErrReadOnly) && p.result != nil {
		p.result.unrecorded = true
	}
	p.s.warnIfWritable(err)
}

// verified is the result of verify. Its fields are API.
type verified struct {
	Volume      revision.Name       `json:"volume"`
	Revision    revision.ID         `json:"revision"`
	Size        uint64              `json:"size"`
	Read        int64               `json:"read"` // bytes of chunks, read and checked
	Seconds     float64             `json:"seconds"`
	State       repository.State    `json:"state"`
	Proven      *time.Time          `json:"proven"`
	SHA256      string              `json:"sha256"`  // empty: not asked for
	Against     string              `json:"against"` // empty: nothing
	AgainstSize *int64              `json:"against_size"`
	Consistency volume.Consistency  `json:"consistency"` // of the source; empty: nothing was compared
	Reason      string              `json:"consistency_reason"`
	Lost        []repository.Extent `json:"lost"`
	Differing   []repository.Extent `json:"differing"`
	unrecorded  bool
}

func newVerified(rev repository.Revision, found *backup.Verified, against string, took time.Duration) *verified {
	if found == nil {
		return nil
	}
	v := &verified{
		Volume: rev.Volume.Name, Revision: rev.ID, Size: rev.Statement.Size, Read: found.Bytes, Seconds: took.Seconds(),
		State: rev.Info.State, SHA256: found.SHA256, Against: against, Consistency: found.Consistency, Reason: found.Reason,
		Lost: found.Lost, Differing: found.Differing,
	}
	if against != "" {
		v.AgainstSize = &found.SourceSize
	}
	if !rev.Info.Proven.IsZero() {
		v.Proven = &rev.Info.Proven
	}
	if v.Lost == nil {
		v.Lost = []repository.Extent{}
	} else {
		v.State = repository.Damaged
	}
	if v.Differing == nil {
		v.Differing = []repository.Extent{}
	}
	return v
}

func (v *verified) print(p *page) {
	name := address(v.Volume, v.Revision)
	took := time.Duration(v.Seconds * float64(time.Second))
	switch {
	case len(v.Lost) > 0:
		p.line("%s: it lost %s, in %s", p.red(name+" is DAMAGED"),
			human.Size(backup.Total(v.Lost)), formatCount(len(v.Lost), "place"))
	case len(v.Differing) > 0:
		p.line("%s from %s: %s in %s. What is stored is whole.", p.red(name+" DIFFERS"), v.Against,
			human.Size(backup.Total(v.Differing)), formatCount(len(v.Differing), "place"))
	default:
		what := "every byte of " + human.Size(int64(v.Size))
		if v.Against != "" {
			what += ", and the same as " + v.Against
		}
		verdict := name + " is whole"
		if v.State == repository.Suspect {
			verdict += " but still suspect"
		}
		p.line("%s: %s, in %s, at %s", p.bold(verdict), what, formatDuration(took), human.Rate(int64(v.Size), took))
	}
	if v.SHA256 != "" {
		p.line("sha256   %s", v.SHA256)
	}
	if v.Consistency == volume.Live {
		p.line("%s  %s changed while it was read (%s)", p.yellow("WARNING"), v.Against, v.Reason)
	}
	if v.AgainstSize != nil && *v.AgainstSize != int64(v.Size) {
		p.line("%-8s %s has %s bytes, %s has %s", "SIZES", name, formatBytes(int64(v.Size)), v.Against, formatBytes(*v.AgainstSize))
	}
	if v.unrecorded {
		p.line("not recorded: the repository is read-only")
	}
	for _, x := range v.Lost {
		p.line("%s", lineOf("LOST", x))
	}
	for _, x := range v.Differing {
		p.line("%s", lineOf("DIFFERS", x))
	}
}

func lineOf(what string, x repository.Extent) string {
	return fmt.Sprintf("%-8s %s bytes at byte %s", what, formatBytes(x.Length), formatBytes(x.Offset))
}
