package filecopy

import (
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"varve/internal/durable"
	"varve/loopmount"
)

// attributesOf gives what can be kept of a file's attributes. With an error come those that could be read.
func attributesOf(n *loopmount.Node) (durable.Attributes, error) {
	a := durable.Attributes{Mode: n.Mode, UID: n.UID, GID: n.GID, Accessed: n.Accessed, Modified: n.Modified}
	all, err := n.Attributes()
	for name, value := range all {
		if isKept(name) {
			if a.Extended == nil {
				a.Extended = map[string][]byte{}
			}
			a.Extended[name] = value
		}
	}
	return a, err
}

// isKept leaves out what file systems make up of what they are: it means nothing elsewhere.
func isKept(attribute string) bool {
	for _, prefix := range []string{"user.", "trusted.", "security.", "system.posix_acl_"} {
		if strings.HasPrefix(attribute, prefix) {
			return true
		}
	}
	return false
}

// A fatalError ends the whole copy.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// isFatal tells an error after which nothing else can be made either from one that is about a single file.
func isFatal(err error) bool {
	if fatal := new(fatalError); errors.As(err, &fatal) {
		return true
	}
	for _, errno := range []unix.Errno{
		unix.EEXIST, unix.EINVAL, unix.ENAMETOOLONG, unix.EPERM, unix.EACCES, unix.EOPNOTSUPP, unix.EMLINK, unix.EILSEQ, unix.ERANGE, unix.E2BIG,
		unix.ENODATA, unix.EOVERFLOW,
	} {
		if errors.Is(err, errno) {
			return false
		}
	}
	return !errors.Is(err, fs.ErrInvalid)
}

// cause is an error without the path that it is about.
func cause(err error) error {
	if inner := new(fs.PathError); errors.As(err, &inner) {
		return inner.Err
	}
	if inner := new(loopmount.PathError); errors.As(err, &inner) {
		return inner.Err
	}
	return err
}

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
	c.opts.Meter.Files.Add(1)
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
