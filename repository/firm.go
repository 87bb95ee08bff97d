package repository

import (
	"fmt"

	"varve/revision"
)

// standsFirm makes sure, inside the gate, that nothing changed since it was looked at:
// of these revisions, the maps that were read are the same, and those that go are not
// pinned; and what a new map is to build on is there.
func (m *removal) standsFirm(ids []revision.ID, below []*mapFile) error {
	if err := m.stillOurs(); err != nil {
		return err
	}
	for _, id := range ids {
		if err := m.isAsRead(id); err != nil {
			return err
		}
		if m.going[id] {
			if err := m.notPinned(id); err != nil {
				return err
			}
		}
	}
	if len(below) > 0 {
		if id := below[0].Statement().ID; !m.lost[id] {
			if err := m.groundStands(id); err != nil {
				return err
			}
		}
	}
	if m.chunks != nil {
		return m.packsStand()
	}
	return nil
}

// isAsRead refuses, inside the gate, a revision that is gone, or whose map is another than
// the one that was read.
func (m *removal) isAsRead(id revision.ID) error {
	if !m.lost[id] { // or its copy would pass for it, and what lies in the trash be taken for a leftover
		if _, err := m.repo.fsys.Lstat(revisionName(m.volume.Name, id)); err != nil {
			return fmt.Errorf("%w: %s is gone: %w", ErrLostGround, id, err)
		}
	}
	nonce, read := m.nonces[id]
	if !read {
		return nil
	}
	f, err := m.repo.openRevision(m.volume, id)
	if err != nil {
		return fmt.Errorf("%w: %s cannot be read any more: %w", ErrLostGround, id, err)
	}
	return checkWriting(f, nonce)
}

// notPinned refuses, inside the gate, a revision that was pinned meanwhile.
func (m *removal) notPinned(id revision.ID) error {
	rev, err := m.repo.revision(m.volume, id, true)
	if notFound(err) {
		return nil // it has lost its file; survey knew
	}
	if err != nil {
		return err
	}
	if rev.Info.Pin.Holds(m.repo.opts.Now()) {
		return &PinnedError{Volume: m.volume.Name, ID: id, Pin: *rev.Info.Pin}
	}
	return nil
}
