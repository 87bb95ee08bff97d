package repository

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"varve/revision"
)

// A Set is revisions of several volumes that were made as one moment, and became visible
// at once.
type Set struct {
	ID      string    `json:"id"`   // its members' statements name it
	Name    string    `json:"name"` // as configured
	Begun   time.Time `json:"begun"`
	Members []Member  `json:"members"` // by name of the volume
	By      Holder    `json:"by"`
}

// A Member is a revision of a set.
type Member struct {
	Volume   revision.UUID   `json:"volume"`
	Name     revision.Name   `json:"name"` // that the volume had then
	Revision revision.ID     `json:"revision"`
	Sequence uint64          `json:"sequence"`
	Digest   revision.Digest `json:"digest"` // of its image
}

// NewSet begins a set of that name, which obeys the rules of tags.
func (r *Repository) NewSet(name string) Set {
	begun := r.opts.Now().UTC().Truncate(time.Second)
	return Set{ID: string(revision.NewID(begun, rand.Reader)), Name: name, Begun: begun, By: r.me}
}

// Sets lists the sets of which there is anything yet, the oldest first. What cannot be read
// is in the error, which comes with all that can.
func (r *Repository) Sets() ([]Set, error) {
	ids, err := r.setIDs()
	errs := []error{err}
	var sets []Set
	for _, id := range ids {
		s, err := r.Set(id)
		if notFound(err) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		sets = append(sets, s)
	}
	slices.SortStableFunc(sets, Set.compare)
	return sets, errors.Join(errs...)
}

// compare orders sets: by the numbers of a volume that is in both, or else by the clock.
func (s Set) compare(other Set) int {
	for _, m := range s.Members {
		i := slices.IndexFunc(other.Members, func(o Member) bool { return o.Volume == m.Volume })
		if i >= 0 {
			return cmp.Compare(m.Sequence, other.Members[i].Sequence)
		}
	}
	return cmp.Or(s.Begun.Compare(other.Begun), cmp.Compare(s.ID, other.ID))
}

// Set reads a set by its id, or its copy, if its file is damaged or gone.
func (r *Repository) Set(id string) (s Set, err error) {
	if err := checkSetID(id); err != nil {
		return s, err
	}
	if s, err = r.readSet(setName(id), id); err == nil || !isDamaged(err) && !notFound(err) {
		return s, err
	}
	if second, copyErr := r.readSet(setCopyName(id), id); copyErr == nil {
		return second, nil
	}
	return s, err
}

func (r *Repository) readSet(name, id string) (s Set, err error) {
	if err := readSmall(r.fsys, name, &s); err != nil {
		return Set{}, err
	}
	if s.ID != id {
		return Set{}, &DamagedFileError{Path: name, Cause: fmt.Errorf("%w: it holds set %q", errBadContent, s.ID)}
	}
	return s, nil
}

// checkSetID refuses what cannot be a part of the name of a file.
func checkSetID(id string) error {
	if err := revision.CheckTag(id); err != nil || strings.HasPrefix(id, ".") {
		return fmt.Errorf("bad id %q of a set", id)
	}
	return nil
}

// setIDs lists the ids of sets that have a file or a copy of it.
func (r *Repository) setIDs() ([]string, error) {
	entries, err := r.fsys.ReadDir(setsDir)
	if notFound(err) { // no program before this one made it
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return setIDsAmong(entries), nil
}

func setIDsAmong(entries []fs.DirEntry) (ids []string) {
	for _, e := range entries {
		id, is := strings.CutSuffix(e.Name(), infoExt)
		if !is {
			id, is = strings.CutSuffix(e.Name(), setCopyExt)
		}
		if is && checkSetID(id) == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// setStands tells whether a set became visible: whether it has a file, whatever that
// holds, or a copy of one, which is made after it. Without either, the journal may know.
func (r *Repository) setStands(id string) (bool, error) {
	for _, name := range []string{setName(id), setCopyName(id)} {
		_, err := r.fsys.Lstat(name)
		if err == nil {
			return true, nil
		}
		if !notFound(err) {
			return false, err
		}
	}
	return false, nil
}

// partWaiting parts the revisions that are visible from those that wait for a set of
// which there is no file: oldest first, as they came. None of which the journal says that
// it, or another of its set, became visible, waits, and none on which a visible one builds:
// for a program that knew of no sets it was visible.
func (r *Repository) partWaiting(revisions []Revision) (visible, waiting []Revision, unsure error) {
	if !slices.ContainsFunc(revisions, func(rev Revision) bool { return rev.waits }) {
		return revisions, nil, nil
	}
	needed := map[revision.ID]bool{}
	known, unsure := r.journaledSets()
	if unsure != nil { // who only lists goes on
		r.opts.Log.Warn("the journal cannot be read", "error", unsure)
	}
	for _, rev := range slices.Backward(revisions) {
		if rev.waits && !needed[rev.ID] {
			if !known.has(rev) {
				waiting = append(waiting, rev)
				continue
			}
			r.opts.Log.Warn("the file of a set is gone", "error", &DamagedFileError{Path: setName(rev.Statement.Set), Cause: errFileGone})
		}
		visible = append(visible, rev)
		if rev.Statement != nil && rev.Statement.Parent != nil {
			needed[rev.Statement.Parent.ID] = true
		}
	}
	slices.Reverse(visible)
	slices.Reverse(waiting)
	return visible, waiting, unsure
}

// journaled is what the journal knows to have become visible.
type journaled struct {
	sets    map[string]bool
	members map[revision.UUID]map[revision.ID]bool
}

func (j journaled) has(rev Revision) bool {
	return j.sets[rev.Statement.Set] || j.members[rev.Volume.UUID][rev.ID]
}

// journaledSets reads the journal for what is wanted of sets that have lost their files. What
// cannot be read is in the error, which comes with all that can.
func (r *Repository) journaledSets() (journaled, error) {
	events, err := r.Events()
	j := journaled{sets: map[string]bool{}, members: map[revision.UUID]map[revision.ID]bool{}}
	for _, e := range events {
		if e.Result == ResultFailed || e.Op != OpBackup && e.Op != OpUndelete || e.UUID == nil {
			continue
		}
		if e.Set != "" {
			j.sets[e.Set] = true
		}
		if j.members[*e.UUID] == nil {
			j.members[*e.UUID] = map[revision.ID]bool{}
		}
		j.members[*e.UUID][e.Revision] = true
	}
	return j, err
}

// checkSet fails with fs.ErrNotExist if a revision waits for its set.
func (r *Repository) checkSet(v Volume, st *revision.Statement) error {
	if st.Set == "" {
		return nil
	}
	if stands, err := r.setStands(st.Set); err != nil || stands {
		return err
	}
	l, err := r.list(v)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(l.waiting, func(rev Revision) bool { return rev.ID == st.ID }) {
		return fmt.Errorf("revision %s waits for its set: %w", st.ID, fs.ErrNotExist)
	}
	return nil
}
