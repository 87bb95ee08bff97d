package repository

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"varve/revision"
)

// Summary is what a volume shows at a glance.
type Summary struct {
	Volume    Volume
	Retired   bool       // it is not expected to be backed up any more
	Revisions int        // how many are visible
	Newest    *Revision  // nil: there is none
	Good      *Revision  // the newest that is neither suspect nor damaged; nil: there is none
	Troubled  []Revision // those known to be suspect or damaged, the oldest first; Statement may be nil
	Drill     *LastDrill // of its revisions; nil: there was none
	Waiting   []Revision // those of sets that were cut off, which count as nothing, the oldest first
	Anomalous []Revision // those that were given the tag [AnomalyTag], the oldest first; Statement may be nil
}

// AnomalyTag is the tag that is given to a revision that is unlike those before it. Who has
// looked at it takes it off.
const AnomalyTag = "anomaly"

// Summaries gives the summaries of all volumes, by name, much faster than listing
// their revisions does: of each volume only the newest statements are read, and
// what was noted of the others. So a revision that nobody has tried to read yet,
// and that cannot be read, is not among the troubled. What cannot be read is in
// the error, of a volume as a [*VolumeError], which comes with all that can; so is a volume of
// which the directory is gone, with a [*LostVolumeError].
func (r *Repository) Summaries(ctx context.Context) ([]Summary, error) {
	entries, err := r.fsys.ReadDir(volumesDir)
	if err != nil {
		return nil, err
	}
	summaries, errs := make([]Summary, len(entries)), make([]error, len(entries))
	var g errgroup.Group
	g.SetLimit(r.opts.Listers)
	for i, e := range entries {
		g.Go(func() error {
			if errs[i] = ctx.Err(); errs[i] == nil {
				summaries[i], errs[i] = r.summaryAt(e.Name())
			}
			return nil
		})
	}
	_ = g.Wait() // what went wrong is in errs
	summaries = slices.DeleteFunc(summaries, func(s Summary) bool { return s.Volume.UUID.IsZero() })
	slices.SortFunc(summaries, func(a, b Summary) int { return cmp.Compare(a.Volume.Name, b.Volume.Name) })
	if ctx.Err() != nil { // the others were not looked at
		return summaries, errors.Join(errs...)
	}
	r.opts.Memory.keepOnly(summaries)
	known := map[revision.UUID]bool{}
	for i := range summaries {
		known[summaries[i].Volume.UUID] = true
	}
	lost, err := r.lostVolumes(known)
	errs = append(errs, err)
	for _, l := range lost {
		errs = append(errs, &VolumeError{Volume: l.Volume.Name, Err: l})
	}
	return summaries, errors.Join(errs...)
}

// summaryAt gives the summary of the volume whose directory has that name. It has no
// volume if it is no volume's, or if that cannot be read.
func (r *Repository) summaryAt(base string) (Summary, error) {
	if name, err := revision.DecodeName(base); err == nil {
		look := r.opts.Memory.ofSummaries().look(base, r.opts.Now(), r.stampsOf)
		if look.holds {
			return look.value, nil
		}
		if s, plain := r.summaryOfPlain(name); plain { // what is not is odd in ways that directories do not show
			look.note(s, r.opts.Now(), r.stampsOf)
			return s, nil
		}
	}
	v, err := r.volumeAt(base)
	if err != nil || v.UUID.IsZero() {
		return Summary{}, err
	}
	s, err := r.Summary(v)
	s.Volume = v
	if err != nil {
		err = &VolumeError{Volume: v.Name, Err: err}
	}
	return s, err
}

// stampsOf is that of the directory that a plain summary is made from. That of its copies, which
// tells whether it is plain, changes nothing by itself: a copy counts where a revision's file is
// gone, and without one it would not be plain.
func (r *Repository) stampsOf(s Summary) (stamps, error) {
	own, err := r.dirStamp(volumeDir(s.Volume.Name))
	return stamps{own}, err
}

// summaryOfPlain gives the summary of a volume about which nothing is odd, and reads no
// more than it has to: its own file need not be held against all revisions, as
// [Repository.Volume] does, for the newest confirms it.
func (r *Repository) summaryOfPlain(name revision.Name) (s Summary, plain bool) {
	entries, err := r.fsys.ReadDir(volumeDir(name))
	if err != nil {
		return s, false
	}
	var record volumeRecord
	if err := readSmall(r.fsys, volumeRecordName(name), &record); err != nil || record.UUID.IsZero() {
		return s, false
	}
	v := Volume{Name: name, UUID: record.UUID, Created: record.Created}
	s, plain, err = r.glanceAt(v, entries)
	if err != nil || !plain || s.Revisions > 0 && s.Newest == nil {
		return s, false
	}
	if isRetired(entries) {
		t, err := r.Retirement(v)
		if t == nil || err != nil {
			return s, false
		}
		s.Volume.Retired, s.Retired = t.At, t.InForce(s.Newest)
	}
	return s, true
}

// glances is how many of the newest revisions are read at a time. The newest by the
// clock may not be the newest by its number, where a clock was set.
const glances = 3

// Summary is that of one volume.
func (r *Repository) Summary(v Volume) (Summary, error) {
	entries, err := r.fsys.ReadDir(volumeDir(v.Name))
	if err != nil {
		return Summary{Volume: v}, err
	}
	s, plain, err := r.glanceAt(v, entries)
	if !plain && err == nil {
		s, err = r.thorough(v)
	}
	if err != nil || !isRetired(entries) {
		return s, err
	}
	t, err := r.Retirement(v)
	s.Retired = t.InForce(s.Newest)
	return s, err
}

// glanceAt makes the summary of a volume whose directory holds that, if nothing is odd
// about it.
func (r *Repository) glanceAt(v Volume, entries []fs.DirEntry) (s Summary, plain bool, err error) {
	ids, noted := idsAmong(entries, revisionExt), idsAmong(entries, infoExt)
	slices.SortFunc(ids, func(a, b revision.ID) int { return cmp.Compare(b, a) }) // the newest by the clock first
	s = Summary{Volume: v, Revisions: len(ids)}
	if plain, err = r.isPlain(v, ids); plain && err == nil {
		plain, err = s.glance(r, ids, noted)
	}
	return s, plain, err
}

// isRetired tells whether a volume's directory says that it was retired.
func isRetired(entries []fs.DirEntry) bool {
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == retiredFile })
}

// glance looks at the newest revisions and at what was noted. It gives up, and leaves
// the summary half made, when it comes upon something odd.
func (s *Summary) glance(r *Repository, ids, noted []revision.ID) (plain bool, err error) {
	v, changed := s.Volume, map[revision.ID]bool{}
	for _, id := range noted {
		if !slices.Contains(ids, id) {
			continue // removed meanwhile, or its file is lost
		}
		changed[id] = true
		info, err := r.notes(v, id)
		if err != nil {
			return false, err
		}
		s.noteDrill(id, info.Drill)
		if info.State == Suspect || info.State == Damaged {
			s.Troubled = append(s.Troubled, Revision{Volume: v, ID: id, Info: info})
		}
		if slices.Contains(info.Tags, AnomalyTag) {
			s.Anomalous = append(s.Anomalous, Revision{Volume: v, ID: id, Info: info})
		}
	}
	slices.SortFunc(s.Anomalous, func(a, b Revision) int { return a.ID.Begun().Compare(b.ID.Begun()) })
	slices.SortFunc(s.Troubled, func(a, b Revision) int { return a.ID.Begun().Compare(b.ID.Begun()) })
	for s.Good == nil && len(ids) > 0 {
		batch := ids[:1]
		revisions, err := r.readRevisions(v, batch, changed)
		if err == nil && !(len(revisions) == 1 && buildsOnNext(revisions[0], ids)) {
			batch = ids[:min(glances, len(ids))]
			revisions, err = r.readRevisions(v, batch, changed)
		}
		if err != nil {
			return false, err
		}
		odd := func(rev Revision) bool {
			return rev.waits || rev.Statement == nil || rev.Statement.Parent != nil && !slices.Contains(ids, rev.Statement.Parent.ID)
		}
		if slices.ContainsFunc(revisions, odd) {
			return false, nil
		}
		s.look(sortRevisions(revisions))
		ids = ids[len(batch):]
	}
	return true, nil
}

// buildsOnNext tells whether the first of ids is that of a delta on the second, or
// the only one: then it is the newer one, whatever clocks say.
func buildsOnNext(rev Revision, ids []revision.ID) bool {
	return len(ids) == 1 || rev.isChildOf(ids[1])
}

// look goes through some revisions, oldest first, all of them older than those of the last call.
func (s *Summary) look(revisions []Revision) {
	for i := range slices.Backward(revisions) {
		rev := &revisions[i]
		if s.Newest == nil {
			s.Newest = rev
		}
		if c := rev.Candidate(); s.Good == nil && c.Trusted {
			s.Good = rev
		}
	}
}

// isPlain tells whether nothing is odd about the ids of a volume, the newest by the
// clock first: no clock ran ahead, no two were begun in one second, and no copy is
// there without its revision.
func (r *Repository) isPlain(v Volume, ids []revision.ID) (bool, error) {
	there, begun := map[revision.ID]bool{}, r.opts.Now().Add(time.Minute)
	for _, id := range ids {
		if !id.Begun().Before(begun) {
			return false, nil
		}
		there[id], begun = true, id.Begun()
	}
	copies, err := r.idsIn(copyDir(v.UUID))
	if err != nil && !notFound(err) {
		return false, err
	}
	for _, id := range copies {
		if !there[id] {
			return false, nil
		}
	}
	return true, nil
}

// notes reads what was noted of a revision whose statement need not be read.
func (r *Repository) notes(v Volume, id revision.ID) (info Info, err error) {
	err = readSmall(r.fsys, infoName(v.Name, id), &info)
	switch {
	case notFound(err):
		return Info{}, nil
	case isDamaged(err):
		return Info{State: Suspect, Reason: err.Error()}, nil
	}
	return info, err
}

// thorough makes the summary from a list of all revisions.
func (r *Repository) thorough(v Volume) (Summary, error) {
	l, err := r.list(v)
	s := Summary{Volume: v, Revisions: len(l.visible), Waiting: l.waiting}
	for _, rev := range l.visible {
		s.noteDrill(rev.ID, rev.Info.Drill)
		if rev.Info.State == Suspect || rev.Info.State == Damaged {
			s.Troubled = append(s.Troubled, rev)
		}
		if slices.Contains(rev.Info.Tags, AnomalyTag) {
			s.Anomalous = append(s.Anomalous, rev)
		}
	}
	s.look(l.visible)
	return s, err
}
