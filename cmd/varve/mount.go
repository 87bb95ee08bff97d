package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"varve/fusemount"
	"varve/internal/human"
	"varve/repository"
)

const mountName = "mount"

func mountCommand(s *session) *command {
	f := &mountFlags{}
	return &command{
		name: mountName, group: everyDay, args: "DIR [VOLUME]...",
		summary: "show revisions as image files that can be mounted",
		about: `Shows below DIR a folder for each volume, or for those that are named or have the
form of a pattern, and in it an image file for each revision:

    vms/vm-17/20261124T010003Z-k3f9.img    the image, which loop devices can mount
    vms/vm-17/20261124T010003Z-k3f9.json   what show --json tells of it
    vms/vm-17/latest.img                   the newest; latest-good.img, the newest good
    vms/vm-17/by-tag/release.img           the newest that has the tag

New revisions appear, and those that are taken away go; what is open stays as it
is until it is closed. Images are read-only, have the holes that the source had,
and cost no room. What is read is checked: damage is an input/output error for
the bytes that it costs, and for no others.

The command returns when DIR can be used, and a process in the background serves
it until it is unmounted: umount DIR, or fusermount3 -u DIR for who is not root.
What it has to say goes to the system's log.

With --writable, images can be written to, so that a journal is replayed, a file
system repaired, a machine started. The repository stays as it is: what is written
lies in a layer above the image, which all share who open it, in a file without a
name, and is gone when DIR is unmounted. When all layers together have
--overlay-size, writing fails for want of room.`,
		example: `varve mount /mnt/backups
mount -o ro,loop,noload /mnt/backups/db1/latest.img /mnt/db1     # an ext4 file system
varve mount /mnt/backups 'vms/*' --foreground                   # until Ctrl-C
varve mount /mnt/backups db1 --writable --overlay /srv/scratch
umount /mnt/backups`,
		codes: "4  something is mounted at DIR already",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "writable", Destination: &f.writable, Usage: "let images be written to; what is written is gone in the end"},
			&cli.StringFlag{Name: "overlay", Destination: &f.overlay, DefaultText: defaultOverlay, Usage: "what is written lies in `DIR` meanwhile"},
			&cli.GenericFlag{Name: "overlay-size", Value: &f.overlaySize, DefaultText: "10GiB", Usage: "of all that is written, keep up to `SIZE`"},
			&cli.GenericFlag{Name: "cache", Value: &f.cache, DefaultText: "512MiB", Usage: "keep up to `SIZE` of what was read in memory"},
			&cli.BoolFlag{Name: "allow-other", Destination: &f.allowOther, Usage: "let other users read it, too; who is not root needs user_allow_other in /etc/fuse.conf"},
			&cli.BoolFlag{Name: "foreground", Destination: &f.foreground, Usage: "do not return until it is unmounted; Ctrl-C unmounts it"},
		},
		run: func(ctx context.Context, args []string) (result, error) {
			return runMount(ctx, s, args[0], args[1:], f)
		},
	}
}

type mountFlags struct {
	writable    bool
	overlay     string
	overlaySize amount
	cache       amount
	allowOther  bool
	foreground  bool
}

// defaultOverlay is a place that, other than /tmp, is rarely memory.
const defaultOverlay = "/var/tmp"

// check refuses flags that mean nothing without another.
func (f *mountFlags) check(s *session) error {
	if !f.writable && (f.overlay != "" || f.overlaySize != 0) {
		return &usageError{Text: "--overlay and --overlay-size are for --writable", Command: s.command}
	}
	if f.overlay == "" {
		f.overlay = defaultOverlay
	}
	return nil
}

// mounted is the result of mount. Its fields are API.
type mounted struct {
	Directory  string `json:"directory"`
	Repository string `json:"repository"`
	Volumes    int    `json:"volumes"` // that are shown now
	PID        int    `json:"pid"`     // of the process that serves
	Writable   bool   `json:"writable"`
	foreground bool
}

func (m *mounted) print(p *page) {
	p.line("%s", p.bold(fmt.Sprintf("%s shows %s of %s", m.Directory, formatCount(m.Volumes, "volume"), m.Repository)))
	end := unmounting(m.Directory)
	if m.foreground {
		end = "Ctrl-C, or " + end
	}
	p.line("  end    %s", end)
}

// unmounting is what to type to unmount a directory.
func unmounting(dir string) string {
	if os.Geteuid() != 0 {
		return "fusermount3 -u " + human.ShellWord(dir)
	}
	return "umount " + human.ShellWord(dir)
}

// runMount mounts in a process of its own, or, in that process and with --foreground, serves.
func runMount(ctx context.Context, s *session, dir string, volumes []string, f *mountFlags) (result, error) {
	if err := f.check(s); err != nil {
		return nil, err
	}
	handover, err := handoverFromParent()
	if err != nil {
		return nil, err
	}
	if handover == nil && !f.foreground {
		return nil, s.mountInBackground(ctx, f)
	}
	if handover == nil && f.writable {
		if err := fusemount.BecomeFlusher(); err != nil {
			s.log.Debug("the kernel may wait for this process while it waits for memory", "error", err)
		}
	}
	s.doing = "mount at " + dir
	shown, err := s.parseVolumes(volumes)
	if err != nil {
		return nil, err
	}
	if handover != nil {
		s.log = handover.logger(s.log)
	}
	repo, err := s.openRepository(toRead)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	n, err := shown.count(repo)
	if err != nil {
		return nil, err
	}
	if err := checkApart(dir); err != nil {
		return nil, err
	}
	if err := checkBeside(dir, s.globals.repo); err != nil {
		return nil, err
	}
	if f.writable {
		if err := checkApart(f.overlay); err != nil {
			return nil, fmt.Errorf("--overlay %q: %w", f.overlay, err)
		}
	}
	source, err := filepath.Abs(s.globals.repo)
	if err != nil {
		return nil, fmt.Errorf("find the repository: %w", err)
	}
	m, err := fusemount.Mount(ctx, repo, dir, fusemount.Options{
		Source: source, Show: shown.has, Describe: describeRevision, Cache: int64(f.cache), AllowOther: f.allowOther,
		Writable: f.writable, Overlay: f.overlay, OverlaySize: int64(f.overlaySize), Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	ready := &mounted{Directory: m.Dir(), Repository: source, Volumes: n, PID: os.Getpid(), Writable: f.writable, foreground: handover == nil}
	return nil, s.serve(ctx, m, ready, handover)
}

// describeRevision is what show --json tells as its result.
func describeRevision(rev repository.Revision) ([]byte, error) {
	if rev.Statement == nil {
		return marshalIndented(newEntry(rev))
	}
	return marshalIndented(&shown{entry: newEntry(rev), drill: newNotedDrill(rev.ID, rev.Info.Drill), Statement: rev.Statement})
}

// checkApart refuses a directory for a mount, or for what is written to it, that lies in a repository. One that is not there,
// or whose mount is dead, mounting has something to say of.
func checkApart(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find %s: %w", dir, err)
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return checkOutside(dir)
}

// checkBeside refuses a directory for a mount in which the repository lies.
func checkBeside(dir, repo string) error {
	there, err := os.Stat(dir)
	if err != nil {
		return nil // mounting has something to say of it
	}
	at, err := filepath.Abs(repo)
	if err != nil {
		return fmt.Errorf("find the repository: %w", err)
	}
	if real, err := filepath.EvalSymlinks(at); err == nil {
		at = real
	}
	for up := at; ; up = filepath.Dir(up) {
		if info, err := os.Stat(up); err == nil && os.SameFile(info, there) {
			return &hidingError{Repository: at}
		}
		if up == filepath.Dir(up) {
			return nil
		}
	}
}

// serve tells that the mount is there, and returns when it is no more. A signal unmounts; what
// is in use then leaves the tree, and is served until nobody uses it.
func (s *session) serve(ctx context.Context, m *fusemount.Mounted, ready *mounted, handover *handover) error {
	code := s.report(ctx, ready, nil)
	s.answered, s.json = &code, false // the document is out: what comes now is for standard error
	if handover != nil {
		if err := handover.release(); err != nil {
			return errors.Join(err, m.Close())
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- m.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	err := m.Close()
	busy := new(fusemount.BusyError)
	if !errors.As(err, &busy) {
		return err
	}
	if derr := m.Detach(); derr != nil {
		return errors.Join(err, derr)
	}
	by := "somebody"
	if len(busy.Users) > 0 {
		by = strings.Join(busy.Users, ", ")
	}
	s.log.Warn(fmt.Sprintf("%s is in use by %s: it has left the tree, and ends when they have let it go; a second signal ends it at once", busy.Dir, by))
	return <-ended
}
