package backup

import (
	"errors"
	"fmt"

	"varve/chunkstore"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// A DamageError reports stored bytes of an image that are lost. With KeepGoing
// the work went on around them.
type DamageError struct {
	Lost  []repository.Extent        // ascending, joined
	Hurt  []*chunkstore.CorruptError // the objects that are damaged, each copy once, in no order
	Cause error                      // of the first
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s lost in %s: %v", human.Size(Total(e.Lost)), places(e.Lost), e.Cause)
}

func (e *DamageError) Unwrap() error { return e.Cause }

// A DifferenceError reports that a source does not hold what the revision does.
type DifferenceError struct {
	Differing []repository.Extent // ascending, joined, in whole blocks
}

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("the source differs from the revision by %s in %s", human.Size(Total(e.Differing)), places(e.Differing))
}

// A DigestError reports that what was read does not give the image's digest,
// although each part of it looked right.
type DigestError struct {
	Got, Want fmt.Stringer
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("what was read has the image digest %s, the revision says %s", e.Got, e.Want)
}

// A LooseSetError reports a set that is to be of one moment, and volumes of it that
// nothing freezes.
type LooseSetError struct {
	Set     string
	Volumes []revision.Name
}

func (e *LooseSetError) Error() string {
	return fmt.Sprintf("set %q is to be consistent, and nothing freezes %q", e.Set, e.Volumes)
}

// A MovedError reports a source that changed while it was read, although it was to be as
// at one moment with others.
type MovedError struct{ Reason string }

func (e *MovedError) Error() string {
	return fmt.Sprintf("it is not of one moment with the others: %s", e.Reason)
}

// IsDamage tells whether an error says that stored bytes are not what was once
// written, or that a source does not hold what it should.
func IsDamage(err error) bool {
	var (
		damage     *DamageError
		difference *DifferenceError
		digest     *DigestError
	)
	return errors.As(err, &damage) || errors.As(err, &difference) || errors.As(err, &digest) || repository.IsDamage(err)
}

func places(extents []repository.Extent) string {
	if len(extents) == 1 {
		return "one place"
	}
	return fmt.Sprintf("%d places", len(extents))
}
