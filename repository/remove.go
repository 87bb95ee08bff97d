package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
	Listed   bool          // with All: the ids are all that somebody saw and agreed to
	DryRun   bool          // tell what would go, or why not, and change nothing
	// Choose says what goes, in the place of the ids, of what is visible once the volume
	// is locked, oldest first. Its error ends the removal, and nothing goes. Nil: the ids do.
	Choose func(visible []Revision) ([]revision.ID, error)
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
	idle    bool                           // nothing is
	visible []Revision                     // oldest first
	lost    map[revision.ID]bool           // of these, the ones whose file is gone
	waiting []Revision                     // for a set that never came; they go to the trash
	unsure  error                          // of the journal, which may know that it came
	nonces  map[revision.ID]revision.Nonce // of the maps that were read
	out     Removed

	parents  map[revision.ID]revision.ID // what builds on anything, and on what
	built    map[revision.ID]revision.ID // likewise, before anything was folded
	children map[revision.ID]int         // how many build on it
}

// Remove takes revisions of a volume out of what is visible, into the trash. First
// they are folded into those that build on them and stay: these get a map that says
// the same of their image without them. Not a byte of data is moved, but for chunks whose
// stacks are too long.
//
// At every moment, and after a crash at any moment, each listed revision is whole.
// After an error what went has gone, as the result says, which is never nil, and all else
// is as it was. A pinned revision is a [*PinnedError], and then nothing goes, unless it was
// pinned meanwhile. With All, a file in the volume's directory that is not of this program
// is a [*ForeignFileError], and then nothing goes. One that is unknown is [fs.ErrNotExist]; one that cannot be read and
// would have to be folded a [*DamagedRevisionError]; one on which nothing builds, if Op is
// [OpMerge], a [*ChildlessError]; a backup under way a [*BusyError],
// after Wait. [ErrLostGround] says that something changed meanwhile: it can be tried again.
func (r *Repository) Remove(ctx context.Context, v Volume, ids []revision.ID, opts RemoveOptions) (_ *Removed, err error) {
	m := r.newRemoval(v, ids, opts)
	if opts.DryRun {
		return &m.out, m.rehearse()
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.open(ctx); err != nil {
		return &m.out, fmt.Errorf("take revisions of volume %q away: %w", v.Name, wrapReadOnly(err))
	}
	if m.idle {
		return &m.out, nil
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
	m.succeeded()
	return &m.out, nil
}

// rehearse tells what would go.
func (m *removal) rehearse() (err error) {
	if m.volume, err = m.repo.stillNamed(m.volume); err == nil {
		err = m.survey()
	}
	if err != nil {
		return fmt.Errorf("take revisions of volume %q away: %w", m.volume.Name, err)
	}
	for _, rev := range slices.Backward(m.visible) {
		switch {
		case m.going[rev.ID]:
			m.out.Revisions = append(m.out.Revisions, rev.ID)
		case m.going[m.parents[rev.ID]]:
			m.out.Rewritten = append(m.out.Rewritten, rev.ID)
		}
	}
	return nil
}

// succeeded removes the run record: what the run added is like anybody's from now on.
func (m *removal) succeeded() {
	if err := m.finished(); err != nil {
		m.repo.opts.Log.Warn("the record of a run that is over stays", "error", err)
	}
}

// newRemoval is a removal that has not begun: open begins it.
func (r *Repository) newRemoval(v Volume, ids []revision.ID, opts RemoveOptions) *removal {
	m := &removal{folding: r.newFolding(v), opts: opts}
	m.choose(ids)
	return m
}

// choose settles what goes.
func (m *removal) choose(ids []revision.ID) {
	m.going = map[revision.ID]bool{}
	for _, id := range ids {
		m.going[id] = true
	}
}

// open locks the volume and looks at what there is.
func (m *removal) open(ctx context.Context) (err error) {
	r := m.repo
	if m.lock, err = r.lockVolume(ctx, m.volume, m.opts.Op, m.opts.Wait); err != nil {
		return err
	}
	if m.volume, err = r.stillNamed(m.volume); err != nil {
		return err
	}
	if err := m.survey(); err != nil {
		return err
	}
	if m.idle = m.opts.Choose != nil && len(m.going) == 0; m.idle {
		return nil
	}
	if err := m.begin(ctx, kindMerge, 0); err != nil {
		return err
	}
	m.out.Until = r.opts.Now().UTC().Truncate(time.Second).Add(m.opts.Undelete)
	// Who folded or moved something here before may have died before it was durable: what
	// is decided by what we see has to be true of the disk.
	if err := m.settled(); err != nil {
		return err
	}
	if err := r.fsys.SyncDir(volumeDir(m.volume.Name)); err != nil {
		return err
	}
	if err := m.abandon(ctx, m.waiting, m.unsure); err != nil {
		return err
	}
	return m.mendCopies(ctx)
}

// survey reads what there is of the volume, and refuses what may not go.
func (m *removal) survey() (err error) {
	l, err := m.repo.list(m.volume)
	if err != nil {
		return err
	}
	m.visible, m.lost, m.waiting, m.unsure = l.visible, l.lost, l.waiting, l.unsure
	m.ofSets = l.ofSets()
	if m.opts.Choose != nil {
		ids, err := m.opts.Choose(m.visible)
		if err != nil {
			return err
		}
		m.choose(ids)
	}
	trashed, err := m.repo.trashedIDs(m.volume)
	if err != nil {
		return err
	}
	m.known, m.nonces = map[revision.ID]bool{}, map[revision.ID]revision.Nonce{}
	m.parents, m.children = map[revision.ID]revision.ID{}, map[revision.ID]int{}
	for _, id := range trashed {
		m.known[id] = false
	}
	for _, rev := range m.waiting {
		m.known[rev.ID] = true
	}
	there := map[revision.ID]bool{}
	for _, rev := range m.visible {
		m.known[rev.ID], there[rev.ID] = true, true
		if m.opts.All && m.opts.Listed && !m.going[rev.ID] {
			return fmt.Errorf("%w: revision %s came since those were listed that are to go", ErrLostGround, rev.ID)
		}
		if m.opts.All {
			m.going[rev.ID] = true
		}
		if rev.Statement != nil && rev.Statement.Parent != nil {
			m.buildsOn(rev.ID, rev.Statement.Parent.ID)
		}
		if m.going[rev.ID] && rev.Info.Pin.Holds(m.repo.opts.Now()) {
			return &PinnedError{Volume: m.volume.Name, ID: rev.ID, Pin: *rev.Info.Pin}
		}
	}
	m.built = maps.Clone(m.parents)
	if err := m.refuseUnread(); err != nil {
		return err
	}
	if m.opts.All {
		dir := volumeDir(m.volume.Name)
		entries, err := m.repo.fsys.ReadDir(dir)
		if err == nil {
			err = onlyOurs(dir, entries)
		}
		if err != nil {
			return err
		}
	}
	for id, goes := range m.going {
		switch {
		case goes && !there[id]:
			return fmt.Errorf("%w: revision %s", errGone, id)
		case goes && m.opts.Op == OpMerge && !m.hasChild(id):
			return &ChildlessError{Volume: m.volume.Name, ID: id}
		}
	}
	return nil
}

func (m *removal) hasChild(id revision.ID) bool { return m.children[id] > 0 }

// buildsOn notes what a revision builds on; empty: on nothing.
func (m *removal) buildsOn(id, parent revision.ID) {
	if former := m.parents[id]; former != "" {
		m.children[former]--
	}
	delete(m.parents, id)
	if parent != "" {
		m.parents[id] = parent
		m.children[parent]++
	}
}

// refuseUnread refuses if a revision that stays cannot be read, and so may build on one
// that goes: on any that is older.
func (m *removal) refuseUnread() error {
	goes := false
	for _, rev := range m.visible {
		switch {
		case m.going[rev.ID]:
			goes = true
		case goes && rev.Statement == nil:
			return &DamagedRevisionError{Volume: m.volume.Name, ID: rev.ID, Cause: errors.New("what it builds on is not known, and may be what is to go")}
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

// trash takes one revision away, on which nothing builds any more.
func (m *removal) trash(ctx context.Context, rev Revision) error {
	event := Event{Op: m.opts.Op, Result: ResultOK, Volume: m.volume.Name, UUID: &m.volume.UUID, Revision: rev.ID}
	if rev.Statement != nil {
		event.Sequence = rev.Statement.Sequence
	}
	record := trashRecord{
		Volume: m.volume.Name, Since: m.repo.opts.Now().UTC().Truncate(time.Second), Until: m.out.Until, Op: m.opts.Op, By: m.repo.me,
	}
	err := m.atGateKnowing(ctx, func() error {
		if err := m.standsFirm([]revision.ID{rev.ID}, ""); err != nil {
			return err
		}
		if m.hasChild(rev.ID) {
			return fmt.Errorf("%w: another builds on it", ErrLostGround)
		}
		if m.lost[rev.ID] {
			return m.trashLost(ctx, rev.ID, record, event)
		}
		return m.repo.moveToTrash(m.lease.temps, m.volume, rev.ID, record)
	})
	if err != nil {
		return err
	}
	// Never before: of a revision that is visible all the same the journal would say that
	// it went, and nobody would miss it if its file were lost.
	if !m.lost[rev.ID] {
		if err := m.repo.Record(context.WithoutCancel(ctx), event); err != nil {
			m.repo.opts.Log.Warn("what was taken away is not in the journal", "error", err)
		}
	}
	m.buildsOn(rev.ID, "")
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

// onlyOurs makes sure that nothing lies in a volume's directory but what this program
// puts there.
func onlyOurs(dir string, entries []fs.DirEntry) error {
	for _, e := range entries {
		ours := e.Name() == volumeFile || e.Name() == retiredFile || durable.IsTemp(e.Name())
		for _, ext := range []string{revisionExt, infoExt} {
			ours = ours || len(idsAmong([]fs.DirEntry{e}, ext)) > 0
		}
		if !ours {
			return &ForeignFileError{Path: path.Join(dir, e.Name())}
		}
	}
	return nil
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
	if err := onlyOurs(dir, entries); err != nil {
		return err
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
