package interleave

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/proof/packs"
	"varve/repository"
	"varve/revision"
)

// check looks whether all that was promised is there, and all that is there is right.
func (w *world) check(ctx context.Context) error {
	w.seen = w.disk.Files()
	var err error
	if w.condemned, err = packs.Condemned(w.files()); err != nil {
		return err
	}
	p := &process{w: w, fsys: w.disk, clock: ticking(begin)}
	return p.with("restore", func(r *repository.Repository) error {
		listed, err := w.checkListed(ctx, r)
		if err != nil {
			return err
		}
		trash, err := r.Trash()
		if err != nil {
			return err
		}
		trashed := map[named]bool{}
		for _, t := range trash {
			n := named{t.Volume.UUID, t.ID}
			trashed[n] = true
			if t.Info.State == repository.Damaged {
				return fmt.Errorf("%s of %s is damaged in the trash: %s", t.ID, t.Volume.Name, t.Info.Reason)
			}
			if err := w.checkMap(path.Join("trash", n.volume.String(), string(n.id)+".rev")); err != nil {
				return fmt.Errorf("%s of %s, in the trash: %w", t.ID, t.Volume.Name, err)
			}
		}
		if err := errors.Join(w.checkPlaces(listed, trashed), w.checkSets(r, listed, trash), w.checkJournal(r, listed, trashed)); err != nil {
			return err
		}
		w.listed, w.trashed = listed, trashed // what was open is not any more
		return nil
	})
}

// checkListed reads every revision.
func (w *world) checkListed(ctx context.Context, r *repository.Repository) (listed map[named]bool, err error) {
	volumes, err := r.Volumes()
	if err != nil {
		return nil, err
	}
	rd, err := r.NewReader(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	listed, w.ofSets = map[named]bool{}, map[named]string{}
	for _, v := range volumes {
		revisions, err := r.Revisions(v)
		if err != nil {
			return nil, err
		}
		number := uint64(0)
		for _, rev := range revisions {
			n := named{v.UUID, rev.ID}
			listed[n] = true
			if rev.Statement != nil && rev.Statement.Set != "" {
				w.ofSets[n] = rev.Statement.Set
			}
			if err := w.checkRevision(ctx, rd, rev, &number); err != nil {
				return nil, fmt.Errorf("%s of %s: %w", rev.ID, v.Name, err)
			}
		}
	}
	return listed, nil
}

func (w *world) checkRevision(ctx context.Context, rd *repository.Reader, rev repository.Revision, number *uint64) (err error) {
	switch {
	case rev.Info.State == repository.Damaged:
		return fmt.Errorf("it is listed as damaged: %s", rev.Info.Reason)
	case rev.Statement.Sequence <= *number:
		return fmt.Errorf("it has number %d after %d", rev.Statement.Sequence, *number)
	}
	*number = rev.Statement.Sequence
	if w.isUnchanged(named{rev.Volume.UUID, rev.ID}) {
		return nil
	}
	im, err := rd.Image(ctx, rev.Volume, rev.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	if err := w.isOneOf(ctx, im, named{rev.Volume.UUID, rev.ID}, rev.Volume.Name); err != nil {
		return err
	}
	file := path.Join("volumes", rev.Volume.Name.Encode(), string(rev.ID)+".rev")
	if err := w.checkMap(file); err != nil {
		return err
	}
	return w.checkCopy(file, path.Join("copies", rev.Volume.UUID.String(), string(rev.ID)+".rev"))
}

// isOneOf makes sure that an image is what was backed up, or, if nobody was told what came
// of that, what somebody tried to back up.
func (w *world) isOneOf(ctx context.Context, im *repository.Image, n named, name revision.Name) error {
	if content, known := w.contents[n]; known {
		return read(ctx, im, content)
	}
	err := errors.New("nobody made it")
	tried := w.tried[name]
	if name == renamed {
		tried = slices.Concat(tried, w.tried["db"])
	}
	for _, content := range slices.Backward(tried) {
		if err = read(ctx, im, content); err == nil {
			break
		}
	}
	return err
}

// checkCopy makes sure that a revision's second file is there, and says the same of its
// image: a merge that got no further may have written it.
func (w *world) checkCopy(file, second string) error {
	files := w.files()
	if bytes.Equal(files[file], files[second]) {
		return nil
	}
	own, err := revision.Open(bytes.NewReader(files[file]), int64(len(files[file])))
	if err != nil {
		return err
	}
	copied, err := revision.Open(bytes.NewReader(files[second]), int64(len(files[second])))
	if err != nil {
		return fmt.Errorf("its copy: %w", err)
	}
	if a, b := own.Statement(), copied.Statement(); a.ID != b.ID || a.Digest != b.Digest {
		return errors.New("its copy is of something else")
	}
	return copied.Check()
}

// checkMap makes sure that the packs which a map names are there and not condemned, or
// those to which a collection moved what was alive in them: invariant I1.
func (w *world) checkMap(name string) error {
	file, there := w.files()[name]
	if !there {
		return fmt.Errorf("%s is not there", name)
	}
	m, err := revision.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return err
	}
	named, err := m.Packs()
	if err != nil {
		return err
	}
	for _, pack := range named {
		if !packs.Stands(w.files(), pack, w.condemned) {
			return fmt.Errorf("pack %s is gone or condemned", pack)
		}
	}
	return nil
}

// isUnchanged tells whether the files that a revision consists of are those there were in
// the beginning, when it was read, and none of its packs is condemned.
func (w *world) isUnchanged(n named) bool {
	for _, name := range w.sound[n] {
		if now, there := w.seen[name]; !there || !isSame(now, w.first[name]) {
			return false
		}
	}
	for _, pack := range w.packs[n] {
		if w.condemned[pack] {
			return false
		}
	}
	return w.sound[n] != nil
}

// isSame tells whether two contents are one: nobody wrote the file anew.
func isSame(a, b []byte) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// settle notes of what each revision consists, after all was read and found right.
func (w *world) settle() error {
	w.first, w.sound, w.packs = w.seen, map[named][]string{}, map[named][]chunkstore.PackID{}
	for name, v := range w.volumes {
		for n := range w.listed {
			if n.volume != v.UUID {
				continue
			}
			for id := n.id; id != ""; {
				file := path.Join("volumes", name.Encode(), string(id)+".rev")
				m, err := revision.Open(bytes.NewReader(w.seen[file]), int64(len(w.seen[file])))
				if err != nil {
					return err
				}
				packs, err := m.Packs()
				if err != nil {
					return err
				}
				w.sound[n] = append(w.sound[n], file, path.Join("copies", v.UUID.String(), string(id)+".rev"))
				for _, pack := range packs {
					w.sound[n], w.packs[n] = append(w.sound[n], chunkstore.PackName(pack)), append(w.packs[n], pack)
				}
				if id = ""; m.Statement().Parent != nil {
					id = m.Statement().Parent.ID
				}
			}
		}
	}
	return nil
}

// checkPlaces makes sure that what was promised is where it is to be. Where somebody was
// to move it and said nothing of it, it may be in either place.
func (w *world) checkPlaces(listed, trashed map[named]bool) error {
	for n := range w.contents {
		open := w.removing[n]+w.undoing[n] > 0
		switch {
		case listed[n] && trashed[n]:
			return fmt.Errorf("%s is there and in the trash", n.id)
		case w.listed[n] && !open && !listed[n]:
			return fmt.Errorf("%s was promised and is not there", n.id)
		case w.trashed[n] && !open && listed[n]:
			return fmt.Errorf("%s was taken away and is there", n.id)
		case w.waits[n] && !w.listed[n] && !open && listed[n]:
			return fmt.Errorf("%s waits for its set, and is there", n.id)
		case !listed[n] && !trashed[n] && !w.purging && !w.waits[n]:
			return fmt.Errorf("%s is nowhere", n.id)
		case w.pinned[n] && !listed[n]:
			return fmt.Errorf("%s was pinned and is not there", n.id)
		}
	}
	return nil
}

// checkJournal makes sure that the journal knows of no success without a revision.
func (w *world) checkJournal(r *repository.Repository, listed, trashed map[named]bool) error {
	events, err := r.Events()
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.Op != repository.OpBackup || e.Result == repository.ResultFailed {
			continue
		}
		n := named{id: e.Revision}
		if e.UUID != nil {
			n.volume = *e.UUID
		}
		if !listed[n] && !trashed[n] && !w.purging && !w.forgotten[n] {
			return fmt.Errorf("the journal tells of %s, which is not there", n.id)
		}
	}
	return nil
}

// nextNight goes on as if nothing had been: it backs up, merges, brings back what is in
// the trash and collects garbage. All is to succeed, and to leave nothing of the dead.
func (w *world) nextNight(ctx context.Context, state string) error {
	p := &process{w: w, fsys: w.disk, state: state, clock: ticking(begin.AddDate(0, 0, 1))}
	if err := p.backup(ctx, "db", database(7), false); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	if err := p.backup(ctx, "mail", garbage(), false); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	if err := p.backupSet(ctx, member{"root", system(4)}, member{"data", system(5)}); err != nil {
		return fmt.Errorf("back up a set: %w", err)
	}
	err := p.with("undelete", func(r *repository.Repository) error {
		trash, err := r.Trash()
		if err != nil {
			return err
		}
		for i := len(trash) - 1; i >= 0; i-- {
			if err := p.undelete(ctx, r, named{trash[i].Volume.UUID, trash[i].ID}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("bring back: %w", err)
	}
	w.removing, w.undoing = map[named]int{}, map[named]int{}
	if err := collect(true)(ctx, p); err != nil {
		return fmt.Errorf("collect garbage: %w", err)
	}
	for name := range w.disk.Files() {
		if strings.HasPrefix(name, "locks/leases/") || durable.IsTemp(path.Base(name)) {
			return fmt.Errorf("%s is left", name)
		}
	}
	return w.check(ctx)
}
