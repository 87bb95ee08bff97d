package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"varve/disk"
	"varve/fusemount"
	"varve/loopmount"
	"varve/repository"
	"varve/revision"
)

// cutPath takes VOLUME[@REV]:/PATH apart; VOLUME@REV: has no path, and means the disk.
func cutPath(text string) (address, path string) {
	address, path, found := revision.CutPath(text)
	if !found && strings.Contains(address, "@") {
		address = strings.TrimSuffix(address, ":")
	}
	return address, path
}

// A looking is a look into the disk of a revision.
type looking struct {
	s      *session
	repo   *repository.Repository
	rev    repository.Revision
	layout disk.Layout
	server *fusemount.Server // nil: no file system was looked into yet
	opened []*loopmount.FileSystem
	closes []func()
}

// lookInto finds out what lies on the disk that an address names. The caller closes it.
func (s *session) lookInto(ctx context.Context, text string) (_ *looking, err error) {
	l := &looking{s: s}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.repo, err = s.openRepository(toRead); err != nil {
		return nil, err
	}
	l.closes = append(l.closes, func() { s.close("close the repository", l.repo) })
	if l.rev, err = s.choose(l.repo, text); err != nil {
		return nil, err
	}
	s.doing = s.command + " of " + address(l.rev.Volume.Name, l.rev.ID)
	if l.rev.Info.State == repository.Damaged {
		s.warn("%v; files that cannot be read are told", &distrustedError{Revision: l.rev})
	}
	rd, err := s.openReader(ctx, l.repo)
	if err != nil {
		return nil, err
	}
	l.closes = append(l.closes, func() { s.close("end the lease", rd) })
	image, err := rd.Image(ctx, l.rev.Volume, l.rev.ID)
	if err != nil {
		return nil, err
	}
	l.closes = append(l.closes, func() { s.close("close a revision", image) })
	if l.layout, err = disk.Look(image, image.Size()); err != nil {
		s.noteDamage(ctx, l.repo, err)
		return nil, err
	}
	if l.layout.Problem != "" {
		s.warn("%s", l.layout.Problem)
	}
	return l, nil
}

func (l *looking) close() {
	for _, f := range l.opened {
		l.s.close("unmount "+f.Part.Words(), f)
	}
	if l.server != nil {
		l.s.close("end the process that serves the image", l.server)
	}
	for _, f := range slices.Backward(l.closes) {
		f()
	}
}

// parts are those that are meant: one that is named, or all.
func (l *looking) parts(want partitionFlag) ([]disk.Part, error) {
	if !want.given {
		return l.layout.Parts, nil
	}
	for _, p := range l.layout.Parts {
		if p.Number == want.number {
			return []disk.Part{p}, nil
		}
	}
	return nil, &noPartError{Number: want.number, Layout: l.layout}
}

// open opens a file system of the disk, once.
func (l *looking) open(part disk.Part) (*loopmount.FileSystem, error) {
	for _, f := range l.opened {
		if f.Part.Number == part.Number {
			return f, nil
		}
	}
	if !part.Kind.IsFileSystem() {
		return nil, &loopmount.ContentError{Part: part}
	}
	if os.Geteuid() != 0 {
		return nil, loopmount.ErrNotRoot
	}
	if l.server == nil {
		server, err := l.s.startServer(l.rev, nil)
		if err != nil {
			return nil, err
		}
		l.server = server
	}
	f, err := loopmount.Open(l.server.Path(), part)
	if err != nil {
		return nil, err
	}
	l.opened = append(l.opened, f)
	if f.Part.Unclean {
		l.s.warn("the %s of %s was in use: what its journal alone has is not seen, so that what changed last may be missing or old",
			part.Kind, part.Words())
	}
	return f, nil
}

// inner is a file of one of the file systems.
type inner struct {
	fsys *loopmount.FileSystem
	node *loopmount.Node
}

// find finds the one file that a path names, of all file systems that are meant. What cannot be looked into is passed over where
// the path is found elsewhere.
func (l *looking) find(path string, want partitionFlag, follow bool) (*inner, error) {
	parts, err := l.parts(want)
	if err != nil {
		return nil, err
	}
	var all []*inner
	var closed []error
	for _, part := range parts {
		if !part.Kind.IsFileSystem() && len(parts) > 1 {
			continue
		}
		fsys, err := l.open(part)
		if errors.Is(err, loopmount.ErrNotRoot) {
			return nil, err
		}
		if err != nil {
			closed = append(closed, err)
			continue
		}
		node, err := fsys.Lookup(path, follow)
		switch {
		case isAbsent(err):
		case err != nil:
			closed = append(closed, fmt.Errorf("%s: %w", part.Words(), err))
		default:
			all = append(all, &inner{fsys, node})
		}
	}
	switch {
	case len(all) == 1:
		for _, err := range closed {
			l.s.warn("not looked into: %v", err)
		}
		return all[0], nil
	case len(all) > 1:
		several := &severalPartsError{Path: path}
		for _, f := range all {
			several.Parts = append(several.Parts, f.fsys.Part)
			l.s.close("close a file", f.node)
		}
		return nil, several
	case len(closed) > 0:
		return nil, errors.Join(closed...)
	}
	return nil, &noPathError{Path: path, Layout: l.layout, opened: len(l.opened)}
}

// isAbsent tells that a path names nothing from damage on the way.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENAMETOOLONG)
}

// partWords says which partition it is, and what it holds: "partition 2 (ext4 root)".
func partWords(p disk.Part) string {
	return fmt.Sprintf("%s (%s)", p.Words(), strings.TrimSpace(string(p.Kind)+" "+p.Label))
}

func partsWords(parts []disk.Part) string {
	words := make([]string, len(parts))
	for i, p := range parts {
		words[i] = partWords(p)
	}
	return strings.Join(words, ", ")
}

// A noPartError reports a partition that a disk has not.
type noPartError struct {
	Number int
	Layout disk.Layout
}

func (e *noPartError) Error() string {
	if len(e.Layout.Parts) == 0 {
		return fmt.Sprintf("there is no partition %d: the disk has none", e.Number)
	}
	return fmt.Sprintf("there is no partition %d; there is %s", e.Number, partsWords(e.Layout.Parts))
}

// emptyTable says what is on a disk that has no part at all.
const emptyTable = "the disk has a partition table, and no partition"

// A noPathError reports a path that no file system of a disk has.
type noPathError struct {
	Path   string
	Layout disk.Layout
	opened int // file systems that were looked into
}

func (e *noPathError) Error() string {
	if len(e.Layout.Parts) == 0 {
		return emptyTable
	}
	if e.opened == 0 {
		return "nothing on it is a file system; there is " + partsWords(e.Layout.Parts)
	}
	return fmt.Sprintf("there is no %q; there is %s", e.Path, partsWords(e.Layout.Parts))
}

// A severalPartsError reports a path that several file systems of a disk have.
type severalPartsError struct {
	Path  string
	Parts []disk.Part
}

func (e *severalPartsError) Error() string {
	return fmt.Sprintf("which partition? %q is in %s", e.Path, partsWords(e.Parts))
}
