//go:build ceph

package rbdvolume

import (
	"fmt"
	"strings"

	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
)

// Names of snapshots that Varve takes: of those that a revision counts from, and of those that go when they were read.
const (
	namePrefix      = "varve."
	temporaryPrefix = "varve-reading."
)

// nameOf is the name of the snapshot that has this label.
func nameOf(l volume.Label) string {
	return namePrefix + l.Repository + "." + l.Volume + "." + l.Revision
}

// parseName reads the label in the name of a snapshot.
func parseName(name string) (l volume.Label, ours bool) {
	rest, ours := strings.CutPrefix(name, namePrefix)
	parts := strings.Split(rest, ".")
	if !ours || len(parts) != 3 {
		return l, false
	}
	return volume.Label{Repository: parts[0], Volume: parts[1], Revision: parts[2]}, true
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
