//go:build ceph

package rbdvolume

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
)

// Names of snapshots that Varve takes: of those that a revision counts from, of those that go when they were read, and of
// those by which a restore in place can be undone.
const (
	namePrefix      = "varve."
	temporaryPrefix = "varve-reading."
	undoPrefix      = "varve-undo."
)

// nameOf is the name of the snapshot that has this label; of one that is for no revision, a name that nobody has.
func nameOf(l volume.Label) string {
	if l.Revision == "" {
		return temporaryPrefix + l.Repository + "." + l.Volume + "." + rand.Text()
	}
	return namePrefix + l.Repository + "." + l.Volume + "." + l.Revision
}

// parseName reads the label in the name of a snapshot that is for a revision.
func parseName(name string) (l volume.Label, ours bool) {
	l, taken, ours := parseAny(name)
	return l, ours && taken == volume.ForRevision
}

// parseAny reads what a snapshot was taken for off its name; ours: by this program.
func parseAny(name string) (l volume.Label, taken volume.Purpose, ours bool) {
	if strings.HasPrefix(name, undoPrefix) {
		return l, volume.ForUndo, true
	}
	taken = volume.ForRevision
	rest, ours := strings.CutPrefix(name, namePrefix)
	if !ours {
		taken = volume.ForReading
		rest, ours = strings.CutPrefix(name, temporaryPrefix)
	}
	parts := strings.Split(rest, ".")
	switch {
	case !ours, len(parts) != 3 && (taken == volume.ForRevision || len(parts) != 1):
		return volume.Label{}, "", false
	case len(parts) == 1: // one that was taken for nobody
		return l, taken, true
	case taken == volume.ForRevision:
		l.Revision = parts[2]
	}
	l.Repository, l.Volume = parts[0], parts[1]
	return l, taken, true
}

// base is a snapshot that changes can be counted from. Its number is never given again in its pool.
type base struct {
	number uint64
	name   string
	older  bool // the image had older snapshots then, and can have been rolled back to one so that its object maps mislead
}

// String is what a revision records.
func (b base) String() string {
	text := fmt.Sprintf("%d %s", b.number, b.name)
	if b.older {
		text += " older"
	}
	return text
}

// parseBase reads what a revision recorded.
func parseBase(text string) (b base, err error) {
	rest, older := strings.CutSuffix(text, " older")
	b.older = older
	if _, err := fmt.Sscanf(rest, "%d %s", &b.number, &b.name); err != nil || b.String() != text {
		return b, &volume.NoBaseError{Why: fmt.Sprintf("%q, which the last backup counts from, is no snapshot of an RBD image", text)}
	}
	return b, nil
}

// isNamed tells whether a snapshot is one of those that revisions recorded.
func isNamed(snap rbd.SnapInfo, bases []string) bool {
	for _, text := range bases {
		if b, err := parseBase(text); err == nil && b.number == snap.Id && b.name == snap.Name {
			return true
		}
	}
	return false
}
