package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"varve/backup"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

func restoreCommand(s *session) *command {
	var f restoreFlags
	return &command{
		name: "restore", group: everyDay, args: "VOLUME[@REV] TARGET",
		summary: "write a revision to a file, a device, an RBD image or a pipe",
		about: `Writes the revision to TARGET: a raw file, a block device, a Ceph RBD image, or
- for standard output. Everything that is read is checked, and success is told
only after TARGET is synced and the digest of the image came out right.

A new file is written as TARGET.varve-partial and gets its name at the end. What
exists is overwritten only with --force (a file is replaced at the end) or
--in-place (what differs is written into it). A device may be larger than the
image; the rest of it is left as it is. A device that something uses, or that
has the mark of LVM, a RAID, LUKS, ZFS and the like, is refused; a volume that
has the same mark itself goes back to its own device. What the repository lies
on is never overwritten.

--range restores a part: into a new file or a pipe exactly these bytes, into a
TARGET that exists at the same offset, with --in-place. A part never takes the
place of a file or a device, also with --force.

TARGET can be rbd:POOL[/NAMESPACE]/IMAGE where varve was built with Ceph. A new
image is made like the one that was backed up, but for what --object-size,
--image-feature, --data-pool, --stripe-unit and --stripe-count say otherwise.
One that exists is written in place, with --force too, after a snapshot of it by
which all of it can be undone: the last lines that are printed say how.

VOLUME can be a pattern such as 'vms/*': each volume of the repository that it
fits is restored to a TARGET of its own. The one * of TARGET stands for what the
pattern leaves open; @REV counts for each. Everything is checked of all targets,
and that they have room together, before the first is written: is one refused,
none is. Then they are restored one after the other, whatever became of others;
a volume that has no such revision is a failure among them. The exit code is the
gravest, in the order 3, 1, 2, 4, 0, and 1 instead of 2 where one was restored.

With --set, VOLUME is the name of a set, REV one of its times or ids, and each
of its volumes is restored, all as they were at one moment: * in TARGET stands
for the last part of the volume's name.`,
		example: `varve restore db1 db1.img                   # the newest, to a new file
varve restore db1@yesterday /dev/vg/db1 --in-place
varve restore db1@k3f9 - | ssh host 'dd of=/dev/vg/db1 bs=1M'
varve restore db1 part.img --range 8GiB+1MiB
varve restore 'vms/*' 'rbd:restored/*' --dry-run
varve restore 'vms/*@2026-11-20' '/srv/back/*.img'
varve restore --set shop@yesterday '/srv/restored/*.img'`,
		codes: "1  also of several volumes, if one target is refused: then none was written\n" +
			"3  stored data is damaged. With --keep-going, all but what is listed as lost was restored",
		flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "in-place", Destination: &f.inPlace, Usage: "write what differs into an existing TARGET"},
			&cli.BoolFlag{Name: "force", Destination: &f.force, Usage: "overwrite an existing TARGET"},
			&cli.BoolFlag{Name: "even-in-use", Destination: &f.evenInUse, Usage: "write a TARGET that is mounted, held, open or a part of something"},
			&cli.BoolFlag{Name: "set", Destination: &f.set, Usage: "VOLUME is a set: restore all of its volumes"},
			&cli.GenericFlag{Name: "range", Value: &f.part, Usage: "restore only the bytes `OFF+LEN`", DefaultText: "everything"},
			&cli.BoolFlag{Name: "keep-going", Destination: &f.keepGoing, Usage: "restore around damage, and a damaged revision"},
			&cli.StringFlag{Name: "lost-map", Destination: &f.lostMap, Usage: "write the lost ranges into `FILE`, with --keep-going"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Destination: &f.dryRun,
				Usage: "check everything, and make, write and remove nothing"},
		}, f.image.flags()...),
		run: func(ctx context.Context, args []string) (result, error) {
			if f.set {
				return s.restoreSet(ctx, f, args[0], args[1])
			}
			return runRestore(ctx, s, f, args[0], args[1])
		},
	}
}

type restoreFlags struct {
	set       bool
	inPlace   bool
	force     bool
	evenInUse bool
	part      extent
	keepGoing bool
	lostMap   string
	dryRun    bool
	image     imageFlags
}

// check refuses flags that make no sense together.
func (f restoreFlags) check(s *session, target volume.Location) error {
	toPipe := target.Scheme == volume.SchemeStream
	shape := f.image.given()
	text := ""
	switch {
	case toPipe && (f.inPlace || f.force || f.evenInUse):
		text = "--in-place, --force and --even-in-use are for files and devices, not for standard output"
	case toPipe && f.keepGoing:
		text = "--keep-going is for files and devices: a pipe has no place to leave out"
	case toPipe && s.json:
		text = "--json needs standard output for itself: name a file or a device as TARGET"
	case f.lostMap != "" && !f.keepGoing:
		text = "--lost-map needs --keep-going"
	case shape != "" && target.Scheme != volume.SchemeRBD:
		text = fmt.Sprintf("%s says how an RBD image is made, and %s is none", shape, targetName(target))
	case shape != "" && (f.inPlace || f.force):
		text = shape + " says how a new RBD image is made; --in-place and --force write into one that is there"
	default:
		return nil
	}
	return &usageError{Text: text, Command: s.command}
}

// restoration is one run of restore.
type restoration struct {
	s      *session
	f      restoreFlags
	repo   *repository.Repository
	dir    string // where it is
	rev    repository.Revision
	image  *repository.Image
	part   *repository.Extent // nil: all of it
	target volume.Location
	meter  *backup.Meter
	begun  time.Time
}

func runRestore(ctx context.Context, s *session, f restoreFlags, text, targetText string) (res result, err error) {
	if name, _, _ := strings.Cut(text, "@"); revision.IsGlob(name) {
		return s.restoreSeveral(ctx, f, text, targetText)
	}
	target, err := volume.ParseLocation(targetText)
	if err != nil {
		return nil, err
	}
	toPipe := target.Scheme == volume.SchemeStream
	if !toPipe {
		if _, err := s.placeOf(target); err != nil {
			return nil, err
		}
	}
	if err := f.check(s, target); err != nil {
		return nil, err
	}
	if toPipe && isTerminal(s.stdout) {
		return nil, errTerminal
	}
	s.about.keepGoing = f.keepGoing
	r := &restoration{s: s, f: f, target: target, meter: new(backup.Meter), begun: time.Now()}
	if r.repo, err = s.openRepository(toRead); err != nil {
		return nil, err
	}
	defer s.close("close the repository", r.repo)
	if r.dir, err = s.repositoryDir(); err != nil {
		return nil, err
	}
	if r.rev, err = s.choose(r.repo, text); err != nil {
		return nil, err
	}
	s.doing = r.doing()
	rd, err := s.openReader(ctx, r.repo)
	if err != nil {
		return nil, err
	}
	defer s.close("end the lease", rd)
	if err := r.open(ctx, rd); err != nil {
		return nil, err
	}
	if toPipe {
		err = r.stream(ctx, s.stdout)
		r.remember(ctx, err)
		return nil, err
	}
	done, err := r.toTarget(ctx)
	r.remember(ctx, err)
	if done != nil {
		res = done
	}
	return res, err
}

// doing is what a failure is a failure of.
func (r *restoration) doing() string {
	return fmt.Sprintf("restore of %s to %s", address(r.rev.Volume.Name, r.rev.ID), targetName(r.target))
}

// open opens the image of the revision that was chosen. One that is damaged needs leave.
func (r *restoration) open(ctx context.Context, rd *repository.Reader) (err error) {
	if r.rev.Info.State == repository.Damaged && !r.f.keepGoing {
		return &distrustedError{Revision: r.rev, Good: r.s.about.good}
	}
	if r.image, err = rd.Image(ctx, r.rev.Volume, r.rev.ID); err != nil {
		return err
	}
	r.part, err = r.cutRange()
	return err
}

// remember notes what was come across, and that it was done.
func (r *restoration) remember(ctx context.Context, failure error) {
	r.noteDamage(ctx, failure)
	r.journal(ctx, failure)
}

// noteDamage remembers what a restore came across, so that the revision is not
// taken for a good one again. What verify noted before is more, and stays.
func (r *restoration) noteDamage(ctx context.Context, failure error) {
	r.s.noteDamage(ctx, r.repo, failure)
	lost, cause := lostOf(r.rev, failure)
	if cause == nil || r.rev.Info.State == repository.Damaged {
		return
	}
	r.s.warnIfWritable(r.repo.Mark(afterSignals(ctx), r.rev, markLost(lost, cause)))
}

func targetName(at volume.Location) string {
	switch at.Scheme {
	case volume.SchemeStream:
		return "standard output"
	case volume.SchemeRBD:
		return at.String()
	}
	return at.Path
}

// cutRange is the part to restore, which must lie within the image.
func (r *restoration) cutRange() (*repository.Extent, error) {
	if !r.f.part.given {
		return nil, nil
	}
	part := r.f.part.Extent
	if part.End() > r.image.Size() {
		return nil, &usageError{
			Text:    fmt.Sprintf("the range %d+%d is not within the image of %d bytes", part.Offset, part.Length, r.image.Size()),
			Command: r.s.command,
		}
	}
	return &part, nil
}

// stream writes to a pipe.
func (r *restoration) stream(ctx context.Context, w io.Writer) error {
	if r.f.dryRun {
		_, err := r.image.Regions()
		return err
	}
	r.s.bad = "what was written to standard output is not complete: do not use it"
	stop := r.s.watch("restoring", meterOf(r.meter))
	defer stop()
	return backup.Stream(ctx, r.image, w, backup.StreamOptions{Range: r.part, Meter: r.meter})
}

// begin makes all checks that need no target, and says what will have been done where.
func (r *restoration) begin(ctx context.Context) (done *restored, to destination, err error) {
	if _, err := r.image.Regions(); err != nil {
		return nil, to, err
	}
	done = &restored{
		Volume: r.rev.Volume.Name, Revision: r.rev.ID, Target: targetName(r.target), DryRun: r.f.dryRun, Size: r.image.Size(),
		Lost: []repository.Extent{}, Range: r.part, inPlace: r.f.inPlace, former: r.longer(),
	}
	if r.part != nil {
		done.Size = r.part.Length
	}
	to, err = r.destination(ctx)
	return done, to, err
}

// toTarget writes to a file or a device.
func (r *restoration) toTarget(ctx context.Context) (*restored, error) {
	done, to, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	if r.f.dryRun {
		surplus, err := to.check(ctx)
		if err != nil {
			return nil, r.refused(err)
		}
		done.noteSurplus(surplus)
		return done, nil
	}
	target, err := to.open(ctx)
	if err != nil {
		return nil, r.refused(err)
	}
	if undoable, can := target.(volume.Undoable); can {
		done.Undo, done.image = undoable.Undo(), r.target.Image.String()
	}
	if larger, can := target.(volume.Larger); can {
		done.noteSurplus(larger.Surplus())
	}
	if err := r.beginLostMap(); err != nil {
		return nil, errors.Join(err, target.Close())
	}
	r.s.good = "the repository; there is no " + targetName(r.target) + ", or it is as it was"
	if !target.Fresh() {
		r.s.good = "the repository"
		r.s.bad = targetName(r.target) + " is not complete: do not use it before a restore succeeded"
		if done.Undo != "" {
			r.s.bad += "; as it was: rbd snap rollback " + human.ShellWord(done.image+"@"+done.Undo)
		}
	}
	stop := r.s.watch("restoring", meterOf(r.meter))
	outcome, err := backup.Restore(ctx, r.image, target, to.opts)
	stop()
	err = errors.Join(err, target.Close())
	if outcome == nil {
		return nil, err
	}
	done.fill(outcome, time.Since(r.begun))
	if len(outcome.Lost) > 0 {
		r.s.good, r.s.bad = "everything but the lost ranges was restored", ""
	}
	return done, errors.Join(err, r.endLostMap(outcome.Lost))
}

// journal records what was done.
func (r *restoration) journal(ctx context.Context, failure error) {
	if r.f.dryRun {
		return
	}
	v := r.rev.Volume
	e := repository.Event{
		Op: repository.OpRestore, Volume: v.Name, UUID: &v.UUID, Revision: r.rev.ID,
		Read: r.meter.Read.Load(), Seconds: time.Since(r.begun).Round(time.Millisecond).Seconds(),
	}
	r.s.record(ctx, r.repo, e, failure)
}
