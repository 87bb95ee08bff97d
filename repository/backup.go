package repository

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"varve/chunkstore"
	"varve/revision"
)

// BackupOptions says what is to be begun.
type BackupOptions struct {
	Volume revision.Name
	Full   bool             // stand on nothing: no parent, and no object but the run's own
	Codec  chunkstore.Codec // how new objects are compressed
	Wait   time.Duration    // for another backup of the volume; zero: not at all
	// Begun is when the source was as it is read now, of a volume's history that is
	// brought along; zero: now. It may not be earlier than that of any revision there is.
	Begun time.Time
	// Set is the id of the set that the revision is to be of, from [NewSet]: then it is
	// for [Repository.CommitSet] to commit. Empty: it is of none.
	Set string
	// Room is asked first of all, and again after each [chunkstore.RoomStep] that is
	// stored, whether so many bytes available, of so many in all, are enough. What will
	// be written as things stand, but is not yet, counts as taken. Its error ends the
	// backup; packs that are finished stay for the next run. Nil: they always are.
	Room func(available, total int64) error
}

// maintenanceWait is how long a backup waits for a lock that no other backup holds.
const maintenanceWait = 15 * time.Minute

// Backup is a revision in the making. It holds the volume's lock, a lease and a
// run record until Close. Its chunk writer is safe for many goroutines, its map
// writer belongs to one.
type Backup struct {
	work
	opts     BackupOptions
	id       revision.ID
	begun    time.Time
	sequence uint64
	visible  []Revision           // when it began, oldest first
	lost     map[revision.ID]bool // of these, the ones whose copy stands in for them

	parent     *Image
	parentInfo Info
	draft      *draft
	presence   presence

	second   string              // the name of the map's copy, while that is temporary
	prepared *revision.Statement // nil: not all is durable that is to be before it may be visible

	waiting    []Revision // that wait for a set that never came; they go to the trash
	unsure     error      // of the journal, which may know that it came
	passedOver []error
	committed  bool
	unretired  bool // it ended the volume's retirement
}

// BeginBackup does the first steps of a backup: lock, lease, run record, parent.
// A volume that the repository does not know is made. Another backup of the
// volume is a [*BusyError] at once, unless opts say to wait.
func (r *Repository) BeginBackup(ctx context.Context, opts BackupOptions) (_ *Backup, err error) {
	b := &Backup{work: work{repo: r, run: newRunID()}, opts: opts}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if err := b.makeRoom(ctx); err != nil {
		return nil, err
	}
	if err := b.lockOne(ctx); err != nil {
		return nil, err
	}
	if b.begun = opts.Begun; b.begun.IsZero() {
		b.begun = b.repo.opts.Now()
	}
	b.begun = b.begun.UTC().Truncate(time.Second)
	if err := b.survey(); err != nil {
		return nil, err
	}
	if err := b.begin(ctx, kindBackup, b.sequence); err != nil {
		return nil, err
	}
	if err := b.abandon(ctx, b.waiting, b.unsure); err != nil {
		return nil, err
	}
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// makeRoom asks whether there is room to begin. If not, what dead runs left may be
// what takes it, and is removed, or no backup would ever come to that.
func (b *Backup) makeRoom(ctx context.Context) error {
	err := b.room(0)
	if err == nil {
		return nil
	}
	if berr := b.repo.buryDead(ctx, gateWait); berr != nil {
		return errors.Join(err, wrapReadOnly(berr))
	}
	return b.room(0)
}

// room asks whether there is room to go on, once so many bytes more are written.
func (b *Backup) room(pending int64) error {
	if b.opts.Room == nil {
		return nil
	}
	available, total, err := b.repo.fsys.Free()
	if err != nil {
		return fmt.Errorf("look how much is free: %w", err)
	}
	if b.draft != nil {
		pending += b.draft.growth()
	}
	return b.opts.Room(available-pending, total)
}

// lockOne finds or makes the volume and takes its lock. A volume that was removed
// before the lock was had is made anew.
func (b *Backup) lockOne(ctx context.Context) error {
	for {
		v, err := b.repo.makeVolume(ctx, b.opts.Volume)
		if err != nil {
			return err
		}
		lock, err := b.repo.lockVolume(ctx, v, kindBackup, b.opts.Wait)
		if err != nil {
			return err
		}
		now, err := b.repo.Volume(v.Name)
		if err == nil && now.UUID == v.UUID {
			b.volume, b.lock = v, lock
			return nil
		}
		if err != nil && !errors.Is(err, ErrNoVolume) {
			return errors.Join(err, lock.Close())
		}
		if err := lock.Close(); err != nil {
			return err
		}
	}
}

// open finds the parent and opens the writers.
func (b *Backup) open(ctx context.Context) (err error) {
	if !b.opts.Full {
		if err := b.findParent(ctx); err != nil {
			return err
		}
		if b.parent != nil {
			b.surveyPacks()
		}
	}
	b.chunks, err = b.repo.store.NewWriter(chunkstore.WriterConfig{
		Run: b.run, Codec: b.opts.Codec, Dense: b.parent != nil, Temps: b.lease.temps, View: b.reader.currentView,
		Usable: b.usable, Orphaned: b.orphaned, Room: b.room, PackSize: b.repo.opts.PackSize,
	})
	if err != nil {
		return err
	}
	b.draft, err = b.newDraft(volumeDir(b.volume.Name))
	return err
}

// usable is asked once for each pack of another run that holds something we could use.
func (b *Backup) usable(pack chunkstore.PackInfo) bool {
	return !b.opts.Full && !b.lease.generation.Opaque && b.repo.usable(pack, b.volume.UUID)
}

// orphaned tells of a usable pack that its run died, and that no revision came since:
// so nothing relies on it.
func (b *Backup) orphaned(pack chunkstore.PackInfo) bool {
	record, err := b.repo.readRun(pack.Run)
	return err == nil && record != nil && record.Sequence >= b.sequence
}

// survey reads what there is of the volume, visible, trashed and waiting for a set, and settles the
// new revision's number and id. The volume's lock keeps them free.
//
// The number is one more than the highest. A revision whose number cannot be
// read was made when it was the highest, so it has the next one at most.
func (b *Backup) survey() (err error) {
	l, err := b.repo.list(b.volume)
	if err != nil {
		return err
	}
	b.visible, b.lost, b.waiting, b.unsure = l.visible, l.lost, l.waiting, l.unsure
	b.ofSets = l.ofSets()
	b.known = map[revision.ID]bool{}
	highest, unread := uint64(0), uint64(0)
	note := func(id revision.ID, st *revision.Statement) {
		if st == nil {
			unread++
			return
		}
		highest = max(highest, st.Sequence)
	}
	for _, rev := range slices.Concat(b.visible, b.waiting) {
		b.known[rev.ID] = true
		note(rev.ID, rev.Statement)
	}
	trashed, err := b.repo.trashedIDs(b.volume)
	if err != nil {
		return err
	}
	for _, id := range trashed {
		if !b.known[id] { // after a power cut, it may be visible too
			b.known[id] = false
		}
		m, err := openMap(b.repo.fsys, trashName(b.volume.UUID, id))
		if err != nil {
			note(id, nil)
			continue
		}
		note(id, m.Statement())
		if err := m.Close(); err != nil {
			return err
		}
	}
	if highest > math.MaxUint64-unread-1 {
		return fmt.Errorf("%w: volume %q has a revision of number %d, and none is left for another", ErrNoNumber, b.volume.Name, highest)
	}
	b.sequence = highest + unread + 1
	b.id = b.newID()
	return b.checkOrder()
}

// checkOrder refuses a time in the past that would leave the numbers of the
// revisions and their times in different orders; and one of which there is a revision
// already, unless that was taken away.
func (b *Backup) checkOrder() error {
	if b.opts.Begun.IsZero() {
		return nil
	}
	var newer revision.ID
	for id := range b.known {
		there := slices.ContainsFunc(b.visible, func(rev Revision) bool { return rev.ID == id })
		if (id.Begun().After(b.begun) || there && id.Begun().Equal(b.begun)) && id > newer {
			newer = id
		}
	}
	if newer == "" {
		return nil
	}
	return &OrderError{Volume: b.volume.Name, Newer: newer, Same: newer.Begun().Equal(b.begun)}
}

// newID makes an id whose short part no other revision of the volume has.
func (b *Backup) newID() revision.ID {
	taken := map[string]bool{}
	for id := range b.known {
		taken[id.Short()] = true
	}
	for {
		if id := revision.NewID(b.begun, rand.Reader); !taken[id.Short()] {
			return id
		}
	}
}

// findParent opens the newest revision whose map can be read, every region of it:
// the backup needs them all, and could not change its parent halfway.
func (b *Backup) findParent(ctx context.Context) error {
	for _, rev := range slices.Backward(b.visible) {
		im, err := b.reader.Image(ctx, b.volume, rev.ID)
		if err == nil {
			if err = im.checkRegions(ctx); err == nil {
				b.parent, b.parentInfo = im, rev.Info
				slices.SortFunc(b.parentInfo.Lost, func(x, y Extent) int { return cmp.Compare(x.Offset, y.Offset) })
				return nil
			}
			err = errors.Join(err, im.Close())
		}
		if damaged := new(DamagedRevisionError); !errors.As(err, &damaged) {
			return err
		}
		b.passedOver = append(b.passedOver, err)
	}
	return nil
}

// EndedRetirement tells that the volume was retired until this backup.
func (b *Backup) EndedRetirement() bool { return b.unretired }

// Volume is whose backup it is.
func (b *Backup) Volume() Volume { return b.volume }

// ID is the id that the revision will have.
func (b *Backup) ID() revision.ID { return b.id }

// Begun is when the backup began, by the wall clock.
func (b *Backup) Begun() time.Time { return b.begun }

// Parent is the image that the revision builds on; nil makes it a full.
func (b *Backup) Parent() *Image { return b.parent }

// ParentInfo is what is noted of the parent: its state, its lost ranges.
func (b *Backup) ParentInfo() Info { return b.parentInfo }

// Revisions lists what there was of the volume when the backup began, oldest first.
func (b *Backup) Revisions() []Revision { return b.visible }

// Abandoned lists the revisions that waited for a set that was never complete: the
// backup has put them into the trash.
func (b *Backup) Abandoned() []Revision { return b.waiting }

// PassedOver lists the newer revisions that could not be the parent, because
// they are damaged.
func (b *Backup) PassedOver() []error { return b.passedOver }

// Chunks is where new objects go.
func (b *Backup) Chunks() *chunkstore.Writer { return b.chunks }

// Map is where the records of the revision's map go, ascending.
func (b *Backup) Map() *revision.Writer { return b.draft.writer }

// Close ends the backup. Without a Commit that succeeded there is no revision;
// the packs that were sealed stay for the volume's next run to go on with.
func (b *Backup) Close() error {
	var errs []error
	if b.draft != nil {
		errs = append(errs, b.draft.discard(), b.dropSecond())
	}
	if b.chunks != nil {
		errs = append(errs, b.chunks.Close())
	}
	if b.parent != nil {
		errs = append(errs, b.parent.Close())
	}
	if b.recorded && !b.committed && (b.chunks == nil || len(b.chunks.Relied()) == 0) {
		errs = append(errs, b.Finished()) // there is no pack to go on with
	}
	errs = append(errs, b.end())
	*b = Backup{work: work{repo: b.repo, volume: b.volume}, id: b.id, committed: b.committed}
	return errors.Join(errs...)
}
