package repository

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"varve/revision"
)

// Commit finishes the map with its regions and its statement, makes everything
// durable and then makes the revision visible. Of the statement, the caller gives
// what the backup did and saw; whose it is, its number, parent, kind and digest
// are filled in. When Commit returns nil, the revision survives a power cut; when
// it does not, there is none, unless the error wraps [ErrUndecided]. An error that
// wraps [ErrLostGround] is healed by the next run.
func (b *Backup) Commit(ctx context.Context, regions []revision.Region, st revision.Statement) (*revision.Statement, error) {
	made, err := b.Prepare(ctx, regions, st)
	if err != nil {
		return nil, err
	}
	err = b.atGate(ctx, func() error {
		if err := b.standsFirm(); err != nil {
			return err
		}
		if err := b.makeVisible(); err != nil {
			return err
		}
		b.unretire()
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, b.notCommitted(err))
	}
	b.nowVisible()
	return made, nil
}

// Prepare is all of [Backup.Commit] but that the revision becomes visible: for one of a
// set, which [Repository.CommitSet] does with all of them. It may be long until then.
func (b *Backup) Prepare(ctx context.Context, regions []revision.Region, st revision.Statement) (*revision.Statement, error) {
	b.fillIn(&st, regions)
	if err := b.chunks.Barrier(ctx); err != nil {
		return nil, fmt.Errorf("make packs durable: %w", err)
	}
	if err := b.draft.writer.Finish(regions, st); err != nil {
		return nil, err
	}
	if err := b.draft.seal(); err != nil {
		return nil, fmt.Errorf("make the map durable: %w", err)
	}
	var err error
	if b.second, err = b.writeCopy(b.draft); err != nil {
		return nil, fmt.Errorf("make the second copy of the map durable: %w", err)
	}
	if err := b.settled(); err != nil {
		return nil, errors.Join(err, b.dropSecond())
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, b.dropSecond())
	}
	b.prepared = &st
	return &st, nil
}

// notCommitted clears away what Prepare left of a revision that failed, with that error,
// to become visible.
func (b *Backup) notCommitted(failure error) error {
	err := b.dropSecond()
	if errors.Is(failure, ErrLostGround) {
		err = errors.Join(err, b.chunks.DropCatalogClaims())
	}
	if errors.Is(failure, ErrUndecided) { // its packs are no orphans: the revision may come back
		err = errors.Join(err, b.Finished())
	}
	return err
}

// nowVisible notes, after ★, that what was temporary has its name.
func (b *Backup) nowVisible() { b.committed, b.draft.name, b.second = true, "", "" }

// dropSecond removes the copy of the map, if it still has its temporary name.
func (b *Backup) dropSecond() error {
	if b.second == "" {
		return nil
	}
	name := b.second
	b.second = ""
	if err := b.repo.fsys.Remove(name); !notFound(err) {
		return err
	}
	return nil
}

// Finished removes the run's record, after the revision became visible. An error
// costs nothing but a little order.
func (b *Backup) Finished() error { return b.finished() }

func (b *Backup) fillIn(st *revision.Statement, regions []revision.Region) {
	st.ID, st.Sequence, st.Nonce, st.Set = b.id, b.sequence, b.draft.nonce, b.opts.Set
	st.Volume = revision.Volume{UUID: b.volume.UUID, Name: b.volume.Name}
	st.Lineage, st.Repository = b.repo.desc.Lineage, b.repo.desc.Repository
	st.Begun, st.Ended = b.begun, b.repo.opts.Now().UTC().Truncate(time.Second)
	if !b.opts.Begun.IsZero() {
		st.Ended = b.begun
	}
	st.ChunkSize = uint64(b.repo.desc.ChunkSize)
	st.Kind = revision.Full
	if b.parent != nil {
		p := b.parent.Statement()
		st.Kind, st.Parent = revision.Delta, &revision.Parent{ID: p.ID, Digest: p.Digest}
	}
	st.Digest = revision.ImageDigest(st.ChunkSize, st.Size, regions)
}

// standsFirm makes sure, inside the gate, that everything the revision names is
// there and stays, and where it is to be: the lease, the volume, the parent, the packs, the number.
func (b *Backup) standsFirm() error {
	if err := b.lease.holds(); err != nil {
		return err
	}
	if err := b.repo.homeStands(b.volume); err != nil {
		return err
	}
	if err := b.parentStands(); err != nil {
		return err
	}
	if err := b.packsStand(); err != nil {
		return err
	}
	return b.nobodyCame() // all that the survey saw have lower numbers, and no number is given twice
}

// homeStands makes sure that a volume's directory is that volume's still. Whoever lost its
// lock keeps nobody from renaming it, and another from taking its name.
func (r *Repository) homeStands(v Volume) error {
	switch now, err := r.Volume(v.Name); {
	case errors.Is(err, ErrNoVolume), err == nil && now.UUID != v.UUID:
		return fmt.Errorf("%w: volume %q was renamed, or is another now", ErrLostGround, v.Name)
	case isDamaged(err): // then it says nothing
		return nil
	default:
		return err
	}
}

// parentStands makes sure that the parent is as visible as it was, with the same
// image. Where its own file was missing already, and a copy stood in, the copy
// must still be there.
func (b *Backup) parentStands() error {
	if b.parent == nil {
		return nil
	}
	p := b.parent.Statement()
	if _, err := b.repo.fsys.Lstat(revisionName(b.volume.Name, p.ID)); notFound(err) && !b.lost[p.ID] {
		return fmt.Errorf("%w: the parent %s is gone", ErrLostGround, p.ID)
	}
	m, err := b.repo.openRevision(b.volume, p.ID)
	if notFound(err) || isDamaged(err) {
		return fmt.Errorf("%w: the parent %s cannot be read any more: %w", ErrLostGround, p.ID, err)
	}
	if err != nil {
		return err
	}
	digest := m.Statement().Digest
	if err := m.Close(); err != nil {
		return err
	}
	if digest != p.Digest {
		return fmt.Errorf("%w: the parent %s is another one now", ErrLostGround, p.ID)
	}
	return nil
}

// makeVisible gives the copy and then the revision their names. The second
// rename is ★: after it, and the sync that follows, the revision exists.
func (b *Backup) makeVisible() error {
	fsys := b.repo.fsys
	copied, visible := copyName(b.volume.UUID, b.id), revisionName(b.volume.Name, b.id)
	for _, name := range []string{copied, visible} {
		if _, err := fsys.Lstat(name); err == nil {
			return fmt.Errorf("%w: %s is there already", ErrLostGround, name)
		} else if !notFound(err) {
			return err
		}
	}
	if err := fsys.RenameNew(b.second, copied); err != nil {
		return errors.Join(err, b.takeBack(copied))
	}
	if err := fsys.SyncDir(path.Dir(copied)); err != nil {
		return errors.Join(err, b.takeBack(copied))
	}
	if err := fsys.RenameNew(b.draft.name, visible); err != nil { // ★
		return errors.Join(err, b.takeBack(visible, copied))
	}
	if err := fsys.SyncDir(path.Dir(visible)); err != nil {
		return errors.Join(err, b.takeBack(visible, copied))
	}
	return nil
}

// unretire ends, after ★, the retirement of a volume. The revision's number has ended
// it already, so that its file stays is only a matter of order.
func (b *Backup) unretire() {
	ended, err := b.repo.endRetirement(b.volume)
	b.unretired = ended
	if err != nil {
		b.repo.opts.Log.Warn("the file that says a volume is retired could not be removed", "error", err)
	}
}
