package revision

import (
	"errors"
	"fmt"
)

// checkChain makes sure that each map is the recorded parent of the one before it.
func checkChain(chain []*Map) error {
	if len(chain) == 0 {
		return errors.New("overlay of no revisions")
	}
	for i := 1; i < len(chain); i++ {
		if err := CheckLink(chain[i-1].statement, chain[i].statement); err != nil {
			return err
		}
	}
	return nil
}

// CheckLink makes sure that a revision is the parent that another one names, with the
// very image that it was made on; otherwise the error is a [*ChainError]. Sequence
// numbers fall along a chain that passes, so none goes round in a circle.
func CheckLink(child, parent *Statement) error {
	if err := linked(child, parent); err != nil {
		return &ChainError{Revision: child.ID, Cause: err}
	}
	return nil
}

func linked(child, parent *Statement) error {
	switch {
	case child.Parent == nil:
		return fmt.Errorf("a full does not build on %s", parent.ID)
	case child.Parent.ID != parent.ID:
		return fmt.Errorf("it builds on %s, not on %s", child.Parent.ID, parent.ID)
	case child.Parent.Digest != parent.Digest:
		return fmt.Errorf("it builds on an image of digest %s, %s has %s",
			child.Parent.Digest, parent.ID, parent.Digest)
	case child.Volume.UUID != parent.Volume.UUID || child.Lineage != parent.Lineage:
		return fmt.Errorf("%s is of another volume or lineage", parent.ID)
	case child.Sequence <= parent.Sequence:
		return fmt.Errorf("its sequence number %d does not follow %d of %s",
			child.Sequence, parent.Sequence, parent.ID)
	case child.ChunkSize != parent.ChunkSize:
		return fmt.Errorf("%s has chunks of another size", parent.ID)
	}
	return nil
}

// CheckAgainstParent tells whether a delta may build on that parent: it names it,
// and if it is smaller, a run of zeros erases all that the parent had beyond its end.
func CheckAgainstParent(child, parent *Map) error {
	if err := CheckLink(child.statement, parent.statement); err != nil {
		return err
	}
	erased, end := child.statement.Chunks(), parent.statement.Chunks()
	for r, err := range child.scan(erased, end) {
		if err != nil {
			return err
		}
		if r.first > erased {
			break
		}
		erased = r.end
	}
	if erased < end {
		return child.corruptPart(partPages, fmt.Errorf("chunks %d to %d of parent %s lie beyond the end and are not erased",
			erased, end-1, parent.statement.ID))
	}
	return nil
}
