package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"varve/backup"
	"varve/internal/durable"
	"varve/internal/proof/packs"
	"varve/repository"
	"varve/revision"
)

// Check looks at a world after a disaster, without any step that a person would
// have to take, and lets it go on: the next night must succeed, and everything be
// there after it too. It returns what is wrong.
func (w *World) Check(ctx context.Context) error {
	if err := w.checkRepository(ctx); err != nil {
		return err
	}
	read, err := w.checkKept(ctx, nil)
	if err != nil {
		return fmt.Errorf("after it: %w", err)
	}
	kept := w.unchanging()
	if err := w.nextNight(ctx); err != nil {
		return fmt.Errorf("the next night: %w", err)
	}
	if !w.stillHas(kept) {
		read = nil // what was found right lies in other files now, and is read again
	}
	if _, err := w.checkKept(ctx, read); err != nil {
		return fmt.Errorf("after the next night: %w", err)
	}
	return w.checkTidy()
}

// checkRepository opens the repository; where init had not finished, it is repeated.
func (w *World) checkRepository(ctx context.Context) error {
	r, err := w.Open(w.Disk)
	if err == nil {
		return r.Close()
	}
	if w.Ready {
		return fmt.Errorf("the repository does not open: %w", err)
	}
	if err := w.Init(ctx, w.Disk); err != nil {
		return fmt.Errorf("init cannot be repeated: %w", err)
	}
	return nil
}

// named is one revision: two volumes may have the same id.
type named struct {
	volume revision.UUID
	id     revision.ID
}

// checkKept reads every revision that is listed, but those that were read before,
// and looks for those promised. It tells which are listed.
func (w *World) checkKept(ctx context.Context, before map[named]bool) (listed map[named]bool, err error) {
	r, err := w.Open(w.Disk)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if listed, err = w.readAll(ctx, r, before); err != nil {
		return nil, err
	}
	trash, err := r.Trash()
	if err != nil {
		return nil, err
	}
	inTrash := map[named]bool{}
	for _, t := range trash {
		if t.Info.State == repository.Damaged {
			return nil, fmt.Errorf("revision %s of %s is damaged in the trash: %s", t.ID, t.Volume.Name, t.Info.Reason)
		}
		inTrash[named{t.Volume.UUID, t.ID}] = true
	}
	if err := w.checkSets(r, trash); err != nil {
		return nil, err
	}
	for _, p := range w.Promised {
		n := named{p.UUID, p.ID}
		switch {
		case !listed[n] && !inTrash[n], p.Place == isListed && !listed[n]:
			return nil, fmt.Errorf("revision %s of %s was promised and is not there", p.ID, p.Volume)
		case listed[n] && inTrash[n]:
			return nil, fmt.Errorf("revision %s of %s is there and in the trash", p.ID, p.Volume)
		case p.Place == isTrashed && listed[n]:
			return nil, fmt.Errorf("revision %s of %s was taken away and is there", p.ID, p.Volume)
		}
	}
	return listed, w.checkJournal(r, listed, inTrash)
}

// checkSets makes sure that all revisions of a set are there, or none; those that were
// there, and were taken away, lie in the trash.
func (w *World) checkSets(r *repository.Repository, trash []repository.Trashed) error {
	if w.SetSize == 0 {
		return nil
	}
	visible, all := map[string]int{}, map[string]int{}
	volumes, err := r.Volumes()
	if err != nil {
		return err
	}
	for _, v := range volumes {
		revisions, err := r.Revisions(v)
		if err != nil {
			return err
		}
		for _, rev := range revisions {
			visible[rev.Statement.Set]++
			all[rev.Statement.Set]++
		}
	}
	for _, t := range trash {
		if t.Op == repository.OpSet {
			continue
		}
		all[t.Statement.Set]++
	}
	for set, n := range visible {
		if set != "" && all[set] != w.SetSize {
			return fmt.Errorf("of set %s %d revisions are there, and %d in all: want all %d or none", set, n, all[set], w.SetSize)
		}
	}
	sets, err := r.Sets()
	if err != nil {
		return err
	}
	for _, s := range sets {
		if len(s.Members) != w.SetSize {
			return fmt.Errorf("set %s has %d members", s.ID, len(s.Members))
		}
	}
	return nil
}

// readAll reads all that is listed, and compares it with what it must be.
func (w *World) readAll(ctx context.Context, r *repository.Repository, before map[named]bool) (listed map[named]bool, err error) {
	rd, err := r.NewReader(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	volumes, err := r.Volumes()
	if err != nil {
		return nil, err
	}
	condemned, err := packs.Condemned(w.Disk.Files())
	if err != nil {
		return nil, err
	}
	if err := w.checkNames(volumes); err != nil {
		return nil, err
	}
	listed = map[named]bool{}
	for _, v := range volumes {
		revisions, err := r.Revisions(v)
		if err != nil {
			return nil, err
		}
		sequence := uint64(0)
		for _, rev := range revisions {
			listed[named{v.UUID, rev.ID}] = true
			if rev.Info.State == repository.Damaged {
				return nil, fmt.Errorf("revision %s of %s is listed as damaged: %s", rev.ID, v.Name, rev.Info.Reason)
			}
			if !before[named{v.UUID, rev.ID}] {
				if err := w.read(ctx, rd, rev); err != nil {
					return nil, fmt.Errorf("revision %s of %s: %w", rev.ID, v.Name, err)
				}
			}
			if rev.Statement.Sequence <= sequence {
				return nil, fmt.Errorf("revision %s of %s has number %d after %d", rev.ID, v.Name, rev.Statement.Sequence, sequence)
			}
			sequence = rev.Statement.Sequence
			if err := w.checkFiles(rev, condemned); err != nil {
				return nil, fmt.Errorf("revision %s of %s: %w", rev.ID, v.Name, err)
			}
		}
	}
	return listed, nil
}

// checkNames makes sure that a volume that was renamed, or was to be, has one name.
func (w *World) checkNames(volumes []repository.Volume) error {
	for _, r := range w.Renamed {
		var names []revision.Name
		for _, v := range volumes {
			if v.UUID == r.UUID {
				names = append(names, v.Name)
			}
		}
		switch {
		case len(names) != 1 || names[0] != r.From && names[0] != r.To:
			return fmt.Errorf("a volume that was to be renamed from %s to %s has the names %q", r.From, r.To, names)
		case !r.Tentative && names[0] != r.To:
			return fmt.Errorf("a volume that was renamed from %s to %s has the name %s", r.From, r.To, names[0])
		}
	}
	return nil
}

// read compares a revision with what was promised, or, where nothing was, with
// what backups of the volume were given.
func (w *World) read(ctx context.Context, rd *repository.Reader, rev repository.Revision) (err error) {
	im, err := rd.Image(ctx, rev.Volume, rev.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	may, broken := w.Tried[rev.Volume.Name], "it is neither absent nor complete"
	for _, p := range w.Promised {
		if p.ID == rev.ID && p.UUID == rev.Volume.UUID {
			may, broken = [][]byte{p.Content}, "its bytes are not those that were backed up"
		}
	}
	got := comparison{with: slices.Clone(may)}
	if err := backup.Stream(ctx, im, &got, backup.StreamOptions{Workers: 1}); err != nil {
		return err
	}
	if !got.same() {
		return errors.New(broken)
	}
	return nil
}

// comparison is a writer that tells whether it got one of some contents.
type comparison struct {
	with [][]byte // what is left of those that it may be
}

func (c *comparison) Write(p []byte) (int, error) {
	c.with = slices.DeleteFunc(c.with, func(b []byte) bool { return !bytes.HasPrefix(b, p) })
	for i := range c.with {
		c.with[i] = c.with[i][len(p):]
	}
	return len(p), nil
}

func (c *comparison) same() bool {
	return slices.ContainsFunc(c.with, func(b []byte) bool { return len(b) == 0 })
}

// checkJournal makes sure that the journal knows of no success without a revision, but
// of those that were taken away and that nobody was promised any more.
func (w *World) checkJournal(r *repository.Repository, listed, inTrash map[named]bool) error {
	events, err := r.Events()
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	made := map[named]int{}
	for _, e := range events {
		switch {
		case e.Result == repository.ResultFailed:
		case e.Op == repository.OpBackup && e.UUID == nil:
			return fmt.Errorf("the journal reports the backup of revision %s, of no volume", e.Revision)
		case e.Op == repository.OpBackup, e.Op == repository.OpUndelete:
			made[named{*e.UUID, e.Revision}]++
		case e.Op == repository.OpRemove, e.Op == repository.OpPrune, e.Op == repository.OpMerge:
			if e.UUID != nil {
				made[named{*e.UUID, e.Revision}]--
			}
		}
	}
	for n, times := range made {
		if times > 0 && !listed[n] && !inTrash[n] {
			return fmt.Errorf("the journal reports the backup of revision %s, which is not there", n.id)
		}
	}
	return nil
}

// nextNight backs every volume up, changed a little, thins one out, collects garbage and
// brings back what is in the trash.
func (w *World) nextNight(ctx context.Context) error {
	if len(w.Volumes) == 0 {
		w.Volumes["db"] = Noise(1, ChunkSize)
	}
	for _, name := range w.names() {
		w.Change(name, uint64(len(w.Tried[name])), 2)
		result, err := w.Backup(ctx, w.Disk, name, BackupOptions{})
		if err != nil {
			return err
		}
		if len(result.Findings) > 0 {
			return fmt.Errorf("backup of %s found damage: %s", name, result.Findings[0].Text)
		}
		for _, warning := range result.Warnings {
			if !strings.Contains(warning, "the source ") && !strings.Contains(warning, "retired") && !strings.Contains(warning, "its set was not complete") { // grew or shrank
				return fmt.Errorf("backup of %s warns: %s", name, warning)
			}
		}
	}
	if err := w.thin(ctx, w.names()[0]); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	if err := collect(ctx, w, w.Disk); err != nil {
		return fmt.Errorf("gc: %w", err)
	}
	if err := w.Undelete(ctx, w.Disk); err != nil {
		return fmt.Errorf("undelete: %w", err)
	}
	return nil
}

// thin merges the revision before the newest into that.
func (w *World) thin(ctx context.Context, name revision.Name) error {
	return w.with(w.Disk, func(r *repository.Repository) error {
		v, err := r.Volume(name)
		if err != nil {
			return err
		}
		revisions, err := r.Revisions(v)
		if err != nil || len(revisions) < 2 {
			return err
		}
		id := revisions[len(revisions)-2].ID
		out, err := r.Remove(ctx, v, []revision.ID{id}, repository.RemoveOptions{Op: repository.OpMerge, Undelete: time.Hour})
		if err == nil {
			w.settle(v.UUID, out.Revisions, isTrashed)
		}
		return err
	})
}

func (w *World) names() []revision.Name {
	var names []revision.Name
	for name := range w.Volumes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// checkTidy makes sure that the next night cleared away what the disaster left.
func (w *World) checkTidy() error {
	for name := range w.Disk.Files() {
		switch {
		case strings.Contains(name, durable.TempPrefix):
			return fmt.Errorf("a temporary file is left: %s", name)
		case strings.HasPrefix(name, "locks/leases/"):
			return fmt.Errorf("a lease is left: %s", name)
		}
	}
	return nil
}
