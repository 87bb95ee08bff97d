package repository

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"time"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// draft is the revision's file before it has its name.
type draft struct {
	repo   *Repository
	name   string // temporary
	file   durable.File
	at     int64
	buffer *bufio.Writer
	writer *revision.Writer
	nonce  revision.Nonce
}

const draftBuffer = 64 << 10

func (b *Backup) newDraft() (*draft, error) {
	d := &draft{repo: b.repo, name: b.lease.temps.In(volumeDir(b.volume.Name))}
	rand.Read(d.nonce[:])
	var err error
	if d.file, err = b.repo.fsys.Create(d.name); err != nil {
		return nil, err
	}
	d.buffer = bufio.NewWriterSize(d, draftBuffer)
	d.writer, err = revision.NewWriter(d.buffer, revision.Header{ChunkSize: uint64(b.repo.desc.ChunkSize), Nonce: d.nonce})
	if err != nil {
		return nil, errors.Join(err, d.discard())
	}
	return d, nil
}

// Write appends to the file.
func (d *draft) Write(p []byte) (int, error) {
	n, err := d.file.WriteAt(p, d.at)
	d.at += int64(n)
	return n, err
}

// seal makes the file's content durable and reads it again, every byte.
func (d *draft) seal() error {
	if err := d.buffer.Flush(); err != nil {
		return err
	}
	if err := d.file.Sync(); err != nil {
		return err
	}
	if err := d.file.Close(); err != nil {
		return err
	}
	d.file = nil
	return checkMapFile(d.repo.fsys, d.name)
}

func checkMapFile(fsys durable.FS, name string) error {
	m, err := openMap(fsys, name)
	if err != nil {
		return err
	}
	return errors.Join(m.Check(), m.Close())
}

// discard removes the file, if it still has its temporary name.
func (d *draft) discard() error {
	var err error
	if d.file != nil {
		err = d.file.Close()
		d.file = nil
	}
	if d.name == "" {
		return err
	}
	if rerr := d.repo.fsys.Remove(d.name); !notFound(rerr) {
		err = errors.Join(err, rerr)
	}
	d.name = ""
	return err
}

// Commit finishes the map with its regions and its statement, makes everything
// durable and then makes the revision visible. Of the statement, the caller gives
// what the backup did and saw; whose it is, its number, parent, kind and digest
// are filled in. When Commit returns nil, the revision survives a power cut; when
// it does not, there is none, unless the error wraps [ErrUndecided]. An error that
// wraps [ErrLostGround] is healed by the next run.
func (b *Backup) Commit(ctx context.Context, regions []revision.Region, st revision.Statement) (*revision.Statement, error) {
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
	second, err := b.writeCopy()
	if err != nil {
		return nil, fmt.Errorf("make the second copy of the map durable: %w", err)
	}
	// What is gone from there lets others rely on packs, this run among them: it is
	// to stay gone.
	if err := b.repo.fsys.SyncDir(runsDir); err != nil {
		return nil, fmt.Errorf("make the end of earlier runs durable: %w", errors.Join(err, b.repo.fsys.Remove(second)))
	}
	// So is the name of the volume: who renamed it may have died too early.
	if err := b.repo.fsys.SyncDir(volumesDir); err != nil {
		return nil, fmt.Errorf("make the name of the volume durable: %w", errors.Join(err, b.repo.fsys.Remove(second)))
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, b.repo.fsys.Remove(second))
	}
	err = b.repo.atGate(ctx, func() error {
		if err := b.standsFirm(); err != nil {
			return err
		}
		if err := b.makeVisible(second); err != nil {
			return err
		}
		b.unretire()
		return nil
	})
	if err != nil {
		if rerr := b.repo.fsys.Remove(second); !notFound(rerr) {
			err = errors.Join(err, rerr)
		}
		if errors.Is(err, ErrLostGround) {
			err = errors.Join(err, b.chunks.DropCatalogClaims())
		}
		if errors.Is(err, ErrUndecided) { // its packs are no orphans: the revision may come back
			err = errors.Join(err, b.Finished())
		}
		return nil, err
	}
	b.committed, b.draft.name = true, ""
	return &st, nil
}

// Finished removes the run's record, after the revision became visible. An error
// costs nothing but a little order.
func (b *Backup) Finished() error {
	if err := b.repo.fsys.Remove(runName(b.run)); err != nil {
		return fmt.Errorf("remove the run record: %w", err)
	}
	b.recorded = false
	return nil
}

func (b *Backup) fillIn(st *revision.Statement, regions []revision.Region) {
	st.ID, st.Sequence, st.Nonce = b.id, b.sequence, b.draft.nonce
	st.Volume = revision.Volume{UUID: b.volume.UUID, Name: b.volume.Name}
	st.Lineage, st.Repository = b.repo.desc.Lineage, b.repo.desc.Repository
	st.Begun, st.Ended = b.begun, time.Now().UTC().Truncate(time.Second)
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

// writeCopy writes the second copy of the sealed draft, durable and read again,
// under a temporary name.
func (b *Backup) writeCopy() (name string, err error) {
	dir := copyDir(b.volume.UUID)
	if err := durable.MkdirAll(b.repo.fsys, dir); err != nil {
		return "", err
	}
	d := &draft{repo: b.repo, name: b.lease.temps.In(dir)}
	if d.file, err = b.repo.fsys.Create(d.name); err != nil {
		return "", err
	}
	d.buffer = bufio.NewWriterSize(d, draftBuffer)
	if err := d.copyFrom(b.draft.name); err != nil {
		return "", errors.Join(err, d.discard())
	}
	return d.name, nil
}

func (d *draft) copyFrom(name string) error {
	from, err := d.repo.fsys.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // it is only read
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if _, err := io.Copy(d.buffer, io.NewSectionReader(from, 0, info.Size())); err != nil {
		return err
	}
	return d.seal()
}

// standsFirm makes sure, inside the gate, that everything the revision names is
// there and stays: the lease, the parent, the packs, the number.
func (b *Backup) standsFirm() error {
	if err := b.lease.holds(); err != nil {
		return err
	}
	if err := b.parentStands(); err != nil {
		return err
	}
	if err := b.packsStand(); err != nil {
		return err
	}
	return b.numberStands()
}

// numberStands makes sure that no revision came that the survey did not see. All
// that it saw have lower numbers, and no number is given twice.
func (b *Backup) numberStands() error {
	visible, err := b.repo.revisionIDs(b.volume.Name)
	if err != nil {
		return err
	}
	trashed, err := b.repo.trashedIDs(b.volume)
	if err != nil {
		return err
	}
	for _, id := range append(visible, trashed...) {
		if !b.known[id] {
			return fmt.Errorf("%w: revision %s came while the volume was locked", ErrLostGround, id)
		}
	}
	return nil
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

// packsStand makes sure that the packs relied on are there, and takes those that
// were condemned meanwhile off the list, before anything names them.
func (b *Backup) packsStand() error {
	current, err := b.repo.currentGeneration()
	if err != nil {
		return err
	}
	if current.Opaque && !b.lease.generation.Opaque {
		return fmt.Errorf("%w: generation %d cannot be read", ErrLostGround, current.Number)
	}
	spared := maps.Clone(current.Condemned)
	for _, pack := range b.chunks.Relied() {
		_, err := b.repo.fsys.Lstat(chunkstore.PackName(pack))
		if notFound(err) {
			return fmt.Errorf("%w: pack %s is gone", ErrLostGround, pack)
		}
		if err != nil {
			return err
		}
		delete(spared, pack)
	}
	switch {
	case len(spared) < len(current.Condemned):
		return b.repo.publish(b.lease.temps, current.Number+1, spared)
	case current.Number > 0: // it may spare what we rely on, and its writer have died before it was durable
		return b.repo.fsys.SyncDir(generationsDir)
	}
	return nil
}

// makeVisible gives the copy and then the revision their names. The second
// rename is ★: after it, and the sync that follows, the revision exists.
func (b *Backup) makeVisible(second string) error {
	fsys := b.repo.fsys
	copied, visible := copyName(b.volume.UUID, b.id), revisionName(b.volume.Name, b.id)
	for _, name := range []string{copied, visible} {
		if _, err := fsys.Lstat(name); err == nil {
			return fmt.Errorf("%w: %s is there already", ErrLostGround, name)
		} else if !notFound(err) {
			return err
		}
	}
	if err := fsys.RenameNew(second, copied); err != nil {
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

// takeBack removes, inside the gate, names that nobody was told of: whether the
// rename or the sync that failed took effect is open. The revision is gone for
// good before its copy goes; where it cannot be removed, it keeps its copy.
func (b *Backup) takeBack(names ...string) error {
	for _, name := range names {
		err := b.repo.fsys.Remove(name)
		if err == nil || notFound(err) {
			err = b.repo.fsys.SyncDir(path.Dir(name))
		}
		switch {
		case err != nil && name == revisionName(b.volume.Name, b.id):
			return fmt.Errorf("%w: %w", ErrUndecided, err)
		case err != nil: // a copy alone makes nothing visible
			return err
		}
	}
	return nil
}
