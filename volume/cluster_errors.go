package volume

import "fmt"

// A NoClusterError reports a Ceph cluster that cannot be reached, or does not answer in time.
type NoClusterError struct {
	Conf string // the configuration that was used
	Err  error
}

func (e *NoClusterError) Error() string {
	return fmt.Sprintf("no Ceph cluster is in reach (%s): %v", e.Conf, e.Err)
}

func (e *NoClusterError) Unwrap() error { return e.Err }

// A DeniedError reports something that a user of a Ceph cluster may not do.
type DeniedError struct {
	User    string // without "client."
	What    string
	Pool    string // for which capabilities are missing; empty: the user is not let in at all
	Keyring string // where the user's key was looked for; empty: it has one
	NoKey   bool   // there was none
	Err     error
}

func (e *DeniedError) Error() string {
	switch {
	case e.NoKey:
		return fmt.Sprintf("no key of client.%s was found (%s)", e.User, e.Keyring)
	case e.Pool == "":
		return fmt.Sprintf("the cluster does not let client.%s in: its key is not in %s, or is not the one that the cluster has", e.User, e.Keyring)
	}
	return fmt.Sprintf("client.%s may not %s", e.User, e.What)
}

func (e *DeniedError) Unwrap() error { return e.Err }

// MissingPart says which part of an [Image]'s name names nothing.
type MissingPart string

// The parts of an image's name.
const (
	MissingPool      MissingPart = "pool"
	MissingNamespace MissingPart = "namespace"
	MissingImage     MissingPart = "image"
	MissingSnapshot  MissingPart = "snapshot"
	MissingTrashed   MissingPart = "trashed" // the image is in the trash of its pool
)

// A NoImageError reports the name of an RBD image that names nothing.
type NoImageError struct {
	Image   Image
	Missing MissingPart
}

func (e *NoImageError) Error() string {
	at := e.Image
	switch e.Missing {
	case MissingPool:
		return fmt.Sprintf("there is no pool %q", at.Pool)
	case MissingNamespace:
		return fmt.Sprintf("pool %q has no namespace %q", at.Pool, at.Namespace)
	case MissingSnapshot:
		name := at.Snapshot
		at.Snapshot = ""
		return fmt.Sprintf("image %s has no snapshot %q", at, name)
	case MissingTrashed:
		return fmt.Sprintf("image %s is in the trash", at)
	}
	return fmt.Sprintf("there is no image %s", at)
}

// A NoBaseError reports a snapshot that cannot say what changed since another.
type NoBaseError struct{ Why string }

func (e *NoBaseError) Error() string { return e.Why }

// LayoutPart says what of a new image's layout something is about.
type LayoutPart string

// The parts of a layout; the zero value is all of it.
const (
	LayoutObjectSize LayoutPart = "object size"
	LayoutFeatures   LayoutPart = "features"
	LayoutDataPool   LayoutPart = "data pool"
	LayoutStripes    LayoutPart = "stripes"
)

// A LayoutError reports a new RBD image that cannot be made as it was asked for, or as the one that was backed up.
type LayoutError struct {
	Image Image
	Part  LayoutPart
	Why   string
	Err   error // what the cluster said; nil: it was not asked
}

func (e *LayoutError) Error() string {
	text := fmt.Sprintf("image %s cannot be made: %s", e.Image, e.Why)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *LayoutError) Unwrap() error { return e.Err }
