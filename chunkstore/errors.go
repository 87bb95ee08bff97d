package chunkstore

import (
	"errors"
	"fmt"
)

// ErrNotFound reports that no pack lists the wanted object.
var ErrNotFound = errors.New("object not found")

// ErrClosed reports the use of a Writer, Reader or Store after its Close.
var ErrClosed = errors.New("already closed")

// ErrNoCatalog reports that a catalog was asked for where none is configured.
var ErrNoCatalog = errors.New("no catalog is configured")

// ErrCatalogBusy reports that others kept the catalog locked for too long.
var ErrCatalogBusy = errors.New("the catalog is in use by another process")

// A CorruptError reports stored bytes that are not what was once written, or a
// pack that is gone. Reading them again will not help; another copy may.
type CorruptError struct {
	Pack   PackID // zero: no pack is known for the object
	Kind   Kind   // zero, as ID: the pack itself is hurt, not one object in it
	ID     ID
	Path   string // the pack's file in the repository
	Offset int64  // where in that file the hurt structure begins
	Cause  error
}

func (e *CorruptError) Error() string {
	switch {
	case e.Kind == 0:
		return fmt.Sprintf("damaged pack %s at offset %d: %v", e.Path, e.Offset, e.Cause)
	case e.Path == "":
		return fmt.Sprintf("damaged %s %s: %v", e.Kind, e.ID, e.Cause)
	}
	return fmt.Sprintf("damaged %s %s in %s at offset %d: %v", e.Kind, e.ID, e.Path, e.Offset, e.Cause)
}

func (e *CorruptError) Unwrap() error { return e.Cause }

// A VersionError reports a structure of a format that this program does not
// know: it is from the future, not damaged.
type VersionError struct {
	What    string // "pack", "frame", …
	Version int
	Known   int // the newest version this program reads; it reads from 1
}

func (e *VersionError) Error() string {
	if e.Known == 1 {
		return fmt.Sprintf("%s has format %d, this program reads 1", e.What, e.Version)
	}
	return fmt.Sprintf("%s has format %d, this program reads 1 to %d", e.What, e.Version, e.Known)
}

// A FeatureError reports a flag, codec or key that this program does not know.
type FeatureError struct {
	What  string // "frame flags", "frame codec", …
	Value uint64
}

func (e *FeatureError) Error() string {
	return fmt.Sprintf("%s %#x is not known to this program", e.What, e.Value)
}
