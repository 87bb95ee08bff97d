package repository

import (
	"context"
	"fmt"

	"varve/revision"
)

// standsFirm makes sure, inside the gate, that nothing changed since it was looked at:
// of these revisions, the maps that were read are the same, and those that go are not
// pinned; and what a new map is to build on is there; empty: on nothing.
func (m *removal) standsFirm(ids []revision.ID, below revision.ID) error {
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
	if below != "" && !m.lost[below] {
		if err := m.groundStands(below); err != nil {
			return err
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

// lookTries is how often what stays is looked at outside the gate before it is done inside.
const lookTries = 3

// atGateKnowing is atGate for a change that relies on what each revision builds on. To look at that may take long, so it is
// done outside, and the change follows if nobody passed the gate meanwhile.
func (m *removal) atGateKnowing(ctx context.Context, change func() error) error {
	for try := 0; ; try++ {
		if err := m.builtAsLeft(); err != nil {
			return err
		}
		again := false
		err := m.atGate(ctx, func() error {
			if again = !m.looked && try < lookTries; again {
				return nil
			}
			if err := m.builtAsLeft(); err != nil {
				return err
			}
			return change()
		})
		if !again {
			return err
		}
	}
}

// builtAsLeft makes sure that what stays, and built on something that goes, builds on what this removal left it on. The volume's
// lock keeps others from changing that; somebody who was given it all the same may have put a revision on one that is to go.
// As long as nobody else passes the gate, it looks but once.
func (m *removal) builtAsLeft() error {
	if m.looked {
		return nil
	}
	above := map[revision.ID]bool{} // what built on something that goes
	for _, rev := range m.visible {
		parent := m.built[rev.ID]
		above[rev.ID] = m.going[parent] || above[parent]
		if m.going[rev.ID] || !above[rev.ID] {
			continue
		}
		if err := m.buildsStillOn(rev.ID, m.parents[rev.ID]); err != nil {
			return err
		}
	}
	m.looked = true
	return nil
}

// buildsStillOn refuses a revision that builds on another one than was left to it; empty: on none.
func (m *removal) buildsStillOn(id, parent revision.ID) error {
	f, err := m.repo.openRevision(m.volume, id)
	if notFound(err) { // it builds on nothing any more
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %s cannot be read any more: %w", ErrLostGround, id, err)
	}
	is := revision.ID("")
	if p := f.Statement().Parent; p != nil {
		is = p.ID
	}
	if err := f.Close(); err != nil {
		return err
	}
	if is != parent {
		return fmt.Errorf("%w: somebody else wrote what %s builds on", ErrLostGround, id)
	}
	return nil
}
