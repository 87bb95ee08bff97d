package repository

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"varve/internal/durable"
	"varve/revision"
)

// RemoveOptions says how revisions are taken away.
type RemoveOptions struct {
	Op       string        // what takes them away, for the journal and the trash: [OpRemove], [OpPrune] or [OpMerge]
	Undelete time.Duration // how long they can come back
	Wait     time.Duration // for the lock of the volume; zero: not at all
	All      bool          // every revision, and then the volume itself
}

// Removed tells what [Repository.Remove] did.
type Removed struct {
	Revisions []revision.ID // that went, newest first
	Rewritten []revision.ID // that stay, and into which others were folded, newest first
	Rebuilt   int           // chunks stored anew, whose stacks were too long
	Left      int           // chunks whose stacks are too long, and that could not be read
	Until     time.Time     // they can come back until then
}

// removal takes revisions of one volume away.
type removal struct {
	folding
	opts    RemoveOptions
	going   map[revision.ID]bool
	visible []Revision           // oldest first
	lost    map[revision.ID]bool // of these, the ones whose file is gone
	parents map[revision.ID]revision.ID
	nonces  map[revision.ID]revision.Nonce // of the maps that were read
	out     Removed
}

// Remove takes revisions of a volume out of what is visible, into the trash. First
// they are folded into those that build on them and stay: these get a map that says
// the same of their image without them. Not a byte of data is moved, but for chunks whose
// stacks are too long.
//
// At every moment, and after a crash at any moment, each listed revision is whole.
// After an error what went has gone, as the result says, and all else is as it was. A
// pinned revision is a [*PinnedError], and then nothing goes. One that is unknown
// is [fs.ErrNotExist]. A backup under way is a [*BusyError], after Wait.
func (r *Repository) Remove(ctx context.Context, v Volume, ids []revision.ID, opts RemoveOptions) (_ *Removed, err error) {
	m := &removal{folding: folding{work: &work{repo: r, volume: v, run: newRunID()}}, opts: opts, going: map[revision.ID]bool{}}
	for _, id := range ids {
		m.going[id] = true
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.open(ctx); err != nil {
		return &m.out, fmt.Errorf("take revisions of volume %q away: %w", v.Name, wrapReadOnly(err))
	}
	for _, rev := range slices.Backward(m.visible) {
		if m.going[rev.ID] || !m.going[m.parents[rev.ID]] {
			continue
		}
		if err := m.foldInto(ctx, rev.ID, m.goes); err != nil {
			return &m.out, fmt.Errorf("fold what goes into %s@%s: %w", v.Name, rev.ID.Short(), wrapReadOnly(err))
		}
	}
	for _, rev := range slices.Backward(m.visible) {
		if !m.going[rev.ID] {
			continue
		}
		if err := m.trash(ctx, rev); err != nil {
			return &m.out, fmt.Errorf("take %s@%s away: %w", v.Name, rev.ID.Short(), wrapReadOnly(err))
		}
	}
	if opts.All {
		if err := r.atGate(ctx, m.removeVolume); err != nil {
			return &m.out, fmt.Errorf("take volume %q away: %w", v.Name, wrapReadOnly(err))
		}
	}
	if err := m.finished(); err != nil {
		r.opts.Log.Warn("the record of a run that is over stays", "error", err)
	}
	return &m.out, nil
}

// open locks the volume and looks at what there is.
func (m *removal) open(ctx context.Context) (err error) {
	r := m.repo
	if m.lock, err = r.lockVolume(ctx, m.volume, m.opts.Op, m.opts.Wait); err != nil {
		return err
	}
	if now, moved := r.movedTo(m.volume); moved {
		m.volume = now
	}
	if err := m.survey(); err != nil {
		return err
	}
	if err := m.begin(ctx, kindMerge, 0); err != nil {
		return err
	}
	m.out.Until = time.Now().UTC().Truncate(time.Second).Add(m.opts.Undelete)
	// Who folded or moved something here before may have died before it was durable: what
	// is decided by what we see has to be true of the disk.
	if err := m.settled(); err != nil {
		return err
	}
	return r.fsys.SyncDir(volumeDir(m.volume.Name))
}

// survey reads what there is of the volume, and refuses what may not go.
func (m *removal) survey() (err error) {
	if m.visible, m.lost, err = m.repo.list(m.volume); err != nil {
		return err
	}
	trashed, err := m.repo.trashedIDs(m.volume)
	if err != nil {
		return err
	}
	m.known, m.parents, m.nonces = map[revision.ID]bool{}, map[revision.ID]revision.ID{}, map[revision.ID]revision.Nonce{}
	for _, id := range trashed {
		m.known[id] = true
	}
	there := map[revision.ID]bool{}
	for _, rev := range m.visible {
		m.known[rev.ID], there[rev.ID] = true, true
		m.going[rev.ID] = m.going[rev.ID] || m.opts.All
		if rev.Statement != nil && rev.Statement.Parent != nil {
			m.parents[rev.ID] = rev.Statement.Parent.ID
		}
		if m.going[rev.ID] && rev.Info.Pin.Holds(time.Now()) {
			return &PinnedError{Volume: m.volume.Name, ID: rev.ID, Pin: *rev.Info.Pin}
		}
	}
	for id, goes := range m.going {
		if goes && !there[id] {
			return fmt.Errorf("%w: revision %s", errGone, id)
		}
	}
	return nil
}

// close gives up what open took. A run that added nothing leaves no record.
func (m *removal) close() error {
	var errs []error
	if m.chunks != nil {
		errs = append(errs, m.chunks.Close())
	}
	if m.recorded && (m.chunks == nil || len(m.chunks.Relied()) == 0) {
		errs = append(errs, m.finished())
	}
	return errors.Join(append(errs, m.end())...)
}

func (m *removal) goes(id revision.ID) bool { return m.going[id] }

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
	var chain []*mapFile
	if below != "" {
		if chain, err = m.reader.chain(m.volume, below); err != nil {
			return err
		}
	}
	err = m.prove(ctx, d, chain)
	if err := errors.Join(err, closeAll(chain)); err != nil {
		return err
	}
	if m.chunks != nil {
		if err := m.chunks.Barrier(ctx); err != nil {
			return err
		}
	}
	if err := m.replace(ctx, d, id, gone, chain); err != nil {
		return err
	}
	m.parents[id] = below
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
func (m *removal) replace(ctx context.Context, d *draft, id revision.ID, folded []revision.ID, below []*mapFile) error {
	fsys := m.repo.fsys
	second, err := m.writeCopy(d)
	if err != nil {
		return fmt.Errorf("make the second copy of the map durable: %w", err)
	}
	err = m.repo.atGate(ctx, func() error {
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

// isAsRead refuses, inside the gate, a revision whose map is another than the one that was read.
func (m *removal) isAsRead(id revision.ID) error {
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
	i := slices.IndexFunc(m.visible, func(rev Revision) bool { return rev.ID == id })
	if m.visible[i].Statement == nil {
		return nil // nobody can pin it
	}
	info, err := m.repo.info(m.volume, m.visible[i].Statement)
	if err != nil {
		return err
	}
	if info.Pin.Holds(time.Now()) {
		return &PinnedError{Volume: m.volume.Name, ID: id, Pin: *info.Pin}
	}
	return nil
}

// trash takes one revision away, on which nothing builds any more.
func (m *removal) trash(ctx context.Context, rev Revision) error {
	event := Event{Op: m.opts.Op, Result: ResultOK, Volume: m.volume.Name, UUID: &m.volume.UUID, Revision: rev.ID}
	if rev.Statement != nil {
		event.Sequence = rev.Statement.Sequence
	}
	record := trashRecord{
		Volume: m.volume.Name, Since: time.Now().UTC().Truncate(time.Second), Until: m.out.Until, Op: m.opts.Op, By: m.repo.me,
	}
	err := m.repo.atGate(ctx, func() error {
		if err := m.standsFirm([]revision.ID{rev.ID}, nil); err != nil {
			return err
		}
		for id, parent := range m.parents {
			if parent == rev.ID {
				return fmt.Errorf("%w: %s builds on it", ErrLostGround, id)
			}
		}
		if m.lost[rev.ID] {
			return m.trashLost(ctx, rev.ID, record, event)
		}
		if err := m.repo.Record(ctx, event); err != nil {
			m.repo.opts.Log.Warn("what is taken away is not in the journal", "error", err)
		}
		if err := m.repo.moveToTrash(m.lease.temps, m.volume, rev.ID, record); err != nil {
			event.Op, event.Detail = OpUndelete, "it could not be taken away"
			return errors.Join(err, m.repo.Record(ctx, event))
		}
		return nil
	})
	if err != nil {
		return err
	}
	delete(m.parents, rev.ID)
	m.out.Revisions = append(m.out.Revisions, rev.ID)
	return nil
}

// trashLost takes away, inside the gate, a revision whose file is gone already. If it
// has a copy, that goes into the trash. The journal, by which it is known, must tell.
func (m *removal) trashLost(ctx context.Context, id revision.ID, record trashRecord, event Event) error {
	fsys, dir := m.repo.fsys, trashDirOf(m.volume.UUID)
	if err := durable.MkdirAll(fsys, dir); err != nil {
		return err
	}
	if err := replaceSmall(fsys, m.lease.temps, trashRecordName(m.volume.UUID, id), record); err != nil {
		return err
	}
	temp := m.lease.temps.In(dir)
	err := fsys.Link(copyName(m.volume.UUID, id), temp)
	if err == nil {
		err = fsys.Rename(temp, trashName(m.volume.UUID, id))
	}
	if err != nil && !notFound(err) {
		return err
	}
	if err := fsys.SyncDir(dir); err != nil {
		return err
	}
	return m.repo.Record(ctx, event)
}

// removeVolume removes, inside the gate, the directory of a volume of which every
// revision went. What is in the trash can still come back.
func (m *removal) removeVolume() error {
	fsys, dir := m.repo.fsys, volumeDir(m.volume.Name)
	if err := m.lease.holds(); err != nil {
		return err
	}
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	if ids := idsAmong(entries, revisionExt); len(ids) > 0 {
		return fmt.Errorf("%w: revision %s came while the volume was locked", ErrLostGround, ids[0])
	}
	names := []string{} // its own file last: without it, there is no volume
	for _, e := range entries {
		if e.Name() != volumeFile {
			names = append(names, path.Join(dir, e.Name()))
		}
	}
	for _, name := range append(names, volumeRecordName(m.volume.Name), dir) {
		if err := fsys.Remove(name); err != nil && !notFound(err) {
			return err
		}
	}
	return fsys.SyncDir(volumesDir)
}
