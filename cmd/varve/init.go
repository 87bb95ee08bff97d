package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/urfave/cli/v2"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/human"
	"varve/internal/process"
	"varve/repository"
)

func initCommand(s *session) *command {
	var f initFlags
	return &command{
		name: "init", group: everyDay, args: "[REPO]",
		summary: "make a repository",
		about: `Makes a repository in the directory REPO, or in the one that -r or VARVE_REPO
names. The directory is made if it is missing; one that is there must be
empty. Repeating an init that was interrupted completes it.

Everything in a repository is read by any varve of this or a later version,
without this host. What is set here holds for as long as the repository lives,
but for the compression, which each backup may choose anew.`,
		example: `varve init /srv/varve                       # the usual
varve init /srv/varve --compression lz4     # faster, and larger`,
		flags: []cli.Flag{
			&cli.GenericFlag{Name: "chunk-size", Value: &f.chunkSize, DefaultText: "1 MiB",
				Usage: "`SIZE` of the unit of comparing and deduplication: a power of two from 64KiB to 16MiB"},
			&cli.StringFlag{Name: "compression", Destination: &f.codec, DefaultText: "zstd",
				Usage: "how new data is compressed: `zstd|lz4|none`"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runInit(ctx, s, f, optional(args, 0)) },
	}
}

type initFlags struct {
	chunkSize size
	codec     string
}

func (f initFlags) options(s *session, dir string) (repository.InitOptions, error) {
	if f.chunkSize != 0 {
		if err := chunkstore.CheckChunkSize(int(f.chunkSize)); err != nil {
			return repository.InitOptions{}, &usageError{Text: err.Error(), Command: s.command}
		}
	}
	if f.codec != "" {
		if _, err := chunkstore.ParseCodec(f.codec); err != nil {
			return repository.InitOptions{}, &usageError{Text: err.Error(), Command: s.command}
		}
	}
	return repository.InitOptions{
		ChunkSize: int(f.chunkSize), Codec: f.codec,
		ProbeLock: func(ctx context.Context, name string) (bool, error) { return probeLock(ctx, dir, name) },
	}, nil
}

// made is the result of init.
type made struct {
	UUID      string `json:"uuid"`
	Directory string `json:"directory"`
	ChunkSize int    `json:"chunk_size"`
	Codec     string `json:"compression"`
}

func (m *made) print(p *page) {
	p.line("%s in %s", p.bold("made a repository"), m.Directory)
	p.line("chunks of %s, compressed with %s", human.Size(int64(m.ChunkSize)), m.Codec)
	p.line("%s varve -r %s backup NAME /dev/VOLUME   (or: export VARVE_REPO=%s)", p.arrow(), human.ShellWord(m.Directory), human.ShellWord(m.Directory))
}

func runInit(ctx context.Context, s *session, f initFlags, dir string) (result, error) {
	if dir != "" && s.repoFlag != "" && filepath.Clean(dir) != filepath.Clean(s.repoFlag) {
		return nil, &usageError{Text: fmt.Sprintf("-r names %q and REPO %q: which of them?", s.repoFlag, dir), Command: s.command}
	}
	if dir == "" {
		var err error
		if dir, err = s.repositoryDir(); err != nil {
			return nil, err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	opts, err := f.options(s, dir)
	if err != nil {
		return nil, err
	}
	s.doing, s.about.repo = "init of "+dir, dir
	if err := checkMounted(dir); err != nil {
		return nil, err
	}
	if err := checkWithin(dir); err != nil {
		return nil, err
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	tree, err := durable.OpenTree(dir)
	if err != nil {
		return nil, err
	}
	d, err := repository.Init(ctx, tree, opts)
	if err := errors.Join(err, tree.Close()); err != nil {
		return nil, err
	}
	s.globals.repo = dir
	s.recordInit(ctx)
	return &made{UUID: d.Repository.String(), Directory: dir, ChunkSize: d.ChunkSize, Codec: d.Codec}, nil
}

// recordInit begins the journal.
func (s *session) recordInit(ctx context.Context) {
	repo, err := s.openRepository(toList)
	if err != nil {
		s.warn("open what was made: %v", err)
		return
	}
	defer s.close("close the repository", repo)
	s.record(ctx, repo, repository.Event{Op: repository.OpInit}, nil)
}

// checkWithin refuses a directory below one that has a repository, links followed: what
// cleans up in that one knows nothing of another.
func checkWithin(dir string) error {
	real, err := filepath.EvalSymlinks(dir)
	above := filepath.Dir(real)
	for at := dir; errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at); {
		at = filepath.Dir(at)
		above, err = filepath.EvalSymlinks(at)
	}
	if err != nil {
		return err
	}
	return checkOutside(above)
}

// makeDir makes a directory and those above it, so that they survive a power cut.
func makeDir(dir string) error {
	top := dir
	for {
		if _, err := os.Stat(top); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(top) == top {
			break
		}
		top = filepath.Dir(top)
	}
	if top == dir {
		return nil
	}
	below, err := filepath.Rel(top, dir)
	if err != nil {
		return err
	}
	tree, err := durable.OpenTree(top)
	if err != nil {
		return err
	}
	return errors.Join(durable.MkdirAll(tree, filepath.ToSlash(below)), tree.Close())
}

// probeLock runs this program a second time, to try a lock that this process holds.
func probeLock(ctx context.Context, dir, name string) (got bool, err error) {
	cmd := exec.CommandContext(ctx, process.Self(), probeLockName, "--", dir, name)
	cmd.Args[0] = "varve"
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == exitBusy {
		return false, nil
	}
	return err == nil, err
}

const probeLockName = "__probe-lock"

// probeLockCommand is what probeLock runs: 0 if the lock was to be had, 4 if not.
func probeLockCommand() *command {
	return &command{
		name: probeLockName, args: "DIR NAME",
		run: func(_ context.Context, args []string) (result, error) { return nil, tryLock(args[0], args[1]) },
	}
}

func tryLock(dir, name string) error {
	tree, err := durable.OpenTree(dir)
	if err != nil {
		return err
	}
	lock, err := durable.OpenLocked(tree, name)
	switch {
	case err == nil && lock == nil:
		err = &repository.BusyError{What: name}
	case lock != nil:
		err = lock.Close()
	}
	return errors.Join(err, tree.Close())
}
