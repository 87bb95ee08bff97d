package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"varve/drill"
	"varve/fusemount"
	"varve/internal/human"
	"varve/job"
	"varve/repository"
	"varve/revision"
)

func drillCommand(s *session) *command {
	f := &drillFlags{}
	return &command{
		name: "drill", group: areWe, args: "[VOLUME[@REV]]...",
		summary: "prove by use that a revision is a good backup",
		about: `Opens the revision as a disk that can be written to, and uses it. Each file
system on it is mounted by the kernel, which replays its journal as after a power
cut, and its root directory is read; then its own program checks it, and must find
nothing to repair: e2fsck (ext2 to ext4), xfs_repair, btrfs check, fsck.vfat,
ntfsfix. What is written meanwhile is thrown away; the repository stays as it is.
How fast the image is read tells how long a restore would take.

With --exec, CMD is then given to /bin/sh, with all file systems mounted below
$VARVE_MOUNT: the file system itself, of a disk without partitions; otherwise
$VARVE_MOUNT/N of partition N. $VARVE_VOLUME and $VARVE_REVISION tell whose it is.
It is the user nobody, and may read and write all of the image, change owners in
it, and chroot into it; of this host it can change nothing, /tmp and /run are empty,
and there is no network but 127.0.0.1. The drill passes only if CMD ends with 0.
Whatever it left running is killed.

A drill that passes is noted: varve status and varve show tell of it, and how long
a restore would take. One that fails is noted, too, and is exit code 3. A disk with
LVM, LUKS, a RAID, or something unknown on it is "not applicable", and never passes.
A drill that could not be done, because a program is missing or time was up, says
nothing of the revision.

Without VOLUME, all volumes have their newest revision drilled, but for those that
are retired; VOLUME may be a pattern. Those whose last drill was the longest ago are
first, one after the other, and all are tried. It needs root and Linux 5.12.`,
		example: `varve drill db1                             # the newest revision
varve drill 'vms/*@latest-good'
varve drill db1 --exec 'sqlite3 $VARVE_MOUNT/srv/app.db "pragma integrity_check" | grep -qx ok'`,
		codes: "1  a drill could not be done\n3  a drill failed, or stored data is damaged",
		flags: []cli.Flag{
			&cli.GenericFlag{Name: "exec", Value: &f.exec, Usage: "run `CMD` on what is mounted"},
			&cli.GenericFlag{Name: "exec-timeout", Value: &f.execTimeout, DefaultText: "10m", Usage: "give CMD up after `DURATION`"},
			&cli.GenericFlag{Name: "check-timeout", Value: &f.checkTimeout, DefaultText: "4h", Usage: "give the check of a file system up after `DURATION`"},
			&cli.StringFlag{Name: "overlay", Destination: &f.layer.overlay, DefaultText: defaultOverlay, Usage: "what is written lies in `DIR` meanwhile"},
			&cli.GenericFlag{Name: "overlay-size", Value: &f.layer.overlaySize, DefaultText: "10GiB", Usage: "of what is written, keep up to `SIZE`"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runDrill(ctx, s, f, args) },
	}
}

type drillFlags struct {
	exec         shellCommand
	execTimeout  duration
	checkTimeout duration
	layer        layerFlags
}

// roomName is the command by which this program starts itself again, to use a revision.
const roomName = "__drill"

// roomCommand is what uses a revision: package drill starts this program again as that, with the image as its file 3.
func roomCommand(s *session) *command {
	return &command{
		name: roomName,
		run: func(context.Context, []string) (result, error) {
			return nil, drill.Room(s.stdin, s.stdout, os.NewFile(3, "image"))
		},
	}
}

func runDrill(ctx context.Context, s *session, f *drillFlags, args []string) (result, error) {
	if f.exec == "" && f.execTimeout != 0 {
		return nil, &usageError{Text: "--exec-timeout is for --exec", Command: s.command}
	}
	if f.layer.overlay == "" {
		f.layer.overlay = defaultOverlay
	}
	if err := checkApart(f.layer.overlay); err != nil {
		return nil, fmt.Errorf("--overlay %q: %w", f.layer.overlay, err)
	}
	repo, err := s.openRepository(toRead)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	all, err := s.drillings(ctx, repo, args)
	if err != nil {
		return nil, err
	}
	for i, d := range all {
		if ctx.Err() != nil && i > 0 {
			d.err = job.ErrNotBegun
			continue
		}
		d.do(ctx, s, repo, f)
		if len(all) > 1 {
			s.tellDrilled(d)
		}
	}
	s.doing = "drill"
	if len(all) > 1 {
		s.doing = "drill of " + formatCount(len(all), "volume")
	}
	out, err := newDrilled(all)
	if out == nil {
		return nil, err
	}
	return out, err
}

// do drills one of them, and writes down what it came to.
func (d *drilling) do(ctx context.Context, s *session, repo *repository.Repository, f *drillFlags) {
	if d.err != nil {
		return
	}
	s.about = about{repo: s.about.repo, volume: d.want.volume, exec: string(f.exec)}
	defer func() { d.about = s.about }()
	if d.rev, d.err = s.find(repo, d.want, revision.Nearest); d.err != nil {
		return
	}
	name := address(d.rev.Volume.Name, d.rev.ID)
	s.doing = "drill of " + name
	if d.rev.Info.State == repository.Damaged {
		d.err = &damagedDrillError{distrustedError{Revision: d.rev, Good: s.about.good}}
		return
	}
	begun := time.Now()
	opts := drill.Options{
		Serve: func() (*fusemount.Server, error) { return s.startServer(d.rev, &f.layer) },
		Room:  []string{roomName}, Tools: toolDirs(),
		Command: string(f.exec), CommandTimeout: time.Duration(f.execTimeout), CheckTimeout: time.Duration(f.checkTimeout),
		OnStep: func(text string) { s.say("%s: %s", name, text) },
	}
	d.found, d.err = drill.Run(ctx, repo, d.rev, opts)
	d.took = time.Since(begun)
	if d.err == nil {
		d.err = d.judge()
	}
	d.note(ctx, s, repo)
}

// toolDirs are where programs are looked for that check file systems: where root's shell does, and where systems have them.
func toolDirs() (dirs []string) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin") {
		if filepath.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// judge gives an error unless it passed, or cannot pass.
func (d *drilling) judge() error {
	switch d.found.Outcome {
	case drill.Failed, drill.Undone:
		return &drillError{Result: d.found}
	}
	return nil
}

// note writes down what it came to: beside the revision unless it came to nothing, and in the journal.
func (d *drilling) note(ctx context.Context, s *session, repo *repository.Repository) {
	ctx = afterSignals(ctx)
	e := repository.Event{Op: repository.OpDrill, Volume: d.rev.Volume.Name, UUID: &d.rev.Volume.UUID, Revision: d.rev.ID, Seconds: d.took.Seconds()}
	noted := repository.Drill{Time: time.Now().UTC().Truncate(time.Millisecond)}
	switch {
	case d.found != nil:
		reading := d.found.Reading
		noted.Outcome, noted.Reason = repository.DrillOutcome(d.found.Outcome), strings.Join(d.found.Reasons, "; ")
		noted.Command = d.found.Command != nil
		noted.FirstByte, noted.Rate, noted.Restore = reading.FirstByte.Seconds(), reading.Rate, reading.Restore().Seconds()
		e.Read = reading.Sampled
		if d.err == nil { // which says all that there is to say
			e.Detail = drillWords(&noted)
		}
	case gravityOf(d.err) == job.Damaged:
		noted.Outcome, noted.Reason = repository.DrillFailed, d.err.Error()
	}
	if noted.Outcome != "" && noted.Outcome != repository.DrillOutcome(drill.Undone) {
		err := repo.Mark(ctx, d.rev, func(info *repository.Info) { info.Drill = &noted })
		d.unrecorded = errors.Is(err, repository.ErrReadOnly)
		s.warnIfWritable(err)
	}
	s.record(ctx, repo, e, d.err)
}

// A drillError reports that a drill failed, or could not be done.
type drillError struct{ Result *drill.Result }

func (e *drillError) Error() string { return strings.Join(e.Result.Reasons, "; ") }

// A damagedDrillError reports a damaged revision that was not drilled.
type damagedDrillError struct{ distrustedError }

// Unwrap lets it be judged as what it is.
func (e *damagedDrillError) Unwrap() error { return &e.distrustedError }

// hintOnDrill advises on drills.
func hintOnDrill(err error, a about) string {
	var failed *drillError
	var damaged *damagedDrillError
	var timeout *drill.TimeoutError
	switch {
	case errors.As(err, &damaged) && damaged.Good != "":
		return a.drilling(typedAddress(damaged.Revision.Volume.Name, damaged.Good)) + " drills the newest good one; " + a.repairing() + " may bring back what is lost"
	case errors.As(err, &damaged):
		return "no revision of this volume is good; " + a.repairing() + " may bring back what is lost"
	case errors.Is(err, drill.ErrOldKernel):
		return "drill on a host with Linux 5.12 or newer, or mount it there yourself: varve mount DIR " + a.name("") + " --writable"
	case errors.As(err, &timeout):
		return "look what the repository's disk does; --check-timeout and --exec-timeout allow more"
	case errors.As(err, &failed):
		return hintOnResult(failed.Result, a)
	}
	return ""
}

// drilling is the command that drills another revision in the same way.
func (a about) drilling(address string) string {
	text := "varve drill " + address
	if a.exec != "" {
		text += " --exec " + human.ShellWord(a.exec)
	}
	return text
}

// hintOnResult says what helps against what was found.
func hintOnResult(r *drill.Result, a about) string {
	kinds := map[fusemount.MishapKind]bool{}
	for _, t := range r.Mishaps {
		kinds[t.Kind] = true
	}
	switch {
	case kinds[fusemount.Lost]:
		return a.repairing() + " tells all that is lost, and repairs it of what the source still holds"
	case kinds[fusemount.Unreadable]:
		return "look at the disk that the repository lies on, and drill again: nothing is condemned"
	case kinds[fusemount.Full]:
		return "give it room: --overlay-size, and --overlay DIR on a disk that has it"
	}
	for i := range r.Parts {
		switch p := &r.Parts[i]; {
		case p.Outcome == drill.Failed:
			return "the source may be as broken: have it checked. An older one: " + a.drilling(a.name("@latest~1")) +
				". To repair a copy: varve mount DIR " + a.name("") + " --writable"
		case p.Outcome == drill.Undone && p.Check == nil:
			return "install it, or drill on a host that has it"
		case p.Outcome == drill.Undone:
			return "drill on a host that can: " + a.drilling(a.address())
		}
	}
	return "look for yourself: varve mount DIR " + a.name("") + " --writable"
}
