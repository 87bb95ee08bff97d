package filecopy

import (
	"errors"
	"io/fs"

	"varve/loopmount"
)

// A Report says what a copy did.
type Report struct {
	Made        []string // the names that were made in the directory, in the order of their sources
	Files       int64    // regular ones, each name of them
	Directories int64
	Links       int64 // symbolic ones
	Others      int64 // devices, pipes, sockets
	Bytes       int64 // of content
	Problems    []Problem
}

// A Problem is something that is not in the copy as it is in the image.
type Problem struct {
	Kind  ProblemKind
	Path  string // in the image; of several, the first
	Text  string
	Count int // of how many files
}

// A ProblemKind says how a copy differs from what was to be copied.
type ProblemKind string

// The kinds of problems.
const (
	Unreadable ProblemKind = "unreadable" // left out: it, or what it should hold, could not be read from the image
	NotMade    ProblemKind = "not-made"   // left out: the host's file system does not take it
	NotKept    ProblemKind = "not-kept"   // it is there, without an attribute or a link that the host's file system does not take
)

func (c *copier) note(p Problem) {
	p.Count = max(p.Count, 1)
	c.report.Problems = append(c.report.Problems, p)
}

// unreadable notes what is left out, or hurt, because the image does not give it.
func (c *copier) unreadable(path string, err error) {
	text := err.Error()
	if inner := new(loopmount.PathError); errors.As(err, &inner) {
		text = inner.Op + ": " + inner.Err.Error()
	}
	c.note(Problem{Kind: Unreadable, Path: path, Text: text})
}

// notKept notes what is missing of a file; once for all that miss the same for the same reason.
func (c *copier) notKept(path, what string, err error) {
	text := what + ": " + cause(err).Error()
	if i, known := c.kept[text]; known {
		c.report.Problems[i].Count++
		return
	}
	c.kept[text] = len(c.report.Problems)
	c.note(Problem{Kind: NotKept, Path: path, Text: text})
}

// count counts what was made.
func (c *copier) count(n *loopmount.Node) {
	switch n.Mode.Type() {
	case 0:
		c.report.Files++
	case fs.ModeDir:
		c.report.Directories++
	case fs.ModeSymlink:
		c.report.Links++
	default:
		c.report.Others++
	}
}
