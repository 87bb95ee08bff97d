package repository

import (
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
}

// Summaries gives the summaries of all volumes, by name, much faster than listing
// their revisions does: of each volume only the newest statements are read, and
// what was noted of the others. So a revision that nobody has tried to read yet,
// and that cannot be read, is not among the troubled. What cannot be read is in
// the error, of a volume as a [*VolumeError], which comes with all that can.
func (r *Repository) Summaries(ctx context.Context) ([]Summary, error) {
	volumes, unread := r.Volumes()
	summaries, errs := make([]Summary, len(volumes)), make([]error, len(volumes))
	var g errgroup.Group
	g.SetLimit(listers)
	for i, v := range volumes {
		g.Go(func() error {
			if errs[i] = ctx.Err(); errs[i] == nil {
				summaries[i], errs[i] = r.Summary(v)
			}
			if errs[i] != nil {
				errs[i] = &VolumeError{Volume: v.Name, Err: errs[i]}
			}
			summaries[i].Volume = v
			return nil
		})
	}
	_ = g.Wait() // what went wrong is in errs
	return summaries, errors.Join(unread, errors.Join(errs...))
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
	ids, noted := idsAmong(entries, revisionExt), idsAmong(entries, infoExt)
	slices.SortFunc(ids, func(a, b revision.ID) int { return b.Begun().Compare(a.Begun()) })
	plain, err := r.isPlain(v, ids)
	if err != nil {
		return Summary{Volume: v}, err
	}
	s := Summary{Volume: v, Revisions: len(ids)}
	if plain {
		plain, err = s.glance(r, ids, noted)
	}
	if !plain && err == nil {
		s, err = r.thorough(v)
	}
	if err != nil || !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == retiredFile }) {
		return s, err
	}
	t, err := r.Retirement(v)
	s.Retired = t.InForce(s.Newest)
	return s, err
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
		if info.State == Suspect || info.State == Damaged {
			s.Troubled = append(s.Troubled, Revision{Volume: v, ID: id, Info: info})
		}
	}
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
			return rev.Statement == nil || rev.Statement.Parent != nil && !slices.Contains(ids, rev.Statement.Parent.ID)
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
	there, begun := map[revision.ID]bool{}, time.Now().Add(time.Minute)
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
	revisions, err := r.Revisions(v)
	s := Summary{Volume: v, Revisions: len(revisions)}
	for _, rev := range revisions {
		if rev.Info.State == Suspect || rev.Info.State == Damaged {
			s.Troubled = append(s.Troubled, rev)
		}
	}
	s.look(revisions)
	return s, err
}
