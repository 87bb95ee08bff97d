package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"varve/filecopy"
	"varve/repository"
	"varve/volume"
)

func cpCommand(s *session) *command {
	var f copyFlags
	return &command{
		name: "cp", group: everyDay, args: "VOLUME[@REV]:/PATH... TARGET",
		summary: "copy files out of a disk",
		about: `Copies files and directories of the file system in a revision's disk to this
host. Into TARGET, if it is a directory or ends with a slash; otherwise TARGET
is what the copy is called. All PATHs are of one revision. A PATH that is a
symbolic link stands for what it leads to, within the disk; those below a
directory are copied as links.

Kept are modes, owners (as numbers), times, extended attributes and ACLs,
holes, hard links within each PATH, devices, pipes and sockets. What TARGET's
file system cannot keep is told, and the exit code is 1.

What exists is not replaced without --force, and only files and links are. Each
copy is put together in NAME.varve-partial beside its place, which only root
enters, and gets its name when it is complete and on the disk. A file that
cannot be read is told and left out, all others are copied, and the exit code
is 3.

See varve help ls for which partition is meant, and what can be looked into.`,
		example: `varve cp db1@yesterday:/etc/fstab .
varve cp vms/web@k3f9:/var/www vms/web@k3f9:/etc/nginx /srv/back/
varve cp vms/web:/home/ann /srv/ann --partition 3`,
		codes: "1  also if something could not be kept, or made, in TARGET\n" +
			"3  stored data, or the file system, is damaged: what could be read was copied",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Destination: &f.force, Usage: "replace files and links that exist"},
			partitionFlagFor(&f.part),
		},
		run: func(ctx context.Context, args []string) (result, error) { return runCp(ctx, s, f, args) },
	}
}

type copyFlags struct {
	force bool
	part  partitionFlag
}

func runCp(ctx context.Context, s *session, f copyFlags, args []string) (_ result, err error) {
	at, paths, err := s.copyPaths(args[:len(args)-1])
	if err != nil {
		return nil, err
	}
	dir, name, err := copyTarget(args[len(args)-1], len(paths))
	if err != nil {
		return nil, err
	}
	l, err := s.lookInto(ctx, at)
	if err != nil {
		return nil, err
	}
	defer l.close()
	var sources []filecopy.Source
	defer func() {
		for _, source := range sources {
			s.close("close a file", source.Node)
		}
	}()
	for _, each := range paths {
		from, err := l.find(each, f.part, true)
		if err != nil {
			return nil, err
		}
		source := filecopy.Source{Node: from.node, Name: name}
		sources = append(sources, source)
		if name == "" {
			if source.Name = path.Base(path.Clean(each)); source.Name == "/" {
				return nil, &usageError{Text: "the root of a file system has no name: let TARGET be that of a directory that does not exist yet", Command: s.command}
			}
			sources[len(sources)-1] = source
		}
	}
	return s.copyFiles(ctx, l, dir, sources, f)
}

// copyPaths reads VOLUME[@REV]:/PATH of each argument; the revision must be the same.
func (s *session) copyPaths(args []string) (at string, paths []string, err error) {
	for i, text := range args {
		address, path := cutPath(text)
		if path == "" {
			return "", nil, &usageError{Text: fmt.Sprintf("%q has no path: want VOLUME[@REV]:/PATH", text), Command: s.command}
		}
		if i > 0 && address != at {
			return "", nil, &usageError{Text: fmt.Sprintf("%q and %q are not the same revision: copy from one at a time", at, address), Command: s.command}
		}
		at, paths = address, append(paths, path)
	}
	return at, paths, nil
}

// copyTarget finds the directory to copy into, and what the copy is to be called there; empty: as it is called.
func copyTarget(text string, count int) (dir, name string, err error) {
	info, err := os.Stat(text)
	switch {
	case err == nil && info.IsDir():
		dir = text
	case err == nil && (count > 1 || strings.HasSuffix(text, "/")):
		return "", "", fmt.Errorf("target %q is no directory", text)
	case errors.Is(err, fs.ErrNotExist) && (count > 1 || strings.HasSuffix(text, "/")):
		return "", "", &volume.NoDirectoryError{Target: text, Directory: text}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("target %q: %w", text, err)
	default:
		dir, name = filepath.Dir(text), filepath.Base(text)
	}
	real, err := filepath.EvalSymlinks(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", "", &volume.NoDirectoryError{Target: text, Directory: dir}
	case err != nil:
		return "", "", fmt.Errorf("target %q: %w", text, err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return "", "", fmt.Errorf("target %q: %w", text, err)
	}
	if err := checkOutside(real); err != nil {
		return "", "", fmt.Errorf("target %q: %w", text, err)
	}
	return dir, name, nil
}

// copyFiles copies what was found.
func (s *session) copyFiles(ctx context.Context, l *looking, dir string, sources []filecopy.Source, f copyFlags) (result, error) {
	meter := new(filecopy.Meter)
	begun, total := time.Now(), totalOf(sources)
	s.good = "the repository; what is not complete has no name in " + dir
	stop := s.watch("copying", func() sample { return sample{done: meter.Bytes.Load(), total: total} })
	report, err := filecopy.Copy(ctx, dir, sources, filecopy.Options{Force: f.force, Meter: meter})
	stop()
	out := newCopied(l.rev, dir, report, time.Since(begun))
	if err == nil {
		err = out.failure()
	}
	s.record(ctx, l.repo, repository.Event{
		Op: repository.OpCopy, Volume: l.rev.Volume.Name, UUID: &l.rev.Volume.UUID, Revision: l.rev.ID, Detail: copyWords(sources, dir),
		Read: meter.Bytes.Load(), Seconds: time.Since(begun).Round(time.Millisecond).Seconds(),
	}, err)
	return out, err
}

// copyWords says what is copied where to: "/etc, /home to /srv/back".
func copyWords(sources []filecopy.Source, dir string) string {
	names := make([]string, len(sources))
	for i, source := range sources {
		names[i] = visibleName(source.Node.Path)
	}
	if full, err := filepath.Abs(dir); err == nil {
		dir = full
	}
	return strings.Join(names, ", ") + " to " + visibleName(dir)
}

// totalOf is how much is to be copied; 0: that is not known without looking through directories.
func totalOf(sources []filecopy.Source) (total int64) {
	for _, source := range sources {
		if !source.Node.Mode.IsRegular() {
			return 0
		}
		total += source.Node.Size
	}
	return total
}
