package filecopy

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"sync/atomic"

	"varve/internal/durable"
	"varve/loopmount"
)

// partialSuffix marks the directory in which a copy is put together. The name is ours: what a run that was killed left is taken
// away by the next one.
const partialSuffix = ".varve-partial"

// longestName is how many bytes a name can have on all file systems that matter.
const longestName = 255

// A Source is a file, or a directory with all that is below it.
type Source struct {
	Node *loopmount.Node
	Name string // that it gets
}

// Options tunes [Copy]. The zero value is ready to use.
type Options struct {
	Force bool   // files and links that exist are replaced, unless by a directory
	Meter *Meter // told as it goes; may be nil
}

// A Meter tells how far a copy is. It is safe for concurrent use.
type Meter struct {
	Bytes atomic.Int64 // of content that was copied
}

// Copy copies the sources into a directory of this host. Nothing is written if one has a name that is taken. An error
// is of the host, or that ctx is done: sources that came before are whole then, and what was begun is taken away. The report
// is never nil.
func Copy(ctx context.Context, directory string, sources []Source, opts Options) (report *Report, err error) {
	c := &copier{opts: opts, report: &Report{}, kept: map[string]int{}}
	if c.opts.Meter == nil {
		c.opts.Meter = new(Meter)
	}
	if c.target, err = durable.OpenDir(directory); err != nil {
		return c.report, err
	}
	defer func() { err = errors.Join(err, c.target.Close()) }()
	names := map[string]bool{}
	for _, s := range sources {
		if names[s.Name] {
			return c.report, &SameNameError{Name: s.Name, Directory: directory}
		}
		names[s.Name] = true
		if err := c.checkFree(s, directory); err != nil {
			return c.report, err
		}
	}
	for _, s := range sources {
		if err := c.source(ctx, s); err != nil {
			return c.report, err
		}
	}
	return c.report, nil
}

// checkFree refuses a source whose name is taken by what may not be replaced.
func (c *copier) checkFree(s Source, directory string) error {
	info, err := c.target.Lstat(s.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	isDirectory := info.IsDir() || s.Node.Mode.IsDir()
	isSpecial := !info.IsDir() && !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeSymlink
	if isDirectory || isSpecial || !c.opts.Force {
		return &ExistsError{Path: filepath.Join(directory, s.Name), Directory: isDirectory, Special: isSpecial}
	}
	return nil
}

// copier is one run of Copy.
type copier struct {
	opts   Options
	target *durable.Dir
	report *Report

	stage *durable.Dir    // of the source that is being copied
	links map[file]string // where files that have several names are in it
	kept  map[string]int  // problems of the same kind, by their text: which of the report
	buf   []byte
}

// file tells a file of an image from others.
type file struct{ device, inode uint64 }

// source copies one of them, and gives it its name.
func (c *copier) source(ctx context.Context, s Source) (err error) {
	partial := s.Name[:min(len(s.Name), longestName-len(partialSuffix))] + partialSuffix
	if c.stage, err = c.target.Stage(partial); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.target.RemoveAll(partial), c.stage.Close()) }()
	c.links = map[file]string{}
	made, err := c.node(ctx, s.Node, c.stage, s.Name, s.Name)
	if err != nil || !made {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := c.stage.SyncAll(); err != nil {
		return err
	}
	if err := c.stage.Move(s.Name, c.target, s.Name, c.opts.Force && !s.Node.Mode.IsDir()); err != nil {
		return err
	}
	c.report.Made = append(c.report.Made, s.Name)
	return c.target.Sync()
}

// node copies one file of any kind into a directory, and tells whether it is there. Its place is where that is within the
// stage. The error is of what ends the whole copy.
func (c *copier) node(ctx context.Context, n *loopmount.Node, to *durable.Dir, name, place string) (made bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	attributes, err := attributesOf(n)
	if err != nil {
		c.unreadable(n.Path, err)
	}
	key := file{n.Device, n.Inode}
	if n.Links > 1 && !n.Mode.IsDir() {
		if first, known := c.links[key]; known {
			if err := to.Link(c.stage, first, name); err == nil {
				c.count(n)
				return true, nil
			} else if isFatal(err) {
				return false, err
			} else {
				c.notKept(n.Path, "another name of a file is a file of its own", err)
			}
		}
		defer func() {
			if made {
				c.links[key] = place
			}
		}()
	}
	made, err = c.make(ctx, n, to, name, place)
	if err != nil && !isFatal(err) && ctx.Err() == nil {
		c.note(Problem{Kind: NotMade, Path: n.Path, Text: cause(err).Error()})
		err = nil
	}
	if err != nil || !made {
		return false, err
	}
	for _, failure := range to.Dress(name, attributes) {
		if isFatal(failure) && !isTooMuch(failure, attributes) {
			return false, failure
		}
		c.notKept(n.Path, failure.What, failure.Err)
	}
	c.count(n)
	return true, nil
}

// make makes the file with what it holds, and without its attributes.
func (c *copier) make(ctx context.Context, n *loopmount.Node, to *durable.Dir, name, place string) (made bool, err error) {
	switch n.Mode.Type() {
	case 0:
		return c.content(ctx, n, to, name)
	case fs.ModeDir:
		return c.directory(ctx, n, to, name, place)
	case fs.ModeSymlink:
		target, err := n.Target()
		if err != nil {
			c.unreadable(n.Path, err)
			return false, nil
		}
		return true, to.Symlink(target, name)
	case fs.ModeIrregular:
		c.unreadable(n.Path, errors.New("it is of no kind that there is"))
		return false, nil
	}
	return true, to.Mknod(name, n.Mode, n.Major, n.Minor)
}

// directory copies a directory and all that is below it.
func (c *copier) directory(ctx context.Context, n *loopmount.Node, to *durable.Dir, name, place string) (made bool, err error) {
	names, err := n.Names()
	if err != nil {
		c.unreadable(n.Path, err) // what could be listed is copied
	}
	dir, err := to.Mkdir(name)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	for _, each := range names {
		child, err := n.Child(each)
		if err != nil {
			c.unreadable(path.Join(n.Path, each), err)
			continue
		}
		_, err = c.node(ctx, child, dir, each, path.Join(place, each))
		if err := errors.Join(err, child.Close()); err != nil {
			return false, &fatalError{err}
		}
	}
	return true, nil
}
