package repository

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"varve/revision"
)

// hurtRevisions looks at the files of a volume's revisions, visible and in the trash: every
// byte of each, and of its copy, and what is noted of it.
func (p *repairer) hurtRevisions(ctx context.Context, v Volume) (hurt []hurtFile, err error) {
	l, err := p.repo.list(v)
	if err != nil {
		return nil, err
	}
	seen := map[revision.ID]bool{}
	look := func(id revision.ID, name string) error {
		if seen[id] {
			return nil
		}
		seen[id] = true
		if f := p.lookAt(v, id, name); f != nil {
			hurt = append(hurt, *f)
		}
		return ctx.Err()
	}
	for _, rev := range slices.Concat(l.visible, l.waiting) {
		if err := look(rev.ID, revisionName(v.Name, rev.ID)); err != nil {
			return nil, err
		}
	}
	trashed, err := p.repo.fsys.ReadDir(trashDirOf(v.UUID))
	if err != nil && !notFound(err) {
		return nil, err
	}
	for _, id := range append(idsAmong(trashed, revisionExt), p.lostInTrash(v, idsAmong(trashed, trashExt))...) {
		if err := look(id, trashName(v.UUID, id)); err != nil {
			return nil, err
		}
	}
	for _, id := range p.vanished(v, l) {
		hurt = append(hurt, p.lookForVanished(v, id))
	}
	return append(hurt, p.hurtNotes(v)...), nil
}

// lostInTrash picks, of those of which it is noted that they are in the trash, the ones that
// have a copy still, and no file: purging takes the copy first.
func (p *repairer) lostInTrash(v Volume, noted []revision.ID) (lost []revision.ID) {
	for _, id := range noted {
		if _, err := p.repo.fsys.Lstat(copyName(v.UUID, id)); err == nil {
			lost = append(lost, id)
		}
	}
	return lost
}

// wholeAt reads every byte of a map, and gives its statement.
func (r *Repository) wholeAt(v Volume, id revision.ID, name string) (*revision.Statement, error) {
	m, err := openIdentified(r.fsys, name, v, id)
	if err != nil {
		return nil, err
	}
	damage := m.Check()
	st := m.Statement()
	if err := m.Close(); err != nil {
		return nil, err
	}
	if damage != nil {
		return nil, damagedMap(name, damage)
	}
	return st, nil
}

// hurtMap is one of the two files of a revision that is not what it should be.
type hurtMap struct {
	path  string
	cause error
	mend  func(ctx context.Context, w *work) (from Origin, err error)
}

// lookAt looks at a revision's file and at its copy; nil: both are what they should be. It is
// repaired under the lock of the volume, and looked at once more there: who was given the lock
// before may have put it in order, written it anew, or taken it away.
func (p *repairer) lookAt(v Volume, id revision.ID, name string) *hurtFile {
	seen := p.look(v, id, name)
	if seen == nil {
		return nil
	}
	return &hurtFile{seen.path, seen.cause, func(ctx context.Context) (Origin, error) {
		return p.underLock(ctx, v, func(w *work) (Origin, error) {
			if err := p.stillThere(w.volume, id, name); err != nil {
				return Origin{}, err
			}
			now := p.look(w.volume, id, name)
			if now == nil {
				return Origin{}, errGone
			}
			return now.mend(ctx, w)
		})
	}}
}

// underLock repairs something of a volume while nobody else changes what it has.
func (p *repairer) underLock(ctx context.Context, v Volume, mend func(w *work) (from Origin, err error)) (from Origin, err error) {
	w := &work{repo: p.repo, volume: v, run: p.run, lease: p.lease, reader: p.reader}
	lock, err := p.repo.lockVolume(ctx, v, kindRepair, p.opts.Wait)
	if err != nil {
		return Origin{}, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if w.volume, err = p.repo.stillNamed(v); err != nil {
		return Origin{}, err
	}
	if w.volume.Name != v.Name {
		return Origin{}, fmt.Errorf("%w: it was renamed meanwhile", ErrNoVolume)
	}
	return mend(w)
}

// stillThere fails with errGone, under the lock of the volume, if a revision is not any more where
// it lay. That its file is missing says nothing; that it was moved, what is listed does.
func (p *repairer) stillThere(v Volume, id revision.ID, name string) error {
	if path.Dir(name) != volumeDir(v.Name) {
		_, recordErr := p.repo.fsys.Lstat(trashRecordName(v.UUID, id))
		_, fileErr := p.repo.fsys.Lstat(name)
		if p.repo.isVisible(v, id) || notFound(recordErr) && (notFound(fileErr) || p.repo.lacksCopy(v.UUID, id)) {
			return errGone // it came back, or was purged, or is being so
		}
		return nil
	}
	l, err := p.repo.list(v)
	if err != nil {
		return err
	}
	is := func(rev Revision) bool { return rev.ID == id }
	if !slices.ContainsFunc(l.visible, is) && !slices.ContainsFunc(l.waiting, is) {
		return errGone // it was removed
	}
	return nil
}

// look tells what of a revision's two files is not as it should be.
func (p *repairer) look(v Volume, id revision.ID, name string) *hurtMap {
	copied := copyName(v.UUID, id)
	file, err := p.repo.wholeAt(v, id, name)
	second, copyErr := p.repo.wholeAt(v, id, copied)
	for _, err := range []error{err, copyErr} {
		if err != nil && !isDamaged(err) && !notFound(err) {
			p.trouble(err)
			return nil
		}
	}
	switch {
	case err == nil && copyErr == nil && file.Nonce == second.Nonce:
		return nil
	case err == nil && copyErr == nil:
		copyErr = errors.New("it is another writing of the revision than its file")
		fallthrough
	case err == nil:
		return &hurtMap{copied, copyErr, func(ctx context.Context, w *work) (Origin, error) {
			return Origin{OriginFile, name}, p.putCopy(ctx, w, file, name, copyErr)
		}}
	case copyErr == nil:
		return &hurtMap{name, err, func(ctx context.Context, w *work) (Origin, error) {
			return Origin{OriginFile, copied}, p.putFile(ctx, w, second, name, err)
		}}
	}
	return &hurtMap{name, err, func(ctx context.Context, w *work) (Origin, error) {
		if path.Dir(name) != volumeDir(v.Name) {
			return Origin{}, errNoCopy
		}
		return p.putOthers(ctx, w, id, err, copyErr)
	}}
}

// putCopy writes a revision's copy anew, of its file.
func (p *repairer) putCopy(ctx context.Context, w *work, file *revision.Statement, name string, cause error) error {
	second, err := w.writeCopy(&draft{repo: p.repo, name: name})
	if err != nil {
		return err
	}
	return p.put(ctx, second, copyName(w.volume.UUID, file.ID), cause, func() error {
		if nonce, err := p.repo.nonceOf(name); err != nil || nonce != file.Nonce {
			return errors.Join(fmt.Errorf("%w: %s was rewritten", ErrLostGround, name), err)
		}
		return nil
	})
}

// putFile writes a revision's file anew, of its copy: the very same bytes.
func (p *repairer) putFile(ctx context.Context, w *work, second *revision.Statement, name string, cause error) (err error) {
	copied := copyName(w.volume.UUID, second.ID)
	d := &draft{repo: p.repo, name: p.lease.temps.In(path.Dir(name))}
	if d.file, err = p.repo.fsys.Create(d.name); err != nil {
		return err
	}
	d.buffer = bufio.NewWriterSize(d, draftBuffer)
	if err := d.copyFrom(copied); err != nil {
		return errors.Join(err, d.discard())
	}
	p.touched[revisionKey{w.volume.UUID, second.ID}] = true
	return p.put(ctx, d.name, name, cause, func() error {
		// Whoever purges the trash takes the copy first: what has none is not to come back.
		if nonce, err := p.repo.nonceOf(copied); err != nil || nonce != second.Nonce {
			return errors.Join(fmt.Errorf("%w: %s was rewritten, or is gone", ErrLostGround, copied), err)
		}
		if _, err := p.repo.wholeAt(w.volume, second.ID, name); err == nil {
			return fmt.Errorf("%w: %s is whole by now", ErrLostGround, name)
		}
		return nil
	})
}

// put gives, inside the gate, a file that is durable under a temporary name the place of a
// damaged one, which is put aside. Stands says whether the ground for it stands.
func (p *repairer) put(ctx context.Context, temp, name string, cause error, stands func() error) error {
	fsys := p.repo.fsys
	err := p.repo.atGate(ctx, func() error {
		if err := p.lease.holds(); err != nil {
			return err
		}
		if err := stands(); err != nil {
			return err
		}
		if isDamaged(cause) {
			if err := p.keep(name, cause); err != nil {
				return err
			}
		}
		if err := fsys.Rename(temp, name); err != nil {
			return err
		}
		return fsys.SyncDir(path.Dir(name))
	})
	if err != nil {
		if rerr := fsys.Remove(temp); !notFound(rerr) {
			err = errors.Join(err, rerr)
		}
	}
	return err
}

// putOthers writes a visible revision's file and its copy anew, of another repository of the
// same lineage. What that one's map builds on there may not be here: it is folded in. Cause and
// copyCause say what is wrong with the two.
func (p *repairer) putOthers(ctx context.Context, w *work, id revision.ID, cause, copyCause error) (Origin, error) {
	l, err := p.repo.list(w.volume)
	if err != nil {
		return Origin{}, err
	}
	reasons := []error{errNoCopy}
	for _, other := range p.others {
		if !other.kin {
			continue
		}
		err := p.putOther(ctx, w, l, other, id, cause, copyCause)
		if err == nil {
			p.touched[revisionKey{w.volume.UUID, id}] = true
			return other.from(), nil
		}
		if ends(ctx, err) {
			return Origin{}, err
		}
		reasons = append(reasons, fmt.Errorf("%s: %w", other.name, err))
	}
	return Origin{}, errors.Join(reasons...)
}

func (p *repairer) putOther(ctx context.Context, w *work, l listing, other *otherRepository, id revision.ID, cause, copyCause error) (err error) {
	theirs, err := other.volume(w.volume)
	if err != nil {
		return err
	}
	open := func(id revision.ID) (*mapFile, error) { return other.repo.openWhole(Revision{Volume: theirs, ID: id}) }
	newest, err := open(id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, newest.Close()) }()
	if err := p.heldAgainst(l, w.volume, newest.Statement()); err != nil {
		return err
	}
	between, below, err := p.groundOf(w.volume, newest.Statement(), open)
	if err != nil {
		return err
	}
	f := folding{work: w}
	d, err := f.fold(ctx, newest, between, open)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.discard()) }()
	if err := f.proveOn(ctx, p.reader, d, below); err != nil {
		return err
	}
	second, err := w.writeCopy(d)
	if err != nil {
		return err
	}
	stands := func() error {
		if below == "" {
			return nil
		}
		return w.groundStands(below)
	}
	if err := p.put(ctx, second, copyName(w.volume.UUID, id), copyCause, stands); err != nil {
		return err
	}
	name := d.name
	d.name = ""
	return p.put(ctx, name, revisionName(w.volume.Name, id), cause, stands)
}

// groundOf tells what of another repository's chain is to be folded into a revision for it to
// stand here, and on what: the nearest revision below it that is whole here.
func (p *repairer) groundOf(v Volume, st *revision.Statement, open func(revision.ID) (*mapFile, error)) (between []revision.ID, below revision.ID, err error) {
	for at := st.Parent; at != nil; at = st.Parent {
		if ours, err := p.repo.wholeAt(v, at.ID, revisionName(v.Name, at.ID)); err == nil && revision.CheckLink(st, ours) == nil {
			return between, at.ID, nil
		}
		m, err := open(at.ID)
		if err != nil {
			return nil, "", err
		}
		between, st = append(between, at.ID), m.Statement()
		if err := m.Close(); err != nil {
			return nil, "", err
		}
	}
	return between, "", nil
}

// hurtNotes looks at what is noted of a volume's revisions. Only another repository of the
// lineage can tell what cannot be read of it.
func (p *repairer) hurtNotes(v Volume) (hurt []hurtFile) {
	r := p.repo
	entries, err := r.fsys.ReadDir(volumeDir(v.Name))
	if err != nil {
		return nil
	}
	for _, id := range idsAmong(entries, infoExt) {
		var info Info
		name := infoName(v.Name, id)
		cause := readSmall(r.fsys, name, &info)
		if !isDamaged(cause) {
			continue
		}
		hurt = append(hurt, hurtFile{name, cause, func(ctx context.Context) (Origin, error) {
			for _, other := range p.others {
				theirs, err := other.info(v, id)
				if err != nil {
					continue
				}
				p.touched[revisionKey{v.UUID, id}] = true
				return other.from(), r.atGate(ctx, func() error {
					if !isDamaged(readSmall(r.fsys, name, new(Info))) {
						return errGone // somebody noted something, or it went
					}
					if err := p.keep(name, cause); err != nil {
						return err
					}
					return replaceSmall(r.fsys, p.lease.temps, name, theirs)
				})
			}
			return Origin{}, errNoCopy
		}})
	}
	return hurt
}
