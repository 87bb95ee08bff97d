package backup

import (
	"fmt"

	"varve/repository"
)

// A DamageError reports stored bytes of an image that are lost. With KeepGoing
// the work went on around them.
type DamageError struct {
	Lost  []repository.Extent // ascending, joined
	Cause error               // of the first
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%d bytes in %d places are lost: %v", Total(e.Lost), len(e.Lost), e.Cause)
}

func (e *DamageError) Unwrap() error { return e.Cause }

// A DifferenceError reports that a source does not hold what the revision does.
type DifferenceError struct {
	Differing []repository.Extent // ascending, joined, in whole blocks
}

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("the source differs from the revision in %d bytes in %d places", Total(e.Differing), len(e.Differing))
}

// A DigestError reports that what was read does not give the image's digest,
// although each part of it looked right.
type DigestError struct {
	Got, Want fmt.Stringer
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("what was read has the image digest %s, the revision says %s", e.Got, e.Want)
}
