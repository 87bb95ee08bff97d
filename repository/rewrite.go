package repository

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"varve/revision"
)

// foldInto writes the map of a revision anew, with those right below it folded into it
// that fold says.
func (m *removal) foldInto(ctx context.Context, id revision.ID, fold func(revision.ID) bool) (err error) {
	old, err := m.openNoted(id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	if m.image, err = m.reader.Image(ctx, m.volume, id); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.image.Close()) }()
	var gone []revision.ID
	below := m.parents[id]
	for ; below != "" && fold(below); below = m.parents[below] {
		gone = append(gone, below)
	}
	d, err := m.fold(ctx, old, gone, m.openNoted)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.discard()) }()
	if err := m.proveOn(ctx, m.reader, d, below); err != nil {
		return err
	}
	if err := m.makeStored(ctx); err != nil {
		return err
	}
	if err := m.replace(ctx, d, id, gone, below); err != nil {
		return err
	}
	m.buildsOn(id, below)
	m.out.Rewritten, m.out.Rebuilt, m.out.Left = append(m.out.Rewritten, id), m.rebuilt, m.left
	return nil
}

// openNoted opens a map, whole or from its copy, and notes which one it was.
func (m *removal) openNoted(id revision.ID) (*mapFile, error) {
	f, err := m.repo.openWhole(Revision{Volume: m.volume, ID: id})
	if err != nil {
		if notFound(err) || isDamaged(err) {
			err = &DamagedRevisionError{Volume: m.volume.Name, ID: id, Cause: err}
		}
		return nil, err
	}
	m.nonces[id] = f.Statement().Nonce
	return f, nil
}

// replace gives, inside the gate, a revision its new map, the copy of it first. Both
// say the same of its image, so any moment is a good one to be interrupted.
func (m *removal) replace(ctx context.Context, d *draft, id revision.ID, folded []revision.ID, below revision.ID) error {
	fsys := m.repo.fsys
	second, err := m.writeCopy(d)
	if err != nil {
		return fmt.Errorf("make the second copy of the map durable: %w", err)
	}
	err = m.atGate(ctx, func() error {
		if err := m.standsFirm(append(slices.Clone(folded), id), below); err != nil {
			return err
		}
		return m.putBoth(d, second, id)
	})
	if err != nil {
		if rerr := fsys.Remove(second); !notFound(rerr) {
			err = errors.Join(err, rerr)
		}
		return err
	}
	m.nonces[id], d.name = d.nonce, ""
	return nil
}

// putBoth puts, inside the gate, a map and its copy in the place of the former ones.
func (m *removal) putBoth(d *draft, second string, id revision.ID) error {
	copied, err := m.put(second, copyName(m.volume.UUID, id))
	if err != nil {
		return err
	}
	visible, err := m.put(d.name, revisionName(m.volume.Name, id))
	if err != nil {
		return errors.Join(err, copied.undo())
	}
	copied.settle()
	visible.settle()
	return nil
}

// replaced is a file in whose place another one is, durably. Until it is settled,
// that can be undone.
type replaced struct {
	repo   *Repository
	name   string
	former string // its other name; empty: there was none
}

// put puts a temporary file in the place of what has that name. If that cannot be made
// durable, it is undone: the next run would believe what it sees, and take away what the
// map on the disk builds on.
func (m *removal) put(temp, name string) (*replaced, error) {
	fsys := m.repo.fsys
	r := &replaced{repo: m.repo, name: name, former: m.lease.temps.In(path.Dir(name))}
	if err := fsys.Link(name, r.former); notFound(err) { // it was lost, and is mended
		r.former = ""
	} else if err != nil {
		return nil, err
	}
	err := fsys.Rename(temp, name)
	if err == nil {
		err = fsys.SyncDir(path.Dir(name))
	}
	if err != nil {
		return nil, errors.Join(err, r.undo())
	}
	return r, nil
}

// undo brings back what there was before.
func (r *replaced) undo() error {
	if r.former == "" {
		return nil
	}
	if err := r.repo.fsys.Rename(r.former, r.name); err != nil {
		return err
	}
	r.settle() // of two names of one file, the rename leaves both
	return r.repo.fsys.SyncDir(path.Dir(r.name))
}

// settle gives up what there was before.
func (r *replaced) settle() {
	if r.former == "" {
		return
	}
	if err := r.repo.fsys.Remove(r.former); err != nil && !notFound(err) { // the next run sweeps it away
		r.repo.opts.Log.Warn("a temporary file stays", "error", err)
	}
}
