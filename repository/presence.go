package repository

import (
	"errors"
	"fmt"
	"slices"

	"varve/revision"
)

// Presence tells which chunks of a revision's image are not zeros. It reads maps, and
// neither packs nor what the regions come to; it needs no lease. known gives what was
// found out before of another revision of the volume, or nil: the chain is read down to
// the first that is known. What is learned on the way is given to learned.
func (r *Repository) Presence(
	v Volume, id revision.ID, known func(revision.ID) *revision.Presence, learned func(revision.ID, *revision.Presence),
) (p *revision.Presence, err error) {
	for range 3 { // a merge may replace what was just looked up
		if p, err = r.presence(v, id, known, learned); err == nil {
			return p, nil
		}
		v, _ = r.movedTo(v)
	}
	return nil, fmt.Errorf("find the holes of revision %s@%s: %w", v.Name, id, err)
}

func (r *Repository) presence(
	v Volume, id revision.ID, known func(revision.ID) *revision.Presence, learned func(revision.ID, *revision.Presence),
) (p *revision.Presence, err error) {
	var maps []*mapFile // newest first
	defer func() { err = errors.Join(err, closeAll(maps)) }()
	for next := id; next != "" && p == nil; {
		if p = known(next); p != nil {
			break
		}
		m, err := r.openRevision(v, next)
		if err != nil {
			return nil, err
		}
		maps = append(maps, m)
		if len(maps) > 1 {
			if err := revision.CheckLink(maps[len(maps)-2].Statement(), m.Statement()); err != nil {
				return nil, err
			}
		}
		next = ""
		if parent := m.Statement().Parent; parent != nil {
			next = parent.ID
		}
	}
	for _, m := range slices.Backward(maps) {
		if p, err = m.Presence(p); err != nil {
			return nil, damagedMap(m.name, err)
		}
		learned(m.Statement().ID, p)
	}
	return p, nil
}
