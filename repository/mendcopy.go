package repository

import (
	"context"
	"errors"
	"path"

	"varve/revision"
)

// mendCopies makes the copy of each visible revision the same writing as its file. Who
// dies between the two renames that give a revision its new map leaves a copy that may
// build on others than the file does, and nobody minds those: once they went, it would
// be no copy any more. Copies that are gone or damaged are made anew, too. What cannot be
// mended, as on a full disk, keeps nothing from going.
func (m *removal) mendCopies(ctx context.Context) error {
	r := m.repo
	for _, rev := range m.visible {
		if err := ctx.Err(); err != nil {
			return err
		}
		if rev.Statement == nil || m.lost[rev.ID] {
			continue
		}
		copied, err := r.nonceOf(copyName(m.volume.UUID, rev.ID))
		if err == nil && copied == rev.Statement.Nonce || err != nil && !notFound(err) && !isDamaged(err) {
			continue
		}
		if file, err := r.nonceOf(revisionName(m.volume.Name, rev.ID)); err != nil || file != rev.Statement.Nonce {
			continue // it is the copy that stands in for the file
		}
		if err := m.mendCopy(ctx, rev.ID); err != nil {
			r.opts.Log.Warn("the copy of a revision is not as its file is, and stays so", "revision", string(rev.ID), "error", err)
		}
	}
	return ctx.Err()
}

// mendCopy writes a revision's copy anew, of its file, every byte of which is checked.
func (m *removal) mendCopy(ctx context.Context, id revision.ID) error {
	fsys, name := m.repo.fsys, copyName(m.volume.UUID, id)
	second, err := m.writeCopy(&draft{repo: m.repo, name: revisionName(m.volume.Name, id)})
	if err != nil {
		return err
	}
	err = m.atGate(ctx, func() error {
		if err := m.lease.holds(); err != nil {
			return err
		}
		return fsys.Rename(second, name)
	})
	if err != nil {
		if rerr := fsys.Remove(second); !notFound(rerr) {
			err = errors.Join(err, rerr)
		}
		return err
	}
	return fsys.SyncDir(path.Dir(name))
}
